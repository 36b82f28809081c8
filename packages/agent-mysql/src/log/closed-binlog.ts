import { open } from 'node:fs/promises'
import { eventHeaderBytes } from '../binlog/binlog-event.ts'
import { eventType } from '../binlog/binlog-event-type.ts'

/**
 * Whether a binlog file ends with the ROTATE that names the next one, or with a STOP: what a server does not come to write that dies. The last event may
 * then be cut, and only the server says where its binlog ends.
 */
export async function isClosedInOrder(path: string, next: string): Promise<boolean> {
  await using file = await open(path, 'r')
  const { size } = await file.stat()
  const rotateBytes = eventHeaderBytes + 8 + Buffer.byteLength(next)
  const endings = [eventHeaderBytes, rotateBytes].flatMap((bytes) => [bytes, bytes + 4])
  const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.max(...endings)), 0, null, Math.max(0, size - Math.max(...endings)))
  return endings.some((bytes) => {
    const at = bytesRead - bytes
    const type = bytes < rotateBytes ? eventType.STOP : eventType.ROTATE
    return at >= 0 && buffer[at + 4] === type && buffer.readUInt32LE(at + 9) === bytes && buffer.readUInt32LE(at + 13) === size % 2 ** 32
  })
}
