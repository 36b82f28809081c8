import { BackupError } from '@backup-planet/core'
import type { MysqlSession } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import { quoteIdentifier, quoteText } from '../mysql-quoting.ts'
import { journalSchema, readJournalHead } from '../restore/restore-journal.ts'
import { drillOfSchema, type SchemaPrefix } from './schema-names.ts'

/** Takes the lock that says that a drill lives; it ends with the session. Throws `UNSUPPORTED` on a server that has none. */
export async function holdDrill(session: MysqlSession, { id }: SchemaPrefix): Promise<void> {
  if (await takeLock(session, id)) return
  throw new BackupError(`the lock ${id} is held by somebody else`, { code: 'CONFLICT', hint: 'Start the drill again.' })
}

/** Removes the schemas of drills whose processes are gone, and of nobody else. */
export async function removeSchemaRemains(session: MysqlSession): Promise<void> {
  const drills = new Map((await listSchemas(session, 'bp_drill_')).flatMap((schema) => withId(drillOfSchema(schema))))
  for (const [id, prefix] of drills) {
    if (!(await takeLock(session, id))) continue
    await removeSchemas(session, prefix)
    await session.run(`DO RELEASE_LOCK(${quoteText(id)})`, `releasing the lock ${id}`)
  }
}

function withId(drill: SchemaPrefix | undefined): readonly (readonly [string, SchemaPrefix])[] {
  return drill === undefined ? [] : [[drill.id, drill]]
}

/** Removes every schema of a drill, and the journal of a restore to these that was cut: it would stand in the way of all others. */
export async function removeSchemas(session: MysqlSession, drill: SchemaPrefix): Promise<void> {
  for (const schema of await listSchemas(session, drill.prefix)) {
    await session.run(`DROP DATABASE IF EXISTS ${quoteIdentifier(schema)}`, `removing the scratch schema ${schema}`)
  }
  await removeJournal(session, drill)
}

export async function removeJournal(session: MysqlSession, { prefix }: SchemaPrefix): Promise<void> {
  const head = await readJournalHead(session)
  if (head === undefined || head.plan.items.length === 0 || !head.plan.items.every(({ to }) => to.startsWith(prefix))) return
  await session.run(`DROP DATABASE IF EXISTS ${quoteIdentifier(journalSchema)}`, 'removing the journal of the drill')
}

async function listSchemas(session: MysqlSession, prefix: string): Promise<readonly string[]> {
  const rows = await session.rows('SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA', 'looking for scratch schemas')
  return rows.map((row) => row.text('name')).filter((name) => name.startsWith(prefix))
}

async function takeLock(session: MysqlSession, id: string): Promise<boolean> {
  try {
    const [row] = await session.rows(`SELECT GET_LOCK(${quoteText(id)}, 0) AS held`, `taking the lock ${id}`)
    return row?.nullable('held') === '1'
  } catch (error) {
    // ER_NOT_SUPPORTED_YET, ER_UNKNOWN_ERROR: clusters that refuse locks of sessions.
    if (![1105, 1235].includes(errorNumber(error) ?? 0)) throw error
    throw new BackupError('the server has no locks of sessions (GET_LOCK), by which one drill knows whether another one lives', {
      code: 'UNSUPPORTED',
      hint: 'Drill on a server that is no cluster, or in a private place.',
      cause: error,
    })
  }
}
