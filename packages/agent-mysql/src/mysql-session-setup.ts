import { connect, isIP, type Socket } from 'node:net'
import type { Connection, ConnectionOptions } from 'mysql2/promise'
import type { MysqlConnectionSettings } from './mysql-agent-settings.ts'

/** Statements for every session; each optional one is left out where the server does not know the variable. */
const sessionSetup: readonly string[] = [
  "SET SESSION sql_mode = ''",
  'SET NAMES utf8mb4',
  // What LOAD DATA answers and what warnings say is read.
  "SET SESSION lc_messages = 'en_US'",
  'SET SESSION sql_select_limit = 18446744073709551615, sql_big_selects = 1, sql_safe_updates = 0, completion_type = 0',
  'SET SESSION TRANSACTION READ WRITE',
  "SET SESSION time_zone = '+00:00'",
  'SET SESSION wait_timeout = 2147483, net_write_timeout = 1800, net_read_timeout = 1800',
  'SET SESSION sql_quote_show_create = 1',
  'SET SESSION autocommit = 1',
]
/** MariaDB; MySQL; MySQL 8; MySQL 8.0.30; MySQL 8.0.17; Galera. */
const optionalSetup: readonly string[] = [
  'SET SESSION max_statement_time = 0',
  'SET SESSION max_execution_time = 0',
  'SET SESSION information_schema_stats_expiry = 0',
  'SET SESSION show_gipk_in_create_table_and_information_schema = ON',
  'SET SESSION print_identified_with_as_hex = ON',
  'SET SESSION wsrep_sync_wait = 0',
]

/** How every connection is opened. */
export function driverOptions(
  settings: MysqlConnectionSettings,
  { localFiles = false, severalStatements = false }: { readonly localFiles?: boolean; readonly severalStatements?: boolean } = {},
): ConnectionOptions {
  const ssl = settings.ssl === false ? undefined : settings.ssl
  return {
    ...(settings.socketPath === undefined ? { host: settings.host, port: settings.port } : { socketPath: settings.socketPath }),
    user: settings.user,
    ...(settings.password === undefined ? {} : { password: settings.password }),
    ...(ssl?.verifyIdentity === true && settings.socketPath === undefined && isIP(settings.host) !== 0
      ? { stream: () => socketOfAddress(settings) }
      : {}),
    ...(ssl === undefined ? {} : { ssl: withoutUndefined({ ...ssl, verifyIdentity: ssl.rejectUnauthorized && ssl.verifyIdentity }) }),
    connectTimeout: settings.connectTimeoutSeconds * 1000,
    charset: 'utf8mb4',
    flags: localFiles ? ['+LOCAL_FILES'] : ['-LOCAL_FILES'],
    multipleStatements: severalStatements,
    enableKeepAlive: true,
    keepAliveInitialDelay: 30_000,
    connectAttributes: { program_name: 'backup-planet' },
  }
}

/**
 * The driver leaves out the name of the server where that is an address, and Node then compares the certificate with the host of the socket, which a socket
 * to an address does not know: with `localhost`. So it is told. Should a later Node look elsewhere, certificates are refused rather than accepted.
 */
function socketOfAddress({ host, port }: MysqlConnectionSettings): Socket {
  return Object.assign(connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }), { _host: host })
}

/**
 * Makes what a session reads independent of the defaults of the server. Throws what the driver throws. Used by reading threads too, which
 * load nothing but the driver.
 */
export async function setUpSession(driver: Connection): Promise<void> {
  for (const sql of sessionSetup) await driver.query(sql)
  for (const sql of optionalSetup) await driver.query(sql).catch(ignoreUnknownVariable)
}

function ignoreUnknownVariable(error: unknown): void {
  const number = typeof error === 'object' && error !== null && 'errno' in error ? error.errno : undefined
  // ER_UNKNOWN_SYSTEM_VARIABLE, ER_LOCAL_VARIABLE, ER_GLOBAL_VARIABLE, ER_INCORRECT_GLOBAL_LOCAL_VAR, and rights that MySQL asks for some.
  if (typeof number === 'number' && [1193, 1228, 1229, 1238, 1227].includes(number)) return
  throw error
}

type Defined<T> = { [Key in keyof T]: Exclude<T[Key], undefined> }

function withoutUndefined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>
}
