import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BinlogBuilder } from '../binlog/__fixtures__/binlog-builder.ts'
import { BinlogScan } from '../binlog/binlog-scan.ts'
import type { BinlogPiece } from '../binlog/binlog-stream.ts'
import { FollowSpool, type SpooledParts } from './follow-spool.ts'
import { partHead } from './part-head.ts'

const serverVersion = '10.11.6-MariaDB-log'
const nameOf = (index: number): string => `b.00000${index + 1}`

interface Sample {
  readonly names: readonly string[]
  readonly files: readonly Buffer[]
  /** By file, where transactions end. */
  readonly ends: readonly (readonly number[])[]
  readonly sequence: bigint
}

/** @param shape for each file the bytes of rows in each of its transactions */
function sampleOf(shape: readonly (readonly number[])[]): Sample {
  let sequence = 0n
  const files: Buffer[] = []
  const ends: number[][] = []
  for (const [index, transactions] of shape.entries()) {
    const builder = new BinlogBuilder({ serverVersion, inUse: index === shape.length - 1 })
    builder.gtidList(sequence === 0n ? [] : [[0, 1, sequence]])
    const here: number[] = []
    for (const bytes of transactions) {
      builder.mariadbGtid(0, ++sequence).tableMap('shop', 'line').rows(undefined, bytes).xid()
      here.push(builder.position)
    }
    if (index < shape.length - 1) builder.rotate(nameOf(index + 1))
    files.push(builder.bytes())
    ends.push(here)
  }
  return { names: files.map((_, index) => nameOf(index)), files, ends, sequence }
}

/** As the server sends them from a place on, cut anywhere. */
function piecesFrom({ names, files }: Sample, begin: number, cuts: Iterator<number>): BinlogPiece[] {
  const pieces: BinlogPiece[] = []
  for (const [index, file] of files.entries()) {
    const binlog = names[index] as string
    let position = index === 0 ? begin : 0
    if (position > 0) pieces.push({ binlog, position, head: true, bytes: partHead(file) as Buffer })
    while (position < file.length) {
      const bytes = Buffer.from(file.subarray(position, position + cuts.next().value))
      pieces.push({ binlog, position, head: false, bytes })
      position += bytes.length
    }
  }
  return pieces
}

function identityOf(bytes: Buffer): string {
  const scan = new BinlogScan({ name: 'whole' })
  scan.push(bytes)
  return scan.identity ?? ''
}

const shapes = fc.array(fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 6 }), { minLength: 1, maxLength: 4 })
const largestPiece = 300
const cutting = fc.infiniteStream(fc.integer({ min: 1, max: largestPiece }))

describe('FollowSpool', () => {
  it('gives what comes, whole transactions at a time, each part readable by itself, whatever is taken when', () => {
    fc.assert(
      fc.property(
        shapes,
        cutting,
        fc.integer({ min: 1, max: 2000 }),
        fc.nat(),
        fc.infiniteStream(fc.boolean()),
        (shape, cuts, limit, at, taking) => {
          const sample = sampleOf(shape)
          const [first = Buffer.alloc(0)] = sample.files
          const places = [4, ...(sample.ends[0] ?? [])]
          const offset = places[at % places.length] as number
          const done = places.indexOf(offset)
          const gtid = done === 0 ? '' : `0-1-${done}`
          const spool = new FollowSpool(limit, { file: nameOf(0), offset, gtid, identity: identityOf(first) }, 'mariadb')
          const taken: SpooledParts[] = []
          const take = () => {
            const held = spool.bytes
            const some = spool.take()
            expect(some.parts.flatMap(({ content = [] }) => content).reduce((sum, { length }) => sum + length, 0) + spool.bytes).toBe(held)
            taken.push(some)
          }
          for (const piece of piecesFrom(sample, offset === 4 ? 0 : offset, cuts)) {
            spool.push(piece)
            // Until a binlog that has just begun can be told from others, what came before it waits beside its first events.
            expect(spool.full || spool.bytes <= (spool.ready ? limit : 2 * limit + 2 * largestPiece)).toBe(true)
            if (spool.full || (spool.ready && taking.next().value)) take()
          }
          if (spool.rest) take()

          const parts = taken.flatMap((one) => one.parts)
          let transactions = 0
          for (const [index, name] of sample.names.entries()) {
            const file = Buffer.from(sample.files[index] as Buffer)
            file.writeUInt16LE(0, 21)
            let end = index === 0 && offset > 4 ? offset : 0
            for (const part of parts.filter(({ binlog }) => binlog === name)) {
              expect(part.begin).toBe(end)
              end = part.end
              expect([...(sample.ends[index] ?? []), file.length]).toContain(end)
              const content = part.content === undefined ? file.subarray(part.begin, end) : Buffer.concat(part.content)
              expect(content.equals(file.subarray(part.begin, end))).toBe(true)
              const scan = new BinlogScan({ name, ...(part.begin === 0 ? {} : { begin: part.begin, gtidBefore: part.gtidBefore }) })
              scan.push(Buffer.concat([part.head, content]))
              const facts = scan.end()
              expect(facts).toMatchObject({ to: end, gtidBefore: part.gtidBefore })
              if (part.begin > 0) expect(part.identity).toBe(identityOf(file))
              transactions += facts.transactions
            }
            // All of a binlog that the server has left; of the last one what is whole.
            expect(end).toBe(
              index < sample.files.length - 1 ? file.length : (sample.ends[index]?.at(-1) ?? (index === 0 && offset > 4 ? offset : 0)),
            )
          }
          expect(transactions).toBe(Number(sample.sequence) - done)
          const last = taken.at(-1)
          if (last !== undefined) expect(last.to.gtid).toBe(sample.sequence === 0n ? '' : `0-1-${sample.sequence}`)
          for (const { parts: some, to } of taken) {
            const end = some.at(-1)
            expect(to).toMatchObject(
              end?.closed === true
                ? { file: sample.names[sample.names.indexOf(end.binlog) + 1], offset: '4' }
                : { file: end?.binlog, offset: String(end?.end) },
            )
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  it('gives nothing of a transaction that has not ended', () => {
    const builder = new BinlogBuilder({ serverVersion }).gtidList([]).mariadbGtid(0, 1n).tableMap('shop', 'line').rows()
    const spool = new FollowSpool(1000, { file: nameOf(0), offset: 4, gtid: '', identity: '' }, 'mariadb')
    spool.push({ binlog: nameOf(0), position: 0, head: false, bytes: builder.bytes() })
    expect([spool.ready, spool.rest]).toEqual([false, false])
  })

  it('throws for what is damaged', () => {
    const { files } = sampleOf([[10, 20]])
    const bytes = Buffer.from(files[0] as Buffer)
    bytes[bytes.length - 10] = (bytes[bytes.length - 10] ?? 0) ^ 1
    const spool = new FollowSpool(1000, { file: nameOf(0), offset: 4, gtid: '', identity: '' }, 'mariadb')
    expect(() => spool.push({ binlog: nameOf(0), position: 0, head: false, bytes })).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
  })
})
