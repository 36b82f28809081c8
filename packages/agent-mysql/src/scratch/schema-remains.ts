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

/**
 * Removes every schema of a drill, and the journal of a restore to these that was cut: it would stand in the way of all others. One that cannot be removed does
 * not keep the others. Throws at the end where some stay, with their names and how to remove them.
 */
export async function removeSchemas(session: MysqlSession, drill: SchemaPrefix): Promise<void> {
  const failures = await dropEach(session, await listSchemas(session, drill.prefix))
  const journal = await journalOf(session, drill).catch((error: unknown) => {
    if (failures.length === 0) throw error
    return []
  })
  assertNoneLeft([...failures, ...(await dropEach(session, journal))])
}

/** The journal alone. Throws as `removeSchemas` does. */
export async function removeJournal(session: MysqlSession, drill: SchemaPrefix): Promise<void> {
  assertNoneLeft(await dropEach(session, await journalOf(session, drill)))
}

interface FailedDrop {
  readonly schema: string
  readonly error: unknown
}

async function dropEach(session: MysqlSession, schemas: readonly string[]): Promise<readonly FailedDrop[]> {
  const failures: FailedDrop[] = []
  for (const schema of schemas) {
    const removal = session.run(`DROP DATABASE IF EXISTS ${quoteIdentifier(schema)}`, `removing the scratch schema ${schema}`)
    await removal.catch((error: unknown) => failures.push({ schema, error }))
  }
  return failures
}

function assertNoneLeft(failures: readonly FailedDrop[]): void {
  const [first] = failures
  if (first === undefined) return
  const left = failures.map(({ schema }) => schema)
  throw schemasLeft(left.length === 1 ? `schema ${left[0]} stays` : `schemas ${left.join(', ')} stay`, left, first.error)
}

/** What nobody could look at, since there was no way to the server. */
export function schemasUnseen({ prefix }: SchemaPrefix, error: unknown): BackupError {
  return schemasLeft(`schemas ${prefix}* may stay`, [`${prefix}…`], error)
}

function schemasLeft(what: string, schemas: readonly string[], error: unknown): BackupError {
  const known = BackupError.is(error) ? error : undefined
  return new BackupError(`${what}: ${error instanceof Error ? error.message : String(error)}`, {
    code: known?.code ?? 'UNKNOWN',
    retryable: false,
    hint: `Run on that server, as an account that may: ${schemas.map((schema) => `DROP DATABASE IF EXISTS ${quoteIdentifier(schema)};`).join(' ')} The next drill on it tries as well.`,
    cause: error,
  })
}

/** The schema of the journal, where that is of this drill. */
async function journalOf(session: MysqlSession, { prefix }: SchemaPrefix): Promise<readonly string[]> {
  const head = await readJournalHead(session)
  const isOurs = head !== undefined && head.plan.items.length > 0 && head.plan.items.every(({ to }) => to.startsWith(prefix))
  return isOurs ? [journalSchema] : []
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
