import type { FormatDescription } from '../binlog/binlog-event.ts'
import { eventFlag } from '../binlog/binlog-event-type.ts'
import { shownStatement } from '../binlog/statement-text.ts'
import { quoteIdentifier } from '../mysql-quoting.ts'
import { versionNumbers } from '../mysql-server.ts'
import type { ReplayEvent } from './log-replay-events.ts'
import { queryParts } from './log-replay-query.ts'
import { statusBytes } from './log-replay-status.ts'
import { refusedFor } from './log-replay-way.ts'

/** Option bits that MySQL and MariaDB write with a statement (`OPTIONS_WRITTEN_TO_BIN_LOG`). */
const commonOptions: readonly (readonly [bit: number, name: string, set: number])[] = [
  [14, 'sql_auto_is_null', 1],
  [19, 'autocommit', 0],
  [26, 'foreign_key_checks', 0],
  [27, 'unique_checks', 0],
]
const mariadbOptions: readonly (readonly [bit: number, name: string, set: number, since: readonly number[]])[] = [
  [15, 'check_constraint_checks', 0, [10, 2, 1]],
  [28, 'sql_if_exists', 1, [10, 5, 2]],
  [24, 'explicit_defaults_for_timestamp', 1, [10, 8, 4]],
  [30, 'system_versioning_insert_history', 1, [10, 11, 0]],
]
/** Releases older than the common one that got `explicit_defaults_for_timestamp` as well, by minor version of MariaDB 10. */
const explicitDefaultsSince: Readonly<Record<number, number>> = { 5: 17, 6: 9, 7: 5, 8: 4, 9: 2 }

/**
 * Writes what a statement of a log needs of its session: default schema, time and the variables that the server has logged with it. Only what
 * differs from the statement before is written. Sources: MySQL "Query_event", status variables; MariaDB "QUERY_EVENT".
 */
export class ReplaySession {
  readonly #set = new Map<string, string>()
  #schema: string | undefined

  /** Statements to run first. Throws `UNSUPPORTED` for a variable that nobody has documented. */
  prepare(event: ReplayEvent, format: FormatDescription, name: string): readonly string[] {
    const wanted = new Map<string, string>()
    const { head } = queryParts(event)
    const schemaBytes = event.body[8] ?? 0
    const schema = head.toString('latin1', head.length - 1 - schemaBytes, head.length - 1)
    const status = head.subarray(event.fixedBytes, head.length - 1 - schemaBytes)
    if ((event.flags & eventFlag.THREAD_SPECIFIC) !== 0) wanted.set('pseudo_thread_id', String(event.body.readUInt32LE(0)))
    const micros = readStatus(status, format, wanted)
    if (micros === undefined) {
      const statement = shownStatement(queryParts(event).statement)
      throw refusedFor('tools', `binlog ${name} at offset ${event.begin}: ${statement} came with a variable that is not known`)
    }
    const statements: string[] = []
    if (schema !== '' && (event.flags & eventFlag.SUPPRESS_USE) === 0 && schema !== this.#schema) {
      // The name is UTF-8, and so is the session, until it is told otherwise below.
      this.#changeTo(new Map([['character_set_client', '33']]), statements)
      statements.push(`USE ${quoteIdentifier(schema)}`)
      this.#schema = schema
    }
    this.#changeTo(wanted, statements)
    const fraction = micros === 0 ? '' : `.${String(micros).padStart(6, '0')}`
    return [...statements, `SET TIMESTAMP=${event.timestamp}${fraction}`]
  }

  /** After a statement that may have dropped the default schema, or changed it. */
  forgetSchema(): void {
    this.#schema = undefined
  }

  #changeTo(wanted: ReadonlyMap<string, string>, statements: string[]): void {
    const changes = [...wanted].filter(([variable, value]) => this.#set.get(variable) !== value)
    if (changes.length === 0) return
    for (const [variable, value] of changes) this.#set.set(variable, value)
    statements.push(`SET ${changes.map(([variable, value]) => `@@session.${variable}=${value}`).join(', ')}`)
  }
}

/** Fills in what the status variables say, and returns the microseconds of the statement; `undefined` when one is not known. */
function readStatus(status: Buffer, format: FormatDescription, wanted: Map<string, string>): number | undefined {
  let micros = 0
  let at = 0
  let databaseCollation = 'DEFAULT'
  let timeZone: string | undefined
  let autoIncrement = [1, 1]
  let timeNames = 0
  const mariadb = format.flavour === 'mariadb'
  while (at < status.length) {
    const code = status[at++] ?? 0
    const length = statusBytes(code, status, at, mariadb)
    if (length === undefined || at + length > status.length) return undefined
    switch (code) {
      case 0:
        readOptions(status.readUInt32LE(at), format, wanted)
        break
      case 1:
        wanted.set('sql_mode', String(status.readBigUInt64LE(at)))
        break
      case 3:
        autoIncrement = [status.readUInt16LE(at), status.readUInt16LE(at + 2)]
        break
      case 4:
        for (const [index, variable] of ['character_set_client', 'collation_connection', 'collation_server'].entries())
          wanted.set(variable, String(status.readUInt16LE(at + index * 2)))
        break
      case 5:
        timeZone = status.toString('latin1', at + 1, at + length)
        break
      case 7:
        timeNames = status.readUInt16LE(at)
        break
      case 8:
        databaseCollation = String(status.readUInt16LE(at))
        break
      case 13:
        micros = status.readUIntLE(at, 3)
        break
      case 16:
        if (!mariadb) wanted.set('explicit_defaults_for_timestamp', String(status[at]))
        break
      case 18:
        wanted.set('default_collation_for_utf8mb4', String(status.readUInt16LE(at)))
        break
      case 19:
        wanted.set('sql_require_primary_key', String(status[at]))
        break
      case 20:
        wanted.set('default_table_encryption', String(status[at]))
        break
      case 128:
        micros = status.readUIntLE(at, 3)
    }
    at += length
  }
  wanted.set('auto_increment_increment', String(autoIncrement[0]))
  wanted.set('auto_increment_offset', String(autoIncrement[1]))
  wanted.set('lc_time_names', String(timeNames))
  wanted.set('collation_database', databaseCollation)
  if (timeZone !== undefined) {
    if (!/^[\w+\-:/]+$/.test(timeZone)) return undefined
    wanted.set('time_zone', `'${timeZone}'`)
  }
  return micros
}

function readOptions(bits: number, format: FormatDescription, wanted: Map<string, string>): void {
  const add = (bit: number, name: string, set: number) => wanted.set(name, String(((bits >>> bit) & 1) === 1 ? set : 1 - set))
  for (const option of commonOptions) add(...option)
  if (format.flavour !== 'mariadb') return
  const version = versionNumbers(format.serverVersion)
  for (const [bit, name, set, since] of mariadbOptions) {
    const [major = 0, minor = 0, patch = 0] = since
    const earlier = name === 'explicit_defaults_for_timestamp' && version[0] === 10 ? explicitDefaultsSince[version[1]] : undefined
    const known = earlier === undefined ? !isBefore(version, [major, minor, patch]) : version[2] >= earlier
    if (known) add(bit, name, set)
  }
}

function isBefore(a: readonly number[], b: readonly number[]): boolean {
  for (const [index, number] of b.entries()) if ((a[index] ?? 0) !== number) return (a[index] ?? 0) < number
  return false
}
