import { expect, it } from 'vitest'
import { BinlogBuilder } from '../binlog/__fixtures__/binlog-builder.ts'
import { BinlogScan } from '../binlog/binlog-scan.ts'
import type { BinlogPiece } from '../binlog/binlog-stream.ts'
import { readBeginning } from './binlog-beginning.ts'

const binlog = 'b.000001'
const whole = () =>
  new BinlogBuilder({ serverVersion: '10.11.6-MariaDB-log' })
    .gtidList([[0, 1, 7n]])
    .mariadbGtid(0, 8n)
    .tableMap('shop', 'line')
    .rows()
    .xid()
    .bytes()

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<BinlogPiece, void, void> {
  for (let at = 0; at < bytes.length; at += size) {
    yield { binlog, position: at, head: false, bytes: Buffer.from(bytes.subarray(at, at + size)) }
  }
}

function expected() {
  const scan = new BinlogScan({ name: binlog })
  scan.push(whole())
  const { identity, createdAt } = scan.end()
  return { identity, createdAt, gtidBefore: '0-1-7' }
}

it.each([1, 50, 10_000])('is read from the first events, in pieces of %i bytes', async (size) => {
  expect(await readBeginning(binlog, pieces(whole(), size))).toEqual(expected())
})

it.each([50, 10_000])('is read though what follows is damaged, in pieces of %i bytes', async (size) => {
  const damaged = whole()
  damaged[damaged.length - 20] = (damaged[damaged.length - 20] ?? 0) ^ 1
  expect(await readBeginning(binlog, pieces(damaged, size))).toEqual(expected())
})

it('is not read where it is damaged itself, or nothing comes', async () => {
  const damaged = whole()
  damaged[40] = (damaged[40] ?? 0) ^ 1
  await expect(readBeginning(binlog, pieces(damaged, 100))).rejects.toMatchObject({ code: 'CORRUPTED' })
  await expect(readBeginning(binlog, pieces(Buffer.alloc(0), 100))).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
