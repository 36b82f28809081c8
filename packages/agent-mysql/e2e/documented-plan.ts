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
import { detectServer } from '../src/mysql-server.ts'

/** The plans that are not made by a server at hand, kept as files for `docs/how-each-application-is-backed-up.md`; tests keep them true. */
const directory = join(import.meta.dirname, '..', 'documented-plans')

export type DocumentedPlanName = 'mysql-8' | 'log'

export async function readDocumentedPlan(name: DocumentedPlanName): Promise<unknown> {
  return JSON.parse(await readFile(join(directory, `${name}.json`), 'utf8'))
}

async function writeDocumentedPlan(name: DocumentedPlanName, plan: CapturePlan): Promise<void> {
  await writeFile(join(directory, `${name}.json`), `${JSON.stringify(plan, undefined, 2)}\n`)
}

/** An hour after a full, on any server. */
export function planOfLog(): CapturePlan {
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

if (process.argv[1] === import.meta.filename) {
  await writeDocumentedPlan('log', planOfLog())
  await writeDocumentedPlan('mysql-8', await planOfMysql8())
}
