import { describe, expect, it } from 'vitest'
import type { MysqlSession } from '../mysql-connection.ts'
import { mysqlError } from '../mysql-errors.ts'
import { serverRow } from '../mysql-rows.ts'
import { binlogFilters, followsBinlog, isWrittenSince, listBinlogs } from './server-binlogs.ts'

type Answer = { readonly columns: readonly string[]; readonly rows: readonly (readonly string[])[] } | { readonly errno: number }

function session(answer: Answer): MysqlSession & { readonly asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    run: async () => undefined,
    rows: async (sql, during = sql) => {
      asked.push(sql)
      if ('errno' in answer) throw mysqlError(Object.assign(new Error('refused'), answer), during)
      return answer.rows.map((values) => serverRow(answer.columns, values, during))
    },
  }
}

describe('listBinlogs', () => {
  it.each([
    ['MySQL 5.7, MariaDB', ['log_name', 'file_size'], ['b.000001', '379'], { name: 'b.000001', bytes: 379 }],
    [
      'MySQL 8.0.14 and later',
      ['log_name', 'file_size', 'encrypted'],
      ['b.000001', '379', 'No'],
      { name: 'b.000001', bytes: 379, encrypted: false },
    ],
    [
      'encrypted ones',
      ['log_name', 'file_size', 'encrypted'],
      ['b.1000000', '5368709120', 'Yes'],
      { name: 'b.1000000', bytes: 5_368_709_120, encrypted: true },
    ],
  ])('reads the columns of %s', async (_, columns, row, expected) => {
    expect(await listBinlogs(session({ columns, rows: [row] }))).toEqual([expected])
  })

  it('finds none where the server writes none, and passes on that it may not look', async () => {
    expect(await listBinlogs(session({ errno: 1381 }))).toEqual([])
    await expect(listBinlogs(session({ errno: 1227 }))).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
  })
})

describe('isWrittenSince', () => {
  const columns = ['log_name', 'pos', 'event_type', 'server_id', 'end_log_pos', 'info']
  const head = (...types: readonly string[]): Answer => ({
    columns,
    rows: types.map((type, index) => ['b.000002', String(4 + 100 * index), type, '1', String(104 + 100 * index), '']),
  })
  const written = (answer: Answer, file: string, offset: string, now = '304') =>
    isWrittenSince(session(answer), { chain: 'c', value: { file, offset } }, { file: 'b.000002', offset: now, gtid: '' })

  it('is so in another binlog, and far from the beginning, without a look', async () => {
    const never: Answer = { errno: 1064 }
    expect(await written(never, 'b.000001', '4')).toBe(true)
    expect(await written(never, 'b.000002', '4', '1000000')).toBe(true)
    expect(await written(never, 'b.000002', '304')).toBe(false)
    expect(await written(never, 'b.000002', 'nonsense')).toBe(true)
  })

  it('is not where a binlog has only its head', async () => {
    expect(await written(head('Format_desc', 'Previous_gtids'), 'b.000002', '4')).toBe(false)
    expect(await written(head('Format_desc', 'Gtid_list', 'Binlog_checkpoint'), 'b.000002', '4')).toBe(false)
    expect(await written(head('Format_desc', 'Gtid_list', 'Query'), 'b.000002', '4')).toBe(true)
    // What came after the position was read.
    expect(await written(head('Format_desc', 'Gtid_list', 'Binlog_checkpoint', 'Gtid'), 'b.000002', '4')).toBe(false)
  })

  it('is taken to be so where the account may not look', async () => {
    expect(await written({ errno: 1227 }, 'b.000002', '4')).toBe(true)
  })
})

it('names the filters of the server', () => {
  const row = (schemas: string) =>
    serverRow(['file', 'position', 'binlog_do_db', 'binlog_ignore_db'], ['b.000001', '4', schemas, ''], 'status')
  expect(binlogFilters(row('shop,crm'))).toEqual([{ option: 'binlog_do_db', schemas: 'shop,crm' }])
  expect(binlogFilters(row(''))).toEqual([])
  expect(binlogFilters(undefined)).toEqual([])
})

it('knows which binlog follows which', () => {
  expect(followsBinlog('b.000010', 'b.000009')).toBe(true)
  expect(followsBinlog('b.1000000', 'b.999999')).toBe(true)
  expect(followsBinlog('b.000010', 'b.000008')).toBe(false)
  expect(followsBinlog('a.000010', 'b.000009')).toBe(false)
  expect(followsBinlog('b', 'b.000009')).toBe(false)
})
