import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CapturePlan } from '@backup-planet/core'
import { startThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { selectSource } from '../src/begin-capture.ts'
import { planLogCapture } from '../src/log/log-plan.ts'
import { mysqlAgentSettingsSchema } from '../src/mysql-agent-settings.ts'
import { planCapture } from '../src/mysql-capture-plan.ts'
import { connect } from '../src/mysql-connection.ts'
import { serverRow } from '../src/mysql-rows.ts'
import { detectServer, type ServerFacts } from '../src/mysql-server.ts'
import { planPhysicalCapture } from '../src/physical/physical-capture-plan.ts'

/** Plans for servers that are not at hand, kept as files for `docs/how-each-application-is-backed-up.md`; a test keeps them true. */
export const documentedPlans: Readonly<Record<string, () => Promise<CapturePlan>>> = {
  'mysql-8.json': planOfMysql8,
  'log.json': async () => planOfLog(),
  'mysql-8-physical.json': async () => physicalPlan('mysql', 'MySQL 8.4', true),
  'mariadb-physical.json': async () => physicalPlan('mariadb', 'MariaDB 10.11', false),
}

function fileOf(name: string): string {
  return join(import.meta.dirname, '..', 'documented-plans', name)
}

export async function readDocumentedPlan(name: string): Promise<unknown> {
  return JSON.parse(await readFile(fileOf(name), 'utf8'))
}

async function writeDocumentedPlans(): Promise<void> {
  for (const [name, make] of Object.entries(documentedPlans))
    await writeFile(fileOf(name), `${JSON.stringify(await make(), undefined, 2)}\n`)
}

/** An hour after a full, on any server. */
function planOfLog(): CapturePlan {
  const from = { chain: 'server', value: { file: 'mysql-bin.000012', offset: '379', gtid: '' } }
  const next = { kind: 'log', chain: 'server', from, follows: '20260301T020000Z-k3p7qa' } as const
  const binlogs = [12, 13].map((number) => ({ name: `mysql-bin.0000${number}`, bytes: 48 * 1024 * 1024 }))
  return planLogCapture({
    settings: mysqlAgentSettingsSchema.parse({ user: 'backup' }),
    source: 'db1.example.com:3306',
    continuation: { next, position: undefined, binlogs },
    written: true,
  })
}

/** A physical plan depends on little of a server, which is made up here. */
function physicalPlan(flavour: 'mysql' | 'mariadb', version: string, differential: boolean): CapturePlan {
  const settings = mysqlAgentSettingsSchema.parse({ mode: 'physical', user: 'backup', socketPath: '/run/mysqld/mysqld.sock' })
  const server: ServerFacts = {
    flavour,
    version,
    versionNumbers: flavour === 'mariadb' ? [10, 11, 0] : [8, 4, 0],
    id: 'server',
    serverId: '1',
    hostname: 'db1',
    port: '3306',
    variables: {},
    logBin: true,
    binlogFormat: 'ROW',
    gtidMode: flavour,
    lowerCaseTableNames: 0,
    maxAllowedPacket: 67_108_864,
    supports: { backupStage: flavour === 'mariadb', lockInstance: flavour === 'mysql', roles: true, binlogSnapshotStatus: false },
  }
  const datadir = { path: '/var/lib/mysql', identity: '1@1', bytes: 214_748_364_800, elsewhere: {} }
  const position = { chain: 'server', value: { file: 'binlog.000007', offset: '157', gtid: '' } }
  const next = differential
    ? ({ kind: 'differential', chain: 'server', base: { id: '20260104T020000Z-7f3a', from: position, lsn: '48205931220' } } as const)
    : ({ kind: 'full', chain: 'server' } as const)
  const plan = planPhysicalCapture(settings, { server, name: 'db1:/run/mysqld/mysqld.sock', datadir }, next)
  return JSON.parse(JSON.stringify(plan)) as CapturePlan
}

/** Schemas of a real MariaDB, as a MySQL 8 server would have them: its answers to what the agent asks of the server itself are played. */
export async function planOfMysql8(): Promise<CapturePlan> {
  await using server = await startThrowawayMariadb()
  await server.client(
    `CREATE DATABASE shop; CREATE DATABASE warehouse;
     CREATE TABLE shop.orders (id INT PRIMARY KEY) ENGINE=InnoDB; CREATE TABLE shop.customers (id INT PRIMARY KEY) ENGINE=InnoDB;
     CREATE TABLE warehouse.stock (id INT PRIMARY KEY) ENGINE=InnoDB; CREATE TABLE warehouse.words (word VARCHAR(50)) ENGINE=MyISAM;
     CREATE TABLE warehouse.notes (note VARCHAR(50)) ENGINE=MyISAM`,
  )
  const { host, port, user, rootPassword: password } = server
  const settings = mysqlAgentSettingsSchema.parse({ host, port, user, password })
  await using session = await connect(settings)
  const { inventory } = await selectSource(session, settings, undefined, undefined)
  const facts = await detectServer({
    rows: async (sql) => {
      if (sql.startsWith('SELECT VERSION')) return [serverRow(['version'], ['8.4.3'], sql)]
      return sql === 'SHOW GLOBAL VARIABLES' ? [serverRow(['name', 'value'], ['log_bin', 'ON'], sql)] : []
    },
    run: async () => undefined,
  })
  const plan = planCapture(settings, { ...facts, version: 'MySQL 8.4' }, 'db1.example.com:3306', inventory)
  return JSON.parse(JSON.stringify(plan)) as CapturePlan
}

if (process.argv[1] === import.meta.filename) await writeDocumentedPlans()
