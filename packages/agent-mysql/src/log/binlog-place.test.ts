import { expect, it } from 'vitest'
import { BinlogBuilder } from '../binlog/__fixtures__/binlog-builder.ts'
import type { BinlogPiece } from '../binlog/binlog-stream.ts'
import { readPlace } from './binlog-place.ts'

const binlog = 'b.000002'
const head = () => new BinlogBuilder({ serverVersion: '10.11.6-MariaDB-log' }).gtidList([[0, 1, 7n]])
const transaction = (builder: BinlogBuilder) => builder.mariadbGtid(0, 8n).tableMap('shop', 'line').rows().xid()
const whole = () => transaction(head()).bytes()
const begin = head().bytes().length

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<BinlogPiece, void, void> {
  for (let at = 0; at < bytes.length; at += size) {
    yield { binlog, position: at, head: false, bytes: Buffer.from(bytes.subarray(at, at + size)) }
  }
  yield { binlog: 'b.000003', position: 0, head: false, bytes: Buffer.from('what follows is of another file') }
}

it.each([1, 60, 10_000])('is what was executed before it, in pieces of %i bytes', async (size) => {
  expect(await readPlace(binlog, begin, pieces(whole(), size))).toMatchObject({ gtid: '0-1-7' })
  expect(await readPlace(binlog, whole().length, pieces(whole(), size))).toMatchObject({ gtid: '0-1-8' })
})

it('is none where no transaction ends', async () => {
  for (const offset of [5, begin - 1, begin + 1, whole().length - 1, whole().length + 1]) {
    expect(await readPlace(binlog, offset, pieces(whole(), 60))).toBeUndefined()
  }
  const afterGtid = head().mariadbGtid(0, 8n).bytes().length
  expect(await readPlace(binlog, afterGtid, pieces(whole(), 60))).toBeUndefined()
})
