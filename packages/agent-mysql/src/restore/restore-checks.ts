import type { RestoredItem } from '@backup-planet/core'
import type { DumpTable } from '../dump-layout.ts'
import { checksumStatement } from '../mysql-checksum.ts'
import type { MysqlConnection } from '../mysql-connection.ts'
import { quoteTable } from '../mysql-quoting.ts'
import type { ItemContents } from './restore-contents.ts'
import type { MysqlRestoreOptions } from './restore-options.ts'

type Check = RestoredItem['checks'][number]

/** Compares one table with what the backup recorded of it in its own snapshot. */
export async function checkTable(
  connection: MysqlConnection,
  contents: ItemContents,
  table: DumpTable,
  verify: MysqlRestoreOptions['verify'],
): Promise<Check[]> {
  const total = contents.totals.get(table.name)
  if (verify === 'none' || table.dataLeftOut !== undefined || total === undefined) return []
  const during = `checking ${contents.to}.${table.name}`
  const compared = (name: string, expected: string, found: string): Check => ({
    name: `${name} of ${table.name}`,
    expected,
    found,
    passed: expected === found,
  })
  if (verify === 'checksum' && total.checksum !== undefined) {
    const [row] = await connection.rows(checksumStatement(contents.to, table), during)
    return [
      compared('rows', String(total.rows), row?.text('row_count') ?? ''),
      compared('checksum', total.checksum, row?.text('checksum') ?? ''),
    ]
  }
  const history = table.history ? ' FOR SYSTEM_TIME ALL' : ''
  const [row] = await connection.rows(`SELECT COUNT(*) AS row_count FROM ${quoteTable(contents.to, table.name)}${history}`, during)
  return [compared('rows', String(total.rows), row?.text('row_count') ?? '')]
}
