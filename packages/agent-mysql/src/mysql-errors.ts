import { BackupError, type FailureCode } from '@backup-planet/core'

interface KnownError {
  readonly code: FailureCode
  readonly hint: string
}

const retryable: ReadonlySet<number> = new Set([1040, 1203, 1205, 1213, 2006, 2013])

const lacksRight: KnownError = {
  code: 'ACCESS_DENIED',
  hint: 'Run the check of this job: it names the missing rights and the exact GRANT statement.',
}
const damagedTable: KnownError = { code: 'CORRUPTED', hint: 'Run CHECK TABLE and REPAIR TABLE on this table.' }
const readOnly: KnownError = {
  code: 'ACCESS_DENIED',
  hint: 'The server takes no changes: it is a replica, or was made read-only. Choose the server that is written to, or set read_only, super_read_only and innodb_read_only off.',
}
const expiredPassword: KnownError = {
  code: 'WRONG_CREDENTIALS',
  hint: 'The password of the account has expired; set another one with ALTER USER.',
}
const lostConnection: KnownError = { code: 'UNREACHABLE', hint: 'Look at the error log of the server and at the network, then run again.' }
const noRoute: KnownError = { code: 'UNREACHABLE', hint: 'Check host and routes.' }
const untrusted: KnownError = {
  code: 'ACCESS_DENIED',
  hint: 'The certificate of the server is not trusted; set ssl.ca to its authority.',
}
const unknownLogin: KnownError = {
  code: 'UNSUPPORTED',
  hint: 'The account logs in by a plugin that is not known here; use one with mysql_native_password, caching_sha2_password, unix_socket or auth_socket.',
}

/** Server error number → code and hint. Sources: MySQL 8.4 "Server Error Message Reference", MariaDB "Error Codes". */
const knownErrors: Readonly<Record<number, KnownError>> = {
  1040: { code: 'OVERLOADED', hint: 'Raise max_connections on the server, or lower the setting threads.' },
  1044: lacksRight,
  1045: {
    code: 'WRONG_CREDENTIALS',
    hint: 'Check user, password and the host part of the account, with SELECT user, host FROM mysql.user.',
  },
  1049: { code: 'NOT_FOUND', hint: 'Check the name of the schema; list them with SHOW DATABASES.' },
  1062: { code: 'ALREADY_EXISTS', hint: 'The target holds rows with the same key; restore into an empty schema or allow overwriting.' },
  1114: { code: 'OUT_OF_SPACE', hint: 'Free disk space on the server or enlarge its tablespace, then run again.' },
  1021: { code: 'OUT_OF_SPACE', hint: 'Free disk space on the server, then run again.' },
  1030: { code: 'APPLICATION', hint: 'Look at the error log of the server and run CHECK TABLE on this table.' },
  1034: damagedTable,
  1194: damagedTable,
  1195: damagedTable,
  1129: { code: 'ACCESS_DENIED', hint: 'The server blocks this host after failed connections; run FLUSH HOSTS on it.' },
  1130: { code: 'ACCESS_DENIED', hint: 'Create the account for this host, or connect from one that is allowed.' },
  1142: lacksRight,
  1143: lacksRight,
  1146: { code: 'NOT_FOUND', hint: 'The table does not exist (any more); check whether it was dropped or renamed.' },
  1153: { code: 'UNSUPPORTED', hint: 'Raise max_allowed_packet on the server above the size of the largest row.' },
  1203: { code: 'OVERLOADED', hint: 'Raise max_user_connections of this account, or lower the setting threads.' },
  1205: { code: 'TIMED_OUT', hint: 'Another session holds a lock; find it with SHOW FULL PROCESSLIST, or raise lockTimeoutSeconds.' },
  1213: { code: 'CONFLICT', hint: 'The server resolved a deadlock against this session; run again.' },
  1227: lacksRight,
  1236: { code: 'NOT_FOUND', hint: 'The binlog is gone from the server; run a full backup to begin a new chain.' },
  1251: unknownLogin,
  1290: {
    code: 'ACCESS_DENIED',
    hint: 'The message names the option that forbids it: choose another server (a read-only one may be a replica), or change the option there.',
  },
  1317: { code: 'APPLICATION', hint: 'Somebody killed a query of the backup on the server; find out who, then run again.' },
  1356: {
    code: 'APPLICATION',
    hint: 'The view refers to a table or column that is gone, or its definer has no rights; repair or drop the view.',
  },
  1370: lacksRight,
  1412: { code: 'INCONSISTENT', hint: 'The table was altered during the backup; run again when no schema change is in progress.' },
  1419: { code: 'ACCESS_DENIED', hint: 'Grant SUPER, or set log_bin_trust_function_creators=1 for the restore.' },
  1449: { code: 'APPLICATION', hint: 'The definer does not exist on this server; create the account, or use stripDefiner or definerMap.' },
  1698: {
    code: 'WRONG_CREDENTIALS',
    hint: 'The account is authenticated by the operating system; run as that user through socketPath, or use another account.',
  },
  1792: readOnly,
  1820: expiredPassword,
  1836: readOnly,
  1862: expiredPassword,
  1969: { code: 'TIMED_OUT', hint: 'The server limits the time of statements; set max_statement_time=0 for the account of the backup.' },
  3024: { code: 'TIMED_OUT', hint: 'The server limits the time of statements; set max_execution_time=0 for the account of the backup.' },
  3118: { code: 'ACCESS_DENIED', hint: 'The account is locked; unlock it with ALTER USER … ACCOUNT UNLOCK.' },
  3159: { code: 'ACCESS_DENIED', hint: 'The server wants TLS; set ssl.' },
  3948: { code: 'UNSUPPORTED', hint: 'Set local_infile=1 on the target server for the time of the restore.' },
}

/** Error codes of sockets and of the driver → code and hint. */
const knownSocketErrors: Readonly<Record<string, KnownError>> = {
  ECONNREFUSED: { code: 'UNREACHABLE', hint: 'Check that the server runs and listens on this host and port.' },
  ENOTFOUND: { code: 'UNREACHABLE', hint: 'Check the host name.' },
  EAI_AGAIN: { code: 'UNREACHABLE', hint: 'Check the name service of this machine.' },
  ENOENT: { code: 'UNREACHABLE', hint: 'Check socketPath; there is no such socket.' },
  EACCES: { code: 'ACCESS_DENIED', hint: 'The operating system refuses the socket; run as a user that may use it.' },
  ETIMEDOUT: { code: 'UNREACHABLE', hint: 'Check host, port and firewalls, or raise connectTimeoutSeconds.' },
  EHOSTUNREACH: noRoute,
  ENETUNREACH: noRoute,
  ECONNRESET: lostConnection,
  EPIPE: lostConnection,
  PROTOCOL_CONNECTION_LOST: lostConnection,
  HANDSHAKE_NO_SSL_SUPPORT: { code: 'UNSUPPORTED', hint: 'The server offers no TLS; enable it there, or leave out ssl.' },
  HANDSHAKE_SSL_ERROR: untrusted,
  AUTH_SWITCH_PLUGIN_ERROR: unknownLogin,
}

/**
 * The error to throw for a failure of the driver or the server. A `BackupError` is passed through; a mistake of the
 * programmer (TypeError) too.
 *
 * @param during what was being done, such as `reading table shop.orders`
 */
export function mysqlError(error: unknown, during: string): Error {
  if (BackupError.is(error) || error instanceof TypeError || error instanceof RangeError) return error
  const number = errorNumber(error)
  const symbol = errorSymbol(error)
  const text = withoutValues(error instanceof Error ? error.message : String(error))
  const known =
    (number === undefined ? undefined : knownErrors[number]) ??
    (symbol === undefined ? undefined : knownSocketErrors[symbol]) ??
    // The driver has no code for a command on a connection that has gone meanwhile.
    (/ in closed state$/.test(text) ? lostConnection : undefined)
  const tag = number !== undefined && number > 0 ? ` (error ${number})` : symbol === undefined ? '' : ` (${symbol})`
  const certificate = symbol !== undefined && /CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(symbol)
  const fallback: KnownError = certificate
    ? untrusted
    : { code: 'APPLICATION', hint: 'Look up this error in the manual of the server and at its error log, then run again.' }
  const { code, hint } = known ?? fallback
  return new BackupError(`${during} failed: ${text}${tag}`, {
    code,
    hint,
    cause: withoutStatement(error),
    ...(number !== undefined && retryable.has(number) ? { retryable: true } : {}),
  })
}

const valuesInMessages: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  // ER_DUP_ENTRY, ER_DUP_ENTRY_WITH_KEY_NAME, ER_FOREIGN_DUPLICATE_KEY_…
  [/^(Duplicate entry ').*(' for key )/s, '$1…$2'],
  [/(, entry ').*(', key )/s, '$1…$2'],
  [/(, record ').*(' would lead to a duplicate entry)/s, '$1…$2'],
  // ER_TRUNCATED_WRONG_VALUE, ER_TRUNCATED_WRONG_VALUE_FOR_FIELD, ER_WRONG_VALUE_FOR_TYPE, ER_INVALID_CHARACTER_STRING
  [/((?:value|string): ').*('(?: for (?:column|function) |$))/s, '$1…$2'],
  // ER_NO_PARTITION_FOR_GIVEN_VALUE, ER_DATA_OUT_OF_RANGE
  [/( has no partition for value ).*$/s, '$1…'],
  [/( value is out of range in ').*('$)/s, '$1…$2'],
]

/**
 * A message of the server without what it quotes of rows and statements: the values of a duplicate key, a value that does not fit, and the part
 * of a statement after a syntax error from its first literal on, which may be the hash of a password.
 */
export function withoutValues(message: string): string {
  const syntax = message.replace(/( near ')(.*)(' at line \d+)$/s, (_, before: string, statement: string, after: string) => {
    const harmless = /^[\sA-Za-z_`(),.;]*/.exec(statement)?.[0] ?? ''
    return `${before}${harmless}${harmless === statement ? '' : '…'}${after}`
  })
  return valuesInMessages.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), syntax)
}

/** A copy of a driver's error for `cause`: the original carries the whole statement, with the hashes of CREATE USER and the rows of INSERT. */
export function withoutStatement(error: unknown): Error {
  if (BackupError.is(error)) return error
  if (!(error instanceof Error)) return new Error(withoutValues(String(error)))
  const copy = new Error(withoutValues(error.message))
  const facts = error as { readonly errno?: unknown; readonly code?: unknown; readonly sqlState?: unknown }
  for (const name of ['errno', 'code', 'sqlState'] as const) if (facts[name] !== undefined) Object.assign(copy, { [name]: facts[name] })
  if (error.stack !== undefined) {
    const frames = error.message === '' ? error.stack : error.stack.replace(error.message, () => copy.message)
    Object.defineProperty(copy, 'stack', { value: frames, configurable: true, writable: true })
  }
  return copy
}

/** Server error number of a driver error; `undefined` for anything else. */
export function errorNumber(error: unknown): number | undefined {
  const number = typeof error === 'object' && error !== null && 'errno' in error ? error.errno : undefined
  if (typeof number === 'number' && number > 0) return number
  return error instanceof Error && error.cause !== undefined ? errorNumber(error.cause) : undefined
}

function errorSymbol(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
