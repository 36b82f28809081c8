import { crc32, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, it, vi } from 'vitest'
import { BinlogBuilder } from '../binlog/__fixtures__/binlog-builder.ts'
import { eventType } from '../binlog/binlog-event-type.ts'
import { BinlogScan } from '../binlog/binlog-scan.ts'
import { chosenUnits, type LogChoice } from './log-replay-choice.ts'
import { type BinlogPiece, readBinlogEvents } from './log-replay-events.ts'
import { unpackedTransactions } from './log-replay-payload.ts'
import { tableOf } from './log-replay-resume.ts'
import { readUnits, type UnitPiece } from './log-replay-units.ts'

const uuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562'

/** MySQL "Protocol::LengthEncodedInteger". */
function packedNumber(value: number): Buffer {
  if (value < 251) return Buffer.from([value])
  const bytes = Buffer.alloc(9, 254)
  bytes.writeBigUInt64LE(BigInt(value), 1)
  return bytes
}

interface Packing {
  readonly compression?: number
  readonly size?: number
  readonly uncompressedSize?: number
}

/** A TRANSACTION_PAYLOAD as MySQL writes it: size, compression and size before it, each with its length, then the content. */
function payload(content: Buffer, { compression = 0, size, uncompressedSize }: Packing = {}): Buffer {
  const packed = compression === 0 ? zstdCompressSync(content) : content
  const fields = [
    [1, size ?? packed.length],
    [2, compression],
    [3, uncompressedSize ?? content.length],
  ].flatMap(([id = 0, value = 0]) => [packedNumber(id), packedNumber(packedNumber(value).length), packedNumber(value)])
  return Buffer.concat([...fields, Buffer.from([0]), packed])
}

/** The events of a transaction as they lie in a payload: without checksums, from BEGIN to XID. */
function events(tables: readonly (readonly [string, string])[], rowBytes = 20): Buffer {
  const built = new BinlogBuilder({ checksums: false }).query('BEGIN')
  for (const [schema, table] of tables) built.tableMap(schema, table).rows(undefined, rowBytes)
  const whole = built.xid().bytes()
  return whole.subarray(new BinlogBuilder({ checksums: false }).bytes().length)
}

const binlogOf = (body: Buffer, checksums = true) =>
  new BinlogBuilder({ checksums }).mysqlGtid(uuid, 1n).event(eventType.TRANSACTION_PAYLOAD, body).bytes()

async function* piecesOf(bytes: Buffer): AsyncGenerator<BinlogPiece, void, void> {
  yield* readBinlogEvents([bytes] as unknown as AsyncIterable<Uint8Array>, { name: 'b.000001', from: 4, headerLength: 4 })
}

async function collected<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const all: Value[] = []
  for await (const value of values) all.push(value)
  return all
}

const tablesOf = (units: readonly UnitPiece[]) =>
  units.flatMap((piece) =>
    piece.type === 'event' && piece.event.type === eventType.TABLE_MAP
      ? [tableOf(piece.event.body, piece.event.fixedBytes)?.join('.')]
      : [],
  )

const unitsOf = async (bytes: Buffer, choice: Partial<LogChoice> = {}) =>
  await collected(
    chosenUnits(readUnits(piecesOf(bytes), 'b.000001'), { skipped: new Set(), accountsLeftAlone: 'all', ...choice }, 'b.000001'),
  )

it('leaves out changes of the tables of the server, and of what is not restored, inside compressed transactions too', async () => {
  const told: string[] = []
  const bytes = binlogOf(
    payload(
      events([
        ['shop', 't'],
        ['mysql', 'user'],
        ['hr', 't'],
      ]),
    ),
  )
  expect(tablesOf(await unitsOf(bytes, { onServerTable: (table) => told.push(table) }))).toEqual(['shop.t', 'hr.t'])
  expect(told).toEqual(['mysql.user'])
  expect(tablesOf(await unitsOf(bytes, { schemas: new Set(['shop']) }))).toEqual(['shop.t'])
})

it.each([true, false])('gives a transaction with its GTID, that ends where the compressed one does; checksums: %s', async (checksums) => {
  const bytes = binlogOf(payload(events([['shop', 't']])), checksums)
  const units = await unitsOf(bytes)
  expect(units.find(({ type }) => type === 'begin')).toMatchObject({ unit: { gtid: `${uuid}:1`, plain: true } })
  expect(units.at(-1)).toEqual({ type: 'end', end: bytes.length })
  expect(units.find((piece) => piece.type === 'event' && piece.ending === 'xid')).toMatchObject({ event: { type: eventType.XID } })
})

it('gives events that stand in a binlog like any other, whatever they are packed from and into', async () => {
  const shapes = fc.array(fc.constantFrom(['a', 'b'] as const, ['c', 'd'] as const), { minLength: 1, maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(
      shapes,
      fc.integer({ min: 1, max: 200_000 }),
      fc.boolean(),
      fc.constantFrom(0, 255),
      async (tables, rowBytes, checksums, compression) => {
        const inside = events(tables, rowBytes)
        const given = await collected(unpackedTransactions(piecesOf(binlogOf(payload(inside, { compression }), checksums)), 'b.000001'))
        const bodies = given.slice(2).map(({ event }) => event)
        let at = 0
        for (const { type, body } of bodies) {
          expect(inside[at + 4]).toBe(type)
          expect(body.equals(inside.subarray(at + 19, at + 19 + body.length))).toBe(true)
          at += inside.readUInt32LE(at + 9)
        }
        expect(at).toBe(inside.length)
        for (const { bytes } of bodies) {
          expect(bytes.readUInt32LE(9)).toBe(bytes.length)
          if (checksums) expect(bytes.readUInt32LE(bytes.length - 4)).toBe(crc32(bytes.subarray(0, -4)))
        }
      },
    ),
    { numRuns: 30 },
  )
})

it('joins the pieces of a long event once, however many there are', async () => {
  const inside = events([['shop', 't']], 12 * 1024 * 1024)
  const bytes = binlogOf(payload(inside))
  const concat = vi.spyOn(Buffer, 'concat')
  try {
    const given = await collected(unpackedTransactions(piecesOf(bytes), 'b.000001'))
    expect(given.some(({ event }) => event.body.length > 12 * 1024 * 1024)).toBe(true)
    const copied = concat.mock.results.reduce((sum, { value }) => sum + (value as Buffer).length, 0)
    expect(copied).toBeLessThan(4 * bytes.length + 4 * inside.length)
  } finally {
    concat.mockRestore()
  }
})

it('says what cannot be unpacked, before anything of it is given', async () => {
  const good = events([['shop', 't']])
  const refused = (body: Buffer) => expect(unitsOf(binlogOf(body))).rejects
  await refused(payload(good, { compression: 7 })).toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('not known (7)') })
  await refused(payload(good, { size: 3 })).toMatchObject({ code: 'CORRUPTED' })
  await refused(payload(good, { uncompressedSize: good.length - 1 })).toMatchObject({ code: 'CORRUPTED' })
  await refused(payload(good, { uncompressedSize: good.length + 1 })).toMatchObject({ code: 'CORRUPTED' })
  await refused(payload(good.subarray(0, -3))).toMatchObject({ code: 'CORRUPTED' })
  await refused(payload(Buffer.alloc(0))).toMatchObject({ code: 'CORRUPTED' })
  const whole = payload(good)
  for (let cut = 0; cut < whole.length; cut += 7) await refused(whole.subarray(0, cut)).toMatchObject({ code: 'CORRUPTED' })
})

it('passes over nothing that a scan of the same binlog takes for a transaction', async () => {
  const bytes = binlogOf(payload(events([['shop', 't']])))
  const scan = new BinlogScan({ name: 'b.000001' })
  scan.push(bytes)
  expect(scan.end().transactions).toBe((await unitsOf(bytes)).filter(({ type }) => type === 'end').length)
})
