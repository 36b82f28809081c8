import { BackupError } from '@backup-planet/core'
import type { DumpTable } from '../dump-layout.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { isSchema } from './restore-target.ts'

/**
 * Compares the collations of tables that were just created with those in the backup. Servers leave out of a definition what is their default, and another
 * version may have another one: MySQL 8.0 made utf8mb4_0900_ai_ci that of utf8mb4. Keys, comparisons and the order of rows would silently be others.
 * Throws `UNSUPPORTED` that names the first column.
 *
 * @param schema on the target
 */
export async function checkColumnCollations(
  session: MysqlSession,
  server: ServerFacts,
  schema: string,
  tables: readonly Pick<DumpTable, 'name' | 'columns'>[],
  collationMap: Readonly<Record<string, string>>,
): Promise<void> {
  const rows = await session.rows(
    `SELECT TABLE_NAME AS place, COLUMN_NAME AS name, COLLATION_NAME AS collated FROM information_schema.COLUMNS WHERE ${isSchema(server, 'TABLE_SCHEMA', schema)} AND COLLATION_NAME IS NOT NULL`,
    `comparing the collations of schema ${schema}`,
  )
  const found = new Map(rows.map((row) => [`${row.text('place')}\0${row.text('name')}`, row.text('collated')]))
  for (const table of tables) {
    for (const { name, collation } of table.columns) {
      if (collation === undefined) continue
      const wanted = collationMap[collation] ?? collation
      const own = found.get(`${table.name}\0${name}`)
      if (own === undefined || presentName(own) === presentName(wanted)) continue
      throw new BackupError(`column ${name} of table ${schema}.${table.name} would have collation ${own} instead of ${wanted}`, {
        code: 'UNSUPPORTED',
        hint: 'The default of its character set is another one here than it was in the source. Restore to a server of the version of the source and upgrade that, or alter the table in the source so that its definition names the collation.',
      })
    }
  }
}

/** utf8mb3 was called utf8. */
function presentName(collation: string): string {
  return collation.toLowerCase().replace(/^utf8_/, 'utf8mb3_')
}
