import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BinlogBuilder } from './__fixtures__/binlog-builder.ts'
import { artificialRotate, eofPayload, errorPayload, eventPayloads, heartbeat, packets } from './__fixtures__/dump-answer.ts'
import { eventType } from './binlog-event-type.ts'
import { type BinlogPiece, type BinlogReached, type DumpEnd, DumpFrames } from './dump-frames.ts'
import { dumpPacket } from './dump-packet.ts'

interface Received {
  readonly files: ReadonlyMap<string, Buffer>
  readonly pieces: readonly BinlogPiece[]
  readonly heartbeats: readonly BinlogReached[]
  readonly end: DumpEnd | undefined
}

function receive(
  answer: Buffer,
  cuts: readonly number[] = [],
  begin: BinlogReached = { binlog: 'b.000001', position: 4 },
  until?: string,
): Received {
  const pieces: BinlogPiece[] = []
  const heartbeats: BinlogReached[] = []
  const frames = new DumpFrames(begin, until, {
    onPiece: (piece) => pieces.push({ ...piece, bytes: Buffer.from(piece.bytes) }),
    onHeartbeat: (reached) => heartbeats.push(reached),
  })
  const ends = [...cuts.filter((cut) => cut < answer.length).toSorted((a, b) => a - b), answer.length]
  // Received into the same memory over and over, behind a little room.
  const memory = Buffer.alloc(64 + answer.length)
  let from = 0
  for (const to of ends) {
    memory.fill(0xee)
    answer.copy(memory, 64, from, to)
    if (frames.end === undefined) frames.push(memory.subarray(64, 64 + to - from), 64)
    from = to
  }
  const parts = Map.groupBy(pieces, ({ binlog }) => binlog)
  for (const ofFile of parts.values()) {
    let length = 0
    for (const { position, head, bytes } of ofFile) {
      if (!head && begin.position === 4) expect(position).toBe(length)
      length += bytes.length
    }
  }
  const files = new Map([...parts].map(([binlog, ofFile]) => [binlog, Buffer.concat(ofFile.map(({ bytes }) => bytes))]))
  return { files, pieces, heartbeats, end: frames.end }
}

const mebibyte = 1_048_576
const version = { serverVersion: '10.11.18-MariaDB-log' }
const first = new BinlogBuilder(version).gtidList([]).mariadbGtid(0, 1n).query('INSERT INTO t VALUES (1)').xid().rotate('b.000002').bytes()
const second = new BinlogBuilder({ ...version, checksums: false })
  .gtidList([[0, 1, 1n]])
  .mariadbGtid(0, 2n)
  .xid()
  .bytes()
const bothFiles = packets(
  artificialRotate('b.000001'),
  ...eventPayloads(first),
  artificialRotate('b.000002', { checksum: false }),
  ...eventPayloads(second),
  heartbeat('b.000002', second.length),
  eofPayload,
)

describe('what a server sends of its binlogs', () => {
  it('becomes its files, with nothing that is in none', () => {
    const { files, heartbeats, end } = receive(bothFiles)
    expect([...files]).toEqual([
      ['b.000001', first],
      ['b.000002', second],
    ])
    expect(heartbeats).toEqual([{ binlog: 'b.000002', position: second.length }])
    expect(end).toEqual({ kind: 'eof' })
  })

  it('becomes the same, however it comes', () => {
    const whole = receive(bothFiles)
    expect(receive(bothFiles, Array.from(bothFiles.keys())).files).toEqual(whole.files)
    fc.assert(
      fc.property(fc.array(fc.nat(bothFiles.length), { maxLength: 20 }), (cuts) => {
        const { files, heartbeats, end } = receive(bothFiles, cuts)
        expect({ files, heartbeats, end }).toEqual({ files: whole.files, heartbeats: whole.heartbeats, end: whole.end })
      }),
    )
  })

  it('begins in the middle of a file with what a file has to begin with', () => {
    const begin = { binlog: 'b.000001', position: 5000 }
    const built = new BinlogBuilder({ ...version, begin: 5000 })
    const headBytes = built.offset
    const bytes = built.mariadbGtid(0, 7n).xid().bytes()
    const [description = Buffer.alloc(0), ...events] = eventPayloads(bytes)
    const { files, pieces } = receive(
      packets(artificialRotate('b.000001', { position: 5000 }), description, description, ...events),
      [],
      begin,
    )
    expect(files.get('b.000001')).toEqual(bytes)
    expect(pieces.map(({ position, head, bytes: { length } }) => [position, head, length])).toEqual([
      [5000, true, 4],
      [5000, true, headBytes - 4],
      [5000, false, bytes.length - headBytes],
    ])
  })

  it.each([0xff_ffff - 2, 0xff_ffff - 1, 0xff_ffff, 2 * 0xff_ffff - 1, 2 * 0xff_ffff + 5])(
    'passes an event of %i bytes on',
    { timeout: 120_000 },
    (size) => {
      const built = new BinlogBuilder({ serverVersion: '5.5.44-log', checksums: false })
      const bytes = built
        .event(eventType.WRITE_ROWS_V1, Buffer.alloc(size - 19, 0x41))
        .xid()
        .bytes()
      const answer = packets(artificialRotate('b.000001'), ...eventPayloads(bytes), eofPayload)
      const { files, end, pieces } = receive(
        answer,
        Array.from({ length: Math.ceil(answer.length / 65_536) }, (_, index) => index * 65_536),
      )
      expect(files.get('b.000001')?.equals(bytes)).toBe(true)
      expect(end).toEqual({ kind: 'eof' })
      expect(Math.max(...pieces.map((piece) => piece.bytes.length))).toBeLessThanOrEqual(mebibyte + 64)
    },
  )

  it('ends before the binlog that is not wanted', () => {
    const { files, end } = receive(bothFiles, [], undefined, 'b.000002')
    expect([...files.keys()]).toEqual(['b.000001'])
    expect(end).toEqual({ kind: 'binlog' })
  })

  it('ends with the error of the server, behind what came before', () => {
    const answer = packets(artificialRotate('b.000001'), ...eventPayloads(first).slice(0, 2), errorPayload(1236, 'Could not find'))
    const { files, end } = receive(answer, Array.from(answer.keys()))
    expect(files.get('b.000001')).toEqual(
      first.subarray(
        0,
        4 +
          eventPayloads(first)
            .slice(0, 2)
            .reduce((sum, { length }) => sum + length - 1, 0),
      ),
    )
    expect(end).toEqual({ kind: 'error', error: { errno: 1236, message: 'Could not find' } })
    expect(receive(packets(Buffer.from('ff9304626f6f', 'hex'))).end).toEqual({ kind: 'error', error: { errno: 1171, message: 'boo' } })
  })

  it.each<[string, Buffer]>([
    ['an event that is larger than its packet', packets(artificialRotate('b.1'), enlarged(eventPayloads(first)[0], 1))],
    ['an event that is smaller than its packet', packets(artificialRotate('b.1'), enlarged(eventPayloads(first)[0], -1))],
    ['an event before any FORMAT_DESCRIPTION', packets(artificialRotate('b.1'), eventPayloads(first)[2] ?? Buffer.alloc(0))],
    ['a packet that is no event', packets(Buffer.alloc(40, 7))],
    ['an empty packet', packets(Buffer.alloc(0), eofPayload)],
    ['a binlog that is no file here', packets(artificialRotate('../../etc/passwd'))],
    ['a binlog without a name', packets(artificialRotate('', { checksum: false }))],
    ['a binlog named ..', packets(artificialRotate('..'))],
  ])('is refused when it is %s', (_, answer) => {
    expect(() => receive(answer)).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
  })

  it('never crashes over what is no answer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(bothFiles.length), fc.array(fc.nat(400)), (noise, at, cuts) => {
        const answer = Buffer.concat([bothFiles.subarray(0, at), noise, bothFiles.subarray(at)])
        try {
          receive(answer, cuts, { binlog: 'b.000001', position: 5 })
        } catch (error) {
          expect(error).toMatchObject({ code: 'CORRUPTED' })
        }
      }),
    )
  })
})

function enlarged(payload: Buffer | undefined, by: number): Buffer {
  const changed = Buffer.from(payload ?? Buffer.alloc(20))
  changed.writeUInt32LE(changed.length - 1 + by, 10)
  return changed
}

describe('COM_BINLOG_DUMP', () => {
  it('is asked for as the protocol says', () => {
    const packet = dumpPacket({ binlog: 'b.000001', position: 4, serverId: 0xdeadbeef, nonBlocking: true, annotateRows: true })
    expect(packet.toString('hex')).toBe(`13000000${'12'}${'04000000'}${'0300'}${'efbeadde'}${Buffer.from('b.000001').toString('hex')}`)
    expect(dumpPacket({ binlog: '', position: 4, serverId: 1, nonBlocking: false, annotateRows: false }).readUInt16LE(9)).toBe(0)
  })
})
