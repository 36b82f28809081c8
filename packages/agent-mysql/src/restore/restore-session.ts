import { BackupError } from '@backup-planet/core'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'
import { connect, type MysqlConnection } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import { flavourOf, type ServerFacts, versionNumbers } from '../mysql-server.ts'

/**
 * 0 in AUTO_INCREMENT columns stays 0, a missing engine is an error, and dates are taken as the source kept them; nothing else is
 * checked that the source did not check.
 */
export const restoreSqlMode = 'NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES'

/** Left out where the server does not know the variable or wants a right that its default makes unnecessary. */
const optionalSetup: readonly string[] = [
  'SET SESSION innodb_strict_mode = OFF',
  // Definitions say all that a TIMESTAMP has: nothing is to be added.
  'SET SESSION explicit_defaults_for_timestamp = ON',
  // MariaDB: definitions of older servers say utf8 for utf8mb3, and leave out the default collations that those had.
  "SET SESSION old_mode = 'UTF8_IS_UTF8MB3'",
  "SET SESSION character_set_collations = ''",
  // MariaDB: history of system-versioned tables.
  'SET SESSION system_versioning_insert_history = ON',
  "SET SESSION system_versioning_alter_history = 'KEEP'",
  // MariaDB: rows that were there before a constraint, or came in while it was not checked.
  'SET SESSION check_constraint_checks = OFF',
  // MySQL 8.
  'SET SESSION sql_require_primary_key = OFF',
  'SET SESSION sql_generate_invisible_primary_key = OFF',
  'SET SESSION restrict_fk_on_non_standard_key = OFF',
]

export interface RestoreSessionOptions {
  readonly signal?: AbortSignal | undefined
  readonly localFiles: boolean
  readonly binlog: boolean
  /** Of the server whose definitions are to be executed. */
  readonly sourceVersion?: string
}

/** A session in which statements of a backup may be executed. */
export async function connectForRestore(
  settings: MysqlConnectionSettings,
  server: ServerFacts,
  options: RestoreSessionOptions,
): Promise<MysqlConnection> {
  const connection = await connect(settings, {
    signal: options.signal,
    localFiles: options.localFiles,
    setup: [
      `SET SESSION sql_mode = '${restoreSqlMode}'`,
      // MariaDB locks a whole table for a bulk insert when both checks are off (MDEV-515), which deadlocks parallel chunks.
      `SET SESSION foreign_key_checks = 0, unique_checks = ${server.flavour === 'mariadb' ? 1 : 0}`,
      'SET SESSION max_error_count = 65535, lock_wait_timeout = 600',
    ],
  })
  try {
    for (const sql of [...optionalSetup, ...formerDefaults(server, options.sourceVersion)]) await runOptional(connection, sql)
    if (!options.binlog) await connection.run('SET SESSION sql_log_bin = 0', 'keeping the restore out of the binlog')
    return connection
  } catch (error) {
    await connection[Symbol.asyncDispose]()
    throw error
  }
}

/**
 * MySQL 8.0 made utf8mb4_0900_ai_ci the default collation of utf8mb4, and definitions of servers before it leave the former one out (8.0 manual,
 * "default_collation_for_utf8mb4").
 */
export function formerDefaults(target: Pick<ServerFacts, 'flavour' | 'versionNumbers'>, sourceVersion = ''): readonly string[] {
  const source = { flavour: flavourOf(sourceVersion, undefined), versionNumbers: versionNumbers(sourceVersion) }
  if (sourceVersion === '' || !isMysql8(target) || isMysql8(source)) return []
  return ['SET SESSION default_collation_for_utf8mb4 = utf8mb4_general_ci']
}

function isMysql8(server: Pick<ServerFacts, 'flavour' | 'versionNumbers'>): boolean {
  return server.flavour !== 'mariadb' && server.versionNumbers[0] >= 8
}

/** ER_UNKNOWN_SYSTEM_VARIABLE, ER_LOCAL_VARIABLE, ER_GLOBAL_VARIABLE, ER_INCORRECT_GLOBAL_LOCAL_VAR, ER_SPECIFIC_ACCESS_DENIED, ER_WRONG_VALUE_FOR_VAR. */
const unavailable: ReadonlySet<number> = new Set([1193, 1228, 1229, 1238, 1227, 1231])

async function runOptional(connection: MysqlConnection, sql: string): Promise<void> {
  try {
    await connection.run(sql)
  } catch (error) {
    if (!unavailable.has(errorNumber(error) ?? 0)) throw error
  }
}

/** Errors after which no other item can go on either: the caller aborted, or the server is gone. */
export function endsRestore(error: unknown): boolean {
  return BackupError.is(error) && (error.code === 'ABORTED' || error.code === 'UNREACHABLE' || error.code === 'WRONG_CREDENTIALS')
}
