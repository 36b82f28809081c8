import { type HeardStatement, type PlayedAnswer, type PlayedMysql, type PlayedSession, playMysql } from './played-mysql.ts'
import { type ScriptedAccount, scriptedGrants } from './scripted-account.ts'
import { ScriptedBinlogs, scriptedUuid } from './scripted-binlogs.ts'
import { catalogAnswer } from './scripted-catalog.ts'
import { knows, knowsSessionVariable, type ScriptedVersion, since, statements, systemTables } from './scripted-version.ts'

export interface ScriptedOptions {
  /** What the account of the agent may do. */
  readonly account?: ScriptedAccount
  /** Whether binlogs have checksums (`binlog_checksum`). */
  readonly checksums?: boolean
  /** Of the GTIDs in its binlogs. */
  readonly tag?: string
  /** Over those of the version. */
  readonly variables?: Readonly<Record<string, string>>
}

export interface RefusedStatement extends HeardStatement {
  readonly errno: number
}

/**
 * A server of a version that is not at hand: it has a schema `shop` with one table, an account `app` and binlogs, answers what the documentation of its version
 * says, and refuses what that version refuses with the error of that version. What nobody has written down is refused too, and counted in `unexpected`.
 */
export interface ScriptedServer extends AsyncDisposable {
  readonly host: '127.0.0.1'
  readonly port: number
  readonly user: string
  readonly rootPassword: string
  readonly binlogs: ScriptedBinlogs
  readonly heard: readonly HeardStatement[]
  readonly refused: readonly RefusedStatement[]
  readonly unexpected: readonly string[]
  /** Breaks all connections, as a crash does. */
  crash(): void
}

const [errSyntax, errUnknownVariable, errNoSuchTable, errUnknownTable, errDenied, errXa] = [1064, 1193, 1146, 1109, 1227, 1401]

export async function startScriptedServer(version: ScriptedVersion, options: ScriptedOptions = {}): Promise<ScriptedServer> {
  const script = new Script(version, options)
  const played: PlayedMysql = await playMysql(version.greeting, {
    answer: (sql, session) => script.answer(sql, session, (id) => played.kill(id)),
    binlogDump: (payload, session) => script.dump(payload, session),
  })
  return {
    host: '127.0.0.1',
    port: played.port,
    user: 'backup',
    rootPassword: 'secret',
    binlogs: script.binlogs,
    heard: played.heard,
    refused: script.refused,
    unexpected: script.unexpected,
    crash: () => played.kill(),
    [Symbol.asyncDispose]: () => played[Symbol.asyncDispose](),
  }
}

class Script {
  readonly binlogs: ScriptedBinlogs
  readonly refused: RefusedStatement[] = []
  readonly unexpected: string[] = []
  readonly #version: ScriptedVersion
  readonly #options: ScriptedOptions
  readonly #userVariables = new Map<number, Set<string>>()

  constructor(version: ScriptedVersion, options: ScriptedOptions) {
    this.#version = version
    this.#options = options
    this.binlogs = new ScriptedBinlogs(version, options)
  }

  answer(sql: string, session: PlayedSession, kill: (id: number) => void): PlayedAnswer {
    const killed = /^KILL (?:QUERY )?(\d+)$/.exec(sql)
    if (killed !== null) {
      if (!sql.includes('QUERY')) kill(Number(killed[1]))
      return []
    }
    const answer = this.#answer(sql, session)
    if (typeof answer === 'number') this.refused.push({ session: session.id, sql, errno: answer })
    if (answer !== undefined) return answer
    this.unexpected.push(sql)
    return errSyntax
  }

  dump(payload: Buffer, session: PlayedSession): void {
    const said = this.#userVariables.get(session.id) ?? new Set()
    // MySQL 8.0.26 reads the variables of replicas by their new names, and by the old ones where there is no new one; MariaDB knows the old ones only.
    const newNames = this.#version.flavour !== 'mariadb' && since(this.#version, 8, 0, 26)
    this.binlogs.serve(payload, session, {
      knowsChecksums: said.has('master_binlog_checksum') || (newNames && said.has('source_binlog_checksum')),
      knowsGtids: said.has('mariadb_slave_capability'),
    })
  }

  #answer(sql: string, session: PlayedSession): PlayedAnswer | undefined {
    if (/^SET\b/.test(sql)) return this.#set(sql, session)
    const statement = Object.keys(statements).find((name) => sql.startsWith(name)) as keyof typeof statements | undefined
    if (statement !== undefined) {
      if (!knows(this.#version, statements[statement])) return errSyntax
      if (!this.#may(statement)) return statement === 'XA RECOVER' ? errXa : errDenied
      return this.#special(statement, sql)
    }
    for (const [, table = ''] of sql.matchAll(/\b((?:mysql|information_schema)\.\w+)/g)) {
      const known = systemTables[table]
      if (known !== undefined && !knows(this.#version, known)) return table.startsWith('mysql') ? errNoSuchTable : errUnknownTable
    }
    return this.#general(sql) ?? catalogAnswer(this.#version, sql)
  }

  #set(sql: string, session: PlayedSession): PlayedAnswer | undefined {
    if (/^SET (NAMES utf8mb4|SESSION TRANSACTION (READ WRITE|ISOLATION LEVEL REPEATABLE READ))$/.test(sql)) return []
    if (sql.startsWith('SET @')) {
      const said = this.#userVariables.get(session.id) ?? new Set()
      for (const [, name = ''] of sql.matchAll(/@(\w+) =/g)) said.add(name)
      this.#userVariables.set(session.id, said)
      return []
    }
    const names = [...sql.replace(/^SET SESSION /, '').matchAll(/(?:^|, )(\w+) = (?:'[^']*'|[^',]+)/g)].map(([, name = '']) => name)
    if (names.length === 0) return undefined
    return names.every((name) => knowsSessionVariable(this.#version, name)) ? [] : errUnknownVariable
  }

  /** Whether the account may say it, where that is a right of its own. */
  #may(statement: keyof typeof statements): boolean {
    const { account } = this.#options
    if (account === undefined) return true
    const has = (...rights: string[]): boolean => rights.some((right) => account.rights.includes(right))
    if (statement.startsWith('BACKUP STAGE') || statement.startsWith('FLUSH')) return has('RELOAD')
    if (statement === 'LOCK INSTANCE FOR BACKUP') return has('BACKUP_ADMIN')
    // V: MySQL 8.0 sql/xa.cc, check_xa_recover_privilege: SUPER does not replace it, and the error is ER_XAER_RMERR.
    if (statement === 'XA RECOVER') return this.#version.flavour === 'mariadb' || !since(this.#version, 8, 0, 0) || has('XA_RECOVER_ADMIN')
    if (statement.includes('SLAVE') || statement.includes('REPLICA')) {
      // V: MariaDB 10.5.9: BINLOG MONITOR, the new name of REPLICATION CLIENT, does not hold it any more.
      const apart = this.#version.flavour === 'mariadb' && since(this.#version, 10, 5, 9)
      return apart ? has('SLAVE MONITOR', 'REPLICA MONITOR', 'SUPER') : has('REPLICATION CLIENT', 'SUPER')
    }
    return !statement.startsWith('SHOW') || has('REPLICATION CLIENT', 'BINLOG MONITOR', 'REPLICATION SLAVE', 'SUPER')
  }

  #special(statement: keyof typeof statements, sql: string): PlayedAnswer {
    const { flavour } = this.#version
    switch (statement) {
      case 'FLUSH BINARY LOGS':
        this.binlogs.rotate()
        return []
      case 'SHOW BINARY LOGS': {
        // V: MySQL 8.0.14 "SHOW BINARY LOGS Statement".
        const encrypted = flavour !== 'mariadb' && since(this.#version, 8, 0, 14) ? { Encrypted: 'No' } : {}
        return this.binlogs.list().map(({ name, bytes }) => ({ Log_name: name, File_size: String(bytes), ...encrypted }))
      }
      case 'SHOW BINARY LOG STATUS':
      case 'SHOW MASTER STATUS':
      case 'SHOW BINLOG STATUS': {
        const { file, offset, gtid } = this.binlogs.position
        const row = { File: file, Position: String(offset), Binlog_Do_DB: '', Binlog_Ignore_DB: '' }
        return [flavour === 'mariadb' ? row : { ...row, Executed_Gtid_Set: gtid }]
      }
      case 'SHOW BINLOG EVENTS': {
        const [, name = '', from = '4'] = /IN '([^']*)' FROM (\d+)/.exec(sql) ?? []
        return this.binlogs.eventsFrom(name, Number(from)).map(({ pos, end, type }) => ({
          Log_name: name,
          Pos: String(pos),
          Event_type: type,
          Server_id: '7',
          End_log_pos: String(end),
          Info: '',
        }))
      }
      default:
        return []
    }
  }

  #general(sql: string): PlayedAnswer | undefined {
    const { flavour, version } = this.#version
    if (/^(START TRANSACTION WITH CONSISTENT SNAPSHOT|SAVEPOINT reading|ROLLBACK TO SAVEPOINT reading|USE `shop`)$/.test(sql)) return []
    if (/^SELECT VERSION\(\)/.test(sql)) return [{ version }]
    if (sql === 'SELECT @@version, CURRENT_USER()') return [{ '@@version': version, 'CURRENT_USER()': 'backup@localhost' }]
    if (sql === 'SELECT CURRENT_USER() AS account') return [{ account: 'backup@localhost' }]
    if (sql === 'SHOW GRANTS') return scriptedGrants(this.#version, this.#options.account).map((grant) => ({ Grants: grant }))
    if (sql === 'SHOW GLOBAL VARIABLES') {
      const variables = { ...this.#variables(), ...this.#options.variables }
      return Object.entries(variables).map(([name, value]) => ({ Variable_name: name, Value: value }))
    }
    // Of a schema that is not there the server says 1146 or 1049; nothing was ever restored to these servers.
    if (/ FROM `?backup_planet_unlogged`?\./.test(sql)) return errNoSuchTable
    if (/^SHOW STATUS LIKE 'Binlog_snapshot/.test(sql)) return this.#snapshotStatus(sql.includes('file'))
    if (sql === 'SELECT @@GLOBAL.gtid_binlog_pos AS gtid') {
      return flavour === 'mariadb' ? [{ gtid: this.binlogs.position.gtid }] : errUnknownVariable
    }
    if (sql.includes('UTC_TIMESTAMP(3)')) return [{ time: new Date().toISOString().replace('Z', '000') }]
    if (/^SHOW GLOBAL STATUS LIKE 'Innodb_history_list_length'$/.test(sql)) {
      return flavour === 'mariadb' ? [{ Variable_name: 'Innodb_history_list_length', Value: '12' }] : []
    }
    return undefined
  }

  /** V: Percona Server has them from MariaDB; Oracle's has none. */
  #snapshotStatus(fileOnly: boolean): PlayedAnswer {
    if (this.#version.flavour === 'mysql') return []
    const { file, offset } = this.binlogs.position
    const rows = [{ Variable_name: 'Binlog_snapshot_file', Value: file }]
    return fileOnly ? rows : [...rows, { Variable_name: 'Binlog_snapshot_position', Value: String(offset) }]
  }

  #variables(): Readonly<Record<string, string>> {
    const common = {
      version: this.#version.version,
      version_comment: this.#version.comment,
      hostname: 'db1',
      port: '3306',
      datadir: '/var/lib/mysql/',
      server_id: '7',
      log_bin: 'ON',
      log_bin_basename: this.#version.flavour === 'mariadb' ? '/nowhere/mysql-bin' : '/nowhere/binlog',
      binlog_format: 'ROW',
      binlog_row_image: 'FULL',
      lower_case_table_names: '0',
      max_allowed_packet: '67108864',
    }
    if (this.#version.flavour === 'mariadb') {
      // V: MariaDB 10.6.1 brought binlog_expire_logs_seconds, 11.4 max_binlog_total_size, 10.9.? server_uid (K).
      return {
        ...common,
        expire_logs_days: '10',
        ...(since(this.#version, 10, 6, 1) ? { binlog_expire_logs_seconds: '864000' } : {}),
        ...(since(this.#version, 11, 4, 0) ? { max_binlog_total_size: '0' } : {}),
        encrypt_binlog: 'OFF',
        log_slave_updates: 'OFF',
      }
    }
    return {
      ...common,
      server_uuid: scriptedUuid,
      gtid_mode: 'ON',
      ...(since(this.#version, 8, 0, 14) ? { binlog_encryption: 'OFF' } : {}),
      ...(since(this.#version, 8, 0, 0) ? { binlog_expire_logs_seconds: '2592000' } : { expire_logs_days: '10' }),
      // V: MySQL 8.0.26 gave it a new name, 8.4 still knows the old one.
      ...(since(this.#version, 8, 0, 26) ? { log_replica_updates: 'OFF', log_slave_updates: 'OFF' } : { log_slave_updates: 'OFF' }),
    }
  }
}
