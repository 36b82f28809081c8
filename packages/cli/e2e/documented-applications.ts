import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CapturePlan } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { selectSource } from '../../agent-mysql/src/begin-capture.ts'
import { mysqlAgentSettingsSchema } from '../../agent-mysql/src/mysql-agent-settings.ts'
import { planCapture } from '../../agent-mysql/src/mysql-capture-plan.ts'
import { connect } from '../../agent-mysql/src/mysql-connection.ts'
import { serverRow } from '../../agent-mysql/src/mysql-rows.ts'
import { detectServer } from '../../agent-mysql/src/mysql-server.ts'
import type { DocumentedApplication, DocumentedPlan } from '../src/documentation/how-applications-are-backed-up.ts'
import { command } from './child-command.ts'

export const documentationFile = join(import.meta.dirname, '..', '..', '..', 'docs', 'how-each-application-is-backed-up.md')

/** The plans that the agents make for real servers, with what is only true of a throwaway one replaced. */
export async function documentedApplications(): Promise<readonly DocumentedApplication[]> {
  return [{ title: 'MySQL and MariaDB', plans: await plansOfMysql() }]
}

async function plansOfMysql(): Promise<readonly DocumentedPlan[]> {
  const directory = await mkdtemp(join(tmpdir(), 'backup-planet-documentation-'))
  await using server = await startThrowawayMariadb()
  try {
    await server.client(
      `CREATE DATABASE shop; CREATE DATABASE warehouse;
       CREATE TABLE shop.orders (id INT PRIMARY KEY) ENGINE=InnoDB; CREATE TABLE shop.customers (id INT PRIMARY KEY) ENGINE=InnoDB;
       CREATE TABLE warehouse.stock (id INT PRIMARY KEY) ENGINE=InnoDB; CREATE TABLE warehouse.words (word VARCHAR(50)) ENGINE=MyISAM;
       CREATE TABLE warehouse.notes (note VARCHAR(50)) ENGINE=MyISAM`,
    )
    const configuration = `repositories: { local: { kind: archive, destination: ./backups } }
jobs:
  shop:
    agent: mysql
    settings: { host: ${server.host}, port: ${server.port}, user: root, password: "\${env:MYSQL_PASSWORD}" }
    repository: local
`
    await writeFile(join(directory, 'backup-planet.yaml'), configuration, { mode: 0o600 })
    const { code, stdout, stderr } = await command(['run', 'shop', '--plan', '--json'], { MYSQL_PASSWORD: server.rootPassword }, directory)
    if (code !== 0) throw new Error(`run --plan ended with ${code}: ${stderr}`)
    const version = (await server.client('SELECT VERSION()')).trim()
    const text = stdout.replaceAll(`${server.host}:${server.port}`, 'db1.example.com:3306').replaceAll(version, 'MariaDB 10.11')
    const { plan } = JSON.parse(text) as { plan: CapturePlan }
    return [
      { ...plan, of: 'MariaDB 10.4 and later' },
      { ...(await planOfMysql8(server)), of: 'MySQL and Percona Server 8' },
    ]
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** The same schemas as a MySQL 8 server would have them: its answers to what the agent asks of the server itself are played. */
async function planOfMysql8(server: ThrowawayMariadb): Promise<CapturePlan> {
  const settings = mysqlAgentSettingsSchema.parse({
    host: server.host,
    port: server.port,
    user: server.user,
    password: server.rootPassword,
  })
  await using session = await connect(settings)
  const { inventory } = await selectSource(session, settings, undefined, undefined)
  const facts = await detectServer({
    rows: async (sql) => {
      if (sql.startsWith('SELECT VERSION')) return [serverRow(['version'], ['8.4.3'], sql)]
      return sql === 'SHOW GLOBAL VARIABLES' ? [serverRow(['name', 'value'], ['log_bin', 'ON'], sql)] : []
    },
    run: async () => undefined,
  })
  return planCapture(settings, { ...facts, version: 'MySQL 8.4' }, 'db1.example.com:3306', inventory)
}
