import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CapturePlan } from '@backup-planet/core'
import { startThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import type { DocumentedApplication, DocumentedPlan } from '../src/documentation/how-applications-are-backed-up.ts'
import { command } from './child-command.ts'

export const documentationFile = join(import.meta.dirname, '..', '..', '..', 'docs', 'how-each-application-is-backed-up.md')

/** Kept true by a test of the agent, where there is no such server here, or the plan needs a backup before it. */
const plansOfAgent = join(import.meta.dirname, '..', '..', 'agent-mysql', 'documented-plans')

async function planOfAgent(name: string): Promise<CapturePlan> {
  return JSON.parse(await readFile(join(plansOfAgent, name), 'utf8')) as CapturePlan
}

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
      { ...(await planOfAgent('mysql-8.json')), of: 'MySQL and Percona Server 8' },
      { ...(await planOfAgent('log.json')), of: 'MySQL, Percona Server and MariaDB' },
      { ...(await planOfAgent('mariadb-physical.json')), of: 'MariaDB with mode: physical' },
      { ...(await planOfAgent('mysql-8-physical.json')), of: 'MySQL and Percona Server 8 with mode: physical' },
    ]
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
