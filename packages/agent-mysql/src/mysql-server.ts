import { BackupError } from '@backup-planet/core'
import type { MysqlSession } from './mysql-connection.ts'
import { errorNumber } from './mysql-errors.ts'
import type { ServerRow } from './mysql-rows.ts'

export type ServerFlavour = 'mysql' | 'mariadb' | 'percona' | 'tidb'

/** What a server is and can do, found by asking it; a version number decides only what cannot be probed without effect. */
export interface ServerFacts {
  readonly flavour: ServerFlavour
  /** As the server says it: `10.11.19-MariaDB-0+deb12u1-log`. */
  readonly version: string
  /** `[10, 11, 19]`. */
  readonly versionNumbers: readonly [number, number, number]
  /** Stable identity: `server_uuid`, on MariaDB `server_uid` where it exists, else made of host name, port and data directory. */
  readonly id: string
  readonly serverId: string
  readonly hostname: string
  readonly port: string
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly logBin: boolean
  readonly binlogFormat: string | undefined
  readonly gtidMode: 'mariadb' | 'mysql' | 'off'
  readonly lowerCaseTableNames: number
  readonly maxAllowedPacket: number
  readonly supports: {
    /** MariaDB 10.4: BACKUP STAGE. */
    readonly backupStage: boolean
    /** MySQL 8: LOCK INSTANCE FOR BACKUP. */
    readonly lockInstance: boolean
    readonly roles: boolean
    /** Binlog_snapshot_file and _position tell where a consistent snapshot stands. */
    readonly binlogSnapshotStatus: boolean
  }
}

const variableNames = [
  'version_comment',
  'lower_case_table_names',
  'datadir',
  'log_bin',
  'server_id',
  'server_uuid',
  'server_uid',
  'hostname',
  'port',
  'character_set_server',
  'collation_server',
  'max_allowed_packet',
  'binlog_format',
  'binlog_row_image',
  'binlog_expire_logs_seconds',
  'expire_logs_days',
  'max_binlog_total_size',
  'log_bin_basename',
  'log_slave_updates',
  'log_replica_updates',
  'encrypt_binlog',
  'binlog_encryption',
  'gtid_mode',
  'aurora_version',
] as const

/** Asks a server what it is. Throws `UNSUPPORTED` for what is no MySQL, MariaDB or Percona server. */
export async function detectServer(session: MysqlSession): Promise<ServerFacts> {
  const [first] = await session.rows('SELECT VERSION() AS version', 'asking for the version')
  const version = first?.text('version') ?? ''
  const variables: Record<string, string | undefined> = {}
  // SHOW VARIABLES leaves out what the server does not know, where SELECT @@name would fail.
  for (const row of await session.rows('SHOW GLOBAL VARIABLES', 'reading the variables of the server')) {
    const name = (row.at(0) ?? '').toLowerCase()
    if ((variableNames as readonly string[]).includes(name)) variables[name] = row.at(1)
  }
  const flavour = flavourOf(version, variables.version_comment)
  if (flavour === 'tidb' || variables.aurora_version !== undefined) {
    throw new BackupError(`server ${version} is not one that this agent can hold at one point`, {
      code: 'UNSUPPORTED',
      hint: 'Use the backup of the service itself; this agent knows MySQL, MariaDB and Percona servers.',
    })
  }
  const numbers = versionNumbers(version)
  const mariadb = flavour === 'mariadb'
  const snapshotStatus = await session.rows("SHOW STATUS LIKE 'Binlog_snapshot_file'", 'looking for Binlog_snapshot_file')
  return {
    flavour,
    version,
    versionNumbers: numbers,
    id: variables.server_uuid || variables.server_uid || fallbackId(variables),
    serverId: variables.server_id ?? '',
    hostname: variables.hostname ?? '',
    port: variables.port ?? '',
    variables,
    logBin: isOn(variables.log_bin),
    binlogFormat: variables.binlog_format,
    gtidMode: mariadb ? 'mariadb' : isOn(variables.gtid_mode) ? 'mysql' : 'off',
    lowerCaseTableNames: Number(variables.lower_case_table_names ?? '0'),
    maxAllowedPacket: Number(variables.max_allowed_packet ?? '0'),
    supports: {
      backupStage: mariadb && atLeast(numbers, 10, 4, 1),
      lockInstance: !mariadb && atLeast(numbers, 8, 0, 0),
      roles: mariadb || atLeast(numbers, 8, 0, 0),
      binlogSnapshotStatus: snapshotStatus.length > 0,
    },
  }
}

export function flavourOf(version: string, comment: string | undefined): ServerFlavour {
  if (/mariadb/i.test(version) || /mariadb/i.test(comment ?? '')) return 'mariadb'
  if (/tidb/i.test(version)) return 'tidb'
  return /percona/i.test(comment ?? '') ? 'percona' : 'mysql'
}

/** Numbers of a version text; a `5.5.5-` that old MariaDB servers put in front is left out. */
export function versionNumbers(version: string): readonly [number, number, number] {
  const match = /(\d+)\.(\d+)\.(\d+)/.exec(version.replace(/^5\.5\.5-(?=\d+\.)/, ''))
  return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0), Number(match?.[3] ?? 0)]
}

export function atLeast(numbers: readonly [number, number, number], major: number, minor: number, patch: number): boolean {
  if (numbers[0] !== major) return numbers[0] > major
  if (numbers[1] !== minor) return numbers[1] > minor
  return numbers[2] >= patch
}

function isOn(value: string | undefined): boolean {
  return value === 'ON' || value === '1' || value === 'ON_PERMISSIVE'
}

function fallbackId(variables: Readonly<Record<string, string | undefined>>): string {
  return `${variables.hostname ?? ''}:${variables.port ?? ''}:${variables.datadir ?? ''}`
}

/** Place in the binlog, as the server tells it. */
export interface BinlogPosition {
  readonly file: string
  readonly offset: string
  /** GTID set of everything up to there; empty where the server keeps none. */
  readonly gtid: string
}

/**
 * The statement that shows the binlog position, newest first: MySQL 8.4 removed the old one, and MariaDB and older MySQL
 * refuse the new one with a syntax error.
 */
const positionStatements = ['SHOW BINARY LOG STATUS', 'SHOW MASTER STATUS'] as const

/** What the server says of the binlog that it writes; `undefined` when it writes none. */
export async function readBinlogStatus(session: MysqlSession, server: ServerFacts): Promise<ServerRow | undefined> {
  if (!server.logBin) return undefined
  const statements = server.flavour === 'mariadb' ? [...positionStatements].reverse() : positionStatements
  return await firstAccepted(session, statements, 'reading the binlog position')
}

/** Position now; `undefined` when the server writes no binlog. Only under a lock is it the position of a snapshot. */
export async function readBinlogPosition(session: MysqlSession, server: ServerFacts): Promise<BinlogPosition | undefined> {
  const row = await readBinlogStatus(session, server)
  const file = row?.at(0)
  const offset = row?.at(1)
  if (file === undefined || offset === undefined) return undefined
  return { file, offset, gtid: await readGtid(session, server, row) }
}

/** The clock of the server: ISO 8601 in UTC, in milliseconds. */
export async function readServerTime(session: Pick<MysqlSession, 'rows'>): Promise<string> {
  const sql = "SELECT DATE_FORMAT(UTC_TIMESTAMP(3), '%Y-%m-%dT%H:%i:%s.%f') AS time"
  const [row] = await session.rows(sql, 'reading the clock of the server')
  return `${(row?.text('time') ?? '').slice(0, 23)}Z`
}

async function readGtid(session: MysqlSession, server: ServerFacts, row: ServerRow | undefined): Promise<string> {
  if (server.flavour === 'mariadb') {
    const [gtid] = await session.rows('SELECT @@GLOBAL.gtid_binlog_pos AS gtid', 'reading the GTID position')
    return gtid?.at(0) ?? ''
  }
  const set = row?.has('executed_gtid_set') ? (row.nullable('executed_gtid_set') ?? '') : ''
  return set.replaceAll(/\s/g, '')
}

async function firstAccepted(session: MysqlSession, statements: readonly string[], during: string): Promise<ServerRow | undefined> {
  let failure: unknown
  for (const sql of statements) {
    try {
      return (await session.rows(sql, during))[0]
    } catch (error) {
      // ER_PARSE_ERROR: not a statement of this server. Anything else, such as missing rights, is an answer.
      if (errorNumber(error) !== 1064) throw error
      failure = error
    }
  }
  throw failure
}
