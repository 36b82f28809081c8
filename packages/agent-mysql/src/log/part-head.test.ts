import { expect, it } from 'vitest'
import { BinlogBuilder } from '../binlog/__fixtures__/binlog-builder.ts'
import { readFormatDescription } from '../binlog/binlog-event.ts'
import { BinlogScan } from '../binlog/binlog-scan.ts'
import { partHead } from './part-head.ts'

it.each(['8.4.3', '10.11.6-MariaDB-log', '5.5.44-log'])(
  'is the beginning of %s as a replica gets it, before any event of that binlog',
  (serverVersion) => {
    const begun = new BinlogBuilder({ serverVersion, inUse: true, checksums: !serverVersion.startsWith('5.5') })
    const end = begun.offset
    const whole = begun.query('BEGIN').xid().bytes()
    const head = partHead(whole) as Buffer
    expect(head.length).toBe(end)
    expect(readFormatDescription(head.subarray(4))).toMatchObject({ serverVersion, created: 0 })
    const scan = new BinlogScan({ name: 'part', begin: end })
    scan.push(Buffer.concat([head, whole.subarray(end)]))
    expect(scan.end()).toMatchObject({ from: end, to: whole.length, transactions: 1, inUse: false })
  },
)

it('is nothing where the first event has not come, or is another one', () => {
  const whole = new BinlogBuilder().bytes()
  expect(partHead(whole.subarray(0, 3))).toBeUndefined()
  expect(partHead(whole.subarray(0, whole.length - 1))).toBeUndefined()
  const other = Buffer.from(whole)
  other[8] = 2
  expect(partHead(other)).toBeUndefined()
})
