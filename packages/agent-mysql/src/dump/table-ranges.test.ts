import { expect, test } from 'vitest'
import type { MysqlSession } from '../mysql-connection.ts'
import { mysqlError } from '../mysql-errors.ts'
import { serverRow } from '../mysql-rows.ts'
import type { InventoryTable } from './schema-inventory.ts'
import { tableRanges } from './table-ranges.ts'

test('a border whose bytes the server does not take back leaves the rest as one part', async () => {
  const borders = ['61', '62FF']
  const session: MysqlSession = {
    run: async () => undefined,
    rows: async (sql, during = sql) => {
      if (sql.includes('AS border')) return [serverRow(['border'], [borders.shift()], during)]
      if (sql.includes("x'62FF'"))
        throw mysqlError(Object.assign(new Error("Invalid utf8mb4 character string: 'FF'"), { errno: 1300 }), during)
      return []
    },
  }
  const table: InventoryTable = {
    table: {
      type: 'table',
      name: 't',
      engine: 'InnoDB',
      transactional: true,
      create: '',
      columns: [],
      dataColumns: ['k'],
      history: false,
      consistency: 'snapshot',
    },
    key: { column: 'k', index: 'PRIMARY', kind: 'walk', literal: { introducer: '_utf8mb4 ' } },
    estimatedBytes: 1_000_000,
    averageRowBytes: 100,
  }
  const ranges = await tableRanges({ schema: 's', table, chunkBytes: 10_000, session: () => session })
  expect([await ranges.next(), await ranges.next(), await ranges.next()]).toMatchObject([
    { to: "_utf8mb4 x'61'", toInclusive: true },
    { from: "_utf8mb4 x'61'", fromInclusive: false },
    undefined,
  ])
})
