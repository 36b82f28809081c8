import { describeAgentContract } from '@backup-planet/core/conformance'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect } from 'vitest'
import { serverPosition } from '../src/log/log-continuation.ts'
import { connect } from '../src/mysql-connection.ts'
import { type BinlogPosition, detectServer, readBinlogPosition } from '../src/mysql-server.ts'
import { agentFor, resolvedSettings } from './capture-fixture.ts'
import { privateRemains, schemaRemains, scratchParent } from './scratch-fixture.ts'

let place: Awaited<ReturnType<typeof scratchParent>>
let servers: { readonly source: ThrowawayMariadb; readonly target: ThrowawayMariadb }

beforeAll(async () => {
  const [source, target] = await Promise.all([startThrowawayMariadb(), startThrowawayMariadb()])
  servers = { source, target }
  place = await scratchParent()
})
afterAll(async () => {
  await Promise.all([servers?.source.stop(), servers?.target.stop()])
  await place?.[Symbol.asyncDispose]()
})

const items = ['shop', 'stock'] as const

async function schemas(server: ThrowawayMariadb): Promise<string[]> {
  const list = await server.client(
    "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') ORDER BY 1",
  )
  return list.split('\n').filter((name) => name !== '')
}

async function empty(server: ThrowawayMariadb): Promise<void> {
  for (const schema of await schemas(server)) await server.client(`DROP DATABASE \`${schema}\``)
}

/** Definitions, rows and programs as mariadb-dump prints them. */
async function content(server: ThrowawayMariadb, schema: string): Promise<string | undefined> {
  if (!(await schemas(server)).includes(schema)) return undefined
  const dump = await server.dump(['--skip-comments', '--order-by-primary', '--routines', '--events', '--triggers', schema])
  return dump.toString('utf8')
}

/** Everything but what moves by itself, such as the binlog position and statistics. */
async function observe(server: ThrowawayMariadb): Promise<unknown> {
  const contents: Record<string, unknown> = {}
  for (const schema of await schemas(server)) contents[schema] = await content(server, schema)
  const accounts = await server.client('SELECT user, host, priv FROM mysql.global_priv ORDER BY 1, 2')
  const variables = await server.client(
    "SELECT variable_name, variable_value FROM information_schema.global_variables WHERE variable_name NOT LIKE '%gtid%' ORDER BY 1",
  )
  return { contents, accounts, variables }
}

async function busy(server: ThrowawayMariadb): Promise<boolean> {
  const others = await server.client(
    "SELECT COUNT(*) FROM information_schema.processlist WHERE user NOT IN ('system user', 'event_scheduler') AND id <> CONNECTION_ID()",
  )
  return others.trim() !== '0'
}

function agentServer(server: ThrowawayMariadb) {
  return {
    agent: agentFor(server, { users: false, chunkBytes: 65_536 }),
    observe: () => observe(server),
    content: (item: string) => content(server, item),
    busy: () => busy(server),
    position: async () => {
      await using session = await connect(resolvedSettings(server))
      const facts = await detectServer(session)
      return serverPosition(facts, (await readBinlogPosition(session, facts)) as BinlogPosition)
    },
    breakOff: async () => {
      const sessions = await server.client(
        "SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE user NOT IN ('system user', 'event_scheduler') AND id <> CONNECTION_ID()",
      )
      await server.client(['--force', '-e', sessions.trim().replaceAll('\n', ';') || 'DO 0']).catch(() => undefined)
    },
    purgeLogs: async () => {
      await server.client('FLUSH BINARY LOGS')
      const [newest = ''] = (await server.client('SHOW MASTER STATUS')).split('\t')
      // The server keeps what a session reads that it has not noticed to be gone.
      await expect
        .poll(() => server.client(`PURGE BINARY LOGS TO '${newest}'; SHOW BINARY LOGS`), { timeout: 30_000, interval: 200 })
        .toMatch(new RegExp(`^${newest}`))
    },
    change: async (item: string) => {
      await server.client(
        `CREATE DATABASE IF NOT EXISTS \`${item}\`; CREATE TABLE IF NOT EXISTS \`${item}\`.line (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(250)); INSERT INTO \`${item}\`.line (note) VALUES ('changed')`,
      )
    },
  }
}

describeAgentContract('mysql agent on MariaDB', {
  makeHarness: async () => {
    const { source, target } = servers
    await Promise.all([empty(source), empty(target)])
    await source.client(`CREATE DATABASE shop; USE shop; CREATE TABLE line (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(250));
      INSERT INTO line SELECT seq, SHA2(seq, 512) FROM seq_1_to_3000; CREATE VIEW few AS SELECT id FROM line WHERE id < 10;
      CREATE FUNCTION one() RETURNS INT DETERMINISTIC RETURN 1; CREATE TRIGGER named BEFORE INSERT ON line FOR EACH ROW SET @seen = NEW.id;
      CREATE DATABASE stock; USE stock; CREATE TABLE line (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(250)); INSERT INTO line VALUES (1, 'one'), (2, NULL);
      ANALYZE TABLE shop.line;`)
    return {
      source: agentServer(source),
      target: agentServer(target),
      items,
      // Binlogs stamp changes with whole seconds.
      clockMilliseconds: 1000,
      secrets: [source.rootPassword, target.rootPassword],
      // Each private place makes a data directory and starts a server: `npm run test:sweep` does them as well, and scratch.test.ts what matters of them.
      scratch: {
        places: [...(process.env.BACKUP_PLANET_PRIVATE_SCRATCH === '1' ? (['private'] as const) : []), 'server'],
        directory: place.directory,
        remains: async () => [...(await privateRemains(place.directory)), ...(await schemaRemains(target))],
      },
      failItem: async (item: string) => {
        await source.client(`ALTER TABLE \`${item}\`.line DISCARD TABLESPACE`)
      },
    }
  },
})
