import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CapturePlan } from '@backup-planet/core'
import { startThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { selectSource } from '../src/begin-capture.ts'
import { mysqlAgentSettingsSchema } from '../src/mysql-agent-settings.ts'
import { planCapture } from '../src/mysql-capture-plan.ts'
import { connect } from '../src/mysql-connection.ts'
import { serverRow } from '../src/mysql-rows.ts'
import { detectServer } from '../src/mysql-server.ts'

/** The plan for a server that is not at hand, kept as a file for `docs/how-each-application-is-backed-up.md`; a test keeps it true. */
const file = join(import.meta.dirname, '..', 'documented-plans', 'mysql-8.json')

export async function readDocumentedPlan(): Promise<unknown> {
  return JSON.parse(await readFile(file, 'utf8'))
}

export async function writeDocumentedPlan(): Promise<void> {
  await writeFile(file, `${JSON.stringify(await planOfMysql8(), undefined, 2)}\n`)
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

if (process.argv[1] === import.meta.filename) await writeDocumentedPlan()
