import { crc32 } from 'node:zlib'
import { eventType } from '../binlog-event-type.ts'

const largestPayload = 0xff_ffff

/** Payloads as packets, those of 16 MiB and more in parts. */
export function packets(...payloads: readonly Buffer[]): Buffer {
  const parts: Buffer[] = []
  let sequence = 1
  for (const payload of payloads) {
    for (let begin = 0; begin <= payload.length; begin += largestPayload) {
      const part = payload.subarray(begin, begin + largestPayload)
      const header = Buffer.alloc(4)
      header.writeUIntLE(part.length, 0, 3)
      header[3] = sequence++ & 0xff
      parts.push(header, part)
    }
  }
  return Buffer.concat(parts)
}

/** The events of a binlog, each as the payload that a server sends. */
export function eventPayloads(binlog: Buffer): readonly Buffer[] {
  const payloads: Buffer[] = []
  for (let at = 4; at < binlog.length; ) {
    const size = binlog.readUInt32LE(at + 9)
    payloads.push(Buffer.concat([Buffer.of(0), binlog.subarray(at, at + size)]))
    at += size
  }
  return payloads
}

function artificialEvent(type: number, body: Buffer, logPos: number, flags: number, checksum: boolean): Buffer {
  const event = Buffer.alloc(20 + body.length + (checksum ? 4 : 0))
  event[5] = type
  event.writeUInt32LE(event.length - 1, 10)
  event.writeUInt32LE(logPos, 14)
  event.writeUInt16LE(flags, 18)
  body.copy(event, 20)
  if (checksum) event.writeUInt32LE(crc32(event.subarray(1, event.length - 4)), event.length - 4)
  return event
}

/** What names the file of the events that follow. */
export function artificialRotate(binlog: string, { position = 4, checksum = true } = {}): Buffer {
  const body = Buffer.alloc(8 + binlog.length)
  body.writeBigUInt64LE(BigInt(position))
  body.write(binlog, 8, 'latin1')
  return artificialEvent(eventType.ROTATE, body, 0, 0x20, checksum)
}

export function heartbeat(binlog: string, position: number): Buffer {
  return artificialEvent(eventType.HEARTBEAT, Buffer.from(binlog), position, 0, true)
}

export const eofPayload = Buffer.from('fe00000200', 'hex')

export function errorPayload(errno: number, message: string): Buffer {
  const head = Buffer.from('ff0000234859303030', 'hex')
  head.writeUInt16LE(errno, 1)
  return Buffer.concat([head, Buffer.from(message)])
}
