import type { Source } from '@backup-planet/core'
import { describe, expect, it } from 'vitest'
import { createMysqlAgent } from '../src/index.ts'
import { dump, settingsFor } from './capture-fixture.ts'
import { type ScriptedOptions, type ScriptedServer, startScriptedServer } from './scripted-server.ts'
import { scriptedVersions } from './scripted-version.ts'

const position84 = 'SHOW BINARY LOG STATUS'
const positionOlder = 'SHOW MASTER STATUS'
const stages = ['BACKUP STAGE START', 'BACKUP STAGE FLUSH', 'BACKUP STAGE BLOCK_DDL', 'BACKUP STAGE BLOCK_COMMIT']
const instanceLock = 'LOCK INSTANCE FOR BACKUP'
const readLock = 'FLUSH TABLES WITH READ LOCK'
const clock = "SELECT DATE_FORMAT(UTC_TIMESTAMP(3), '%Y-%m-%dT%H:%i:%s.%f') AS time"
const mariadbGtid = 'SELECT @@GLOBAL.gtid_binlog_pos AS gtid'

interface Choice {
  /** What the connection that locks says, from the first statement of the lock on. */
  readonly locking: readonly string[]
  /** The same for an account that may neither RELOAD nor BACKUP_ADMIN. */
  readonly lockingWithoutRights: readonly string[]
  /** What is tried although this version refuses it, with the error: each time to find out what the server is, never what is needed. */
  readonly tried: readonly (readonly [statement: string, errno: number])[]
  readonly never: RegExp
  readonly guard: 'instance' | 'detect'
  readonly lock: 'stage' | 'ftwrl'
  readonly numbers: 'innodb_tables' | 'innodb_sys_tables'
  readonly accounts: string
  readonly tellsSnapshots?: true
}

const lockTables = ['LOCK TABLES `shop`.`line` READ', 'FLUSH BINARY LOGS']
const refusedByAll8 = [
  ['SET SESSION max_statement_time = 0', 1193],
  ['SET SESSION wsrep_sync_wait = 0', 1193],
  ['SELECT db, COUNT(*) AS count FROM mysql.proc GROUP BY db', 1146],
  ['SELECT db, COUNT(*) AS count FROM mysql.event GROUP BY db', 1146],
] as const
const plainAccounts = "SELECT user, host, 'N' AS is_role FROM mysql.user ORDER BY user, host"

const mysql57: Choice = {
  locking: [readLock, 'FLUSH BINARY LOGS', position84, positionOlder, clock, 'UNLOCK TABLES'],
  lockingWithoutRights: [readLock, 'UNLOCK TABLES', ...lockTables, position84, positionOlder, clock, 'UNLOCK TABLES'],
  tried: [
    ['SET SESSION max_statement_time = 0', 1193],
    ['SET SESSION information_schema_stats_expiry = 0', 1193],
    ['SET SESSION show_gipk_in_create_table_and_information_schema = ON', 1193],
    ['SET SESSION print_identified_with_as_hex = ON', 1193],
    ['SET SESSION wsrep_sync_wait = 0', 1193],
    [position84, 1064],
  ],
  never: /LOCK INSTANCE|BACKUP STAGE|BINLOG STATUS|innodb_tables|gtid_binlog_pos|performance_schema|, is_role|SHOW (ALL SLAVES|REPLICA)/,
  guard: 'detect',
  lock: 'ftwrl',
  numbers: 'innodb_sys_tables',
  accounts: plainAccounts,
}
const mysql80: Choice = {
  locking: [instanceLock, readLock, 'FLUSH BINARY LOGS', position84, positionOlder, clock, 'UNLOCK TABLES'],
  lockingWithoutRights: [instanceLock, readLock, 'UNLOCK TABLES', ...lockTables, position84, positionOlder, clock, 'UNLOCK TABLES'],
  tried: [...refusedByAll8, [position84, 1064]],
  never: /BACKUP STAGE|BINLOG STATUS|innodb_sys|gtid_binlog_pos|, is_role|SHOW ALL SLAVES/,
  guard: 'instance',
  lock: 'ftwrl',
  numbers: 'innodb_tables',
  accounts: plainAccounts,
}
const mysql84: Choice = {
  ...mysql80,
  locking: [instanceLock, readLock, 'FLUSH BINARY LOGS', position84, clock, 'UNLOCK TABLES'],
  lockingWithoutRights: [instanceLock, readLock, 'UNLOCK TABLES', ...lockTables, position84, clock, 'UNLOCK TABLES'],
  tried: refusedByAll8,
  never: /MASTER|SLAVE|BACKUP STAGE|BINLOG STATUS|innodb_sys|gtid_binlog_pos|, is_role/,
}
const mariadb: Choice = {
  locking: [...stages, 'FLUSH BINARY LOGS', positionOlder, mariadbGtid, clock, 'BACKUP STAGE END'],
  lockingWithoutRights: [
    'BACKUP STAGE START',
    'BACKUP STAGE END',
    readLock,
    'UNLOCK TABLES',
    ...lockTables,
    positionOlder,
    mariadbGtid,
    clock,
    'UNLOCK TABLES',
  ],
  tried: [
    ['SET SESSION max_execution_time = 0', 1193],
    ['SET SESSION information_schema_stats_expiry = 0', 1193],
    ['SET SESSION show_gipk_in_create_table_and_information_schema = ON', 1193],
    ['SET SESSION print_identified_with_as_hex = ON', 1193],
  ],
  never: /LOCK INSTANCE|SHOW BINARY LOG STATUS|SHOW (REPLICA|SLAVE)|innodb_tables|performance_schema|tx_isolation|transaction_isolation/,
  guard: 'detect',
  lock: 'stage',
  numbers: 'innodb_sys_tables',
  accounts: 'SELECT user, host, is_role FROM mysql.user ORDER BY user, host',
  tellsSnapshots: true,
}

const choices: Readonly<Record<string, Choice>> = {
  'MySQL 5.7': mysql57,
  'MySQL 8.0': mysql80,
  'MySQL 8.4': mysql84,
  'MySQL 9.1': mysql84,
  'Percona 8.0': { ...mysql80, tellsSnapshots: true },
  'MariaDB 10.4': mariadb,
  'MariaDB 10.5': mariadb,
  'MariaDB 10.6': mariadb,
  'MariaDB 10.11': mariadb,
  'MariaDB 11.4': mariadb,
  'MariaDB 11.8': mariadb,
}

/** What a session says from the first statement of a lock on. */
function lockingOf({ heard }: ScriptedServer): readonly string[] {
  const first = heard.find(({ sql }) => /^(LOCK INSTANCE|FLUSH TABLES|BACKUP STAGE)/.test(sql))
  const said = heard.filter(({ session }) => session === first?.session).map(({ sql }) => sql)
  return said.slice(said.indexOf(first?.sql ?? '')).filter((sql) => !/processlist|lock_wait_timeout|SHOW BINLOG EVENTS/.test(sql))
}

function triedBy({ refused }: ScriptedServer): readonly (readonly [string, number])[] {
  return [...new Map(refused.map(({ sql, errno }) => [sql, errno]))]
}

const agentOf = (server: ScriptedServer) => createMysqlAgent(settingsFor(server, { threads: 2 }))
const full = { job: 'test', kind: 'full', chain: [] } as const

async function fullDump(version: (typeof scriptedVersions)[number], options: ScriptedOptions = {}) {
  const server = await startScriptedServer(version, options)
  await using dumped = await dump(agentOf(server))
  return { server, facts: dumped.facts, failed: [...dumped.stage.failed], sealed: dumped.stage.sealed.map(({ item }) => item) }
}

it('every version has its row', () => {
  expect(scriptedVersions.map(({ name }) => name)).toEqual(Object.keys(choices))
})

describe.each(scriptedVersions)('$name, a full', (version) => {
  const choice = choices[version.name] as Choice

  it('is described, checked and planned without a word that changes anything', async () => {
    await using server = await startScriptedServer(version)
    const agent = agentOf(server)
    const sources: Source[] = []
    for await (const source of agent.discover()) sources.push(source)
    expect(sources).toMatchObject([
      {
        version: version.version,
        items: [{ name: 'shop', detail: '1 table, 0 views' }, { name: 'mysql' }],
        facts: {
          flavour: version.flavour,
          gtid: version.flavour === 'mariadb' ? 'mariadb' : 'mysql',
          binlogFiles: 1,
          pointInTime: 'possible',
        },
      },
    ])
    expect(await agent.check(full)).toEqual([])
    const steps = (await agent.plan(full)).steps.map(({ text }) => text).join('\n')
    expect(steps).toContain(choice.lock === 'stage' ? 'BACKUP STAGE up to BLOCK_COMMIT' : 'FLUSH TABLES WITH READ LOCK')
    expect(steps.includes('LOCK INSTANCE FOR BACKUP')).toBe(choice.guard === 'instance')
    expect(server.heard.filter(({ sql }) => !/^(SET|SELECT|SHOW|USE) /.test(sql))).toEqual([])
    expect(server.unexpected).toEqual([])
    expect(new Map(triedBy(server))).toEqual(new Map(choice.tried))
  })

  it('is locked, placed and read by the statements of this version, and by no others', async () => {
    const { server, facts, failed, sealed } = await fullDump(version)
    await using _server = server
    expect(failed).toEqual([])
    expect(sealed).toEqual(expect.arrayContaining(['shop', 'mysql']))
    expect(lockingOf(server)).toEqual(choice.locking)
    expect(facts.facts).toMatchObject({ lock: choice.lock, ddlGuard: choice.guard })
    expect(facts.position?.value).toMatchObject({ file: server.binlogs.position.file, offset: String(server.binlogs.position.offset) })
    const said = server.heard.map(({ sql }) => sql)
    expect(said.filter((sql) => choice.never.test(sql))).toEqual([])
    expect(said.filter((sql) => sql.includes('information_schema.innodb_')).every((sql) => sql.includes(`.${choice.numbers} `))).toBe(true)
    expect(said).toContain(choice.accounts)
    expect(said.includes("SHOW STATUS LIKE 'Binlog_snapshot%'")).toBe(choice.tellsSnapshots === true)
    expect(server.unexpected).toEqual([])
    expect(new Map(triedBy(server))).toEqual(new Map(choice.tried))
  })

  it('comes down to what an account without RELOAD may do', async () => {
    const account = { rights: ['SELECT', 'SHOW VIEW', 'TRIGGER', 'EVENT', 'LOCK TABLES', 'PROCESS', 'REPLICATION CLIENT', 'SHOW_ROUTINE'] }
    const { server, facts, failed } = await fullDump(version, { account })
    await using _server = server
    expect(failed).toEqual([])
    expect(lockingOf(server)).toEqual(choice.lockingWithoutRights)
    expect(facts.facts).toMatchObject({ lock: 'lockTables', ddlGuard: 'detect' })
    expect(server.unexpected).toEqual([])
  })
})
