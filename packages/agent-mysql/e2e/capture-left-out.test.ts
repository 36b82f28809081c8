import type { Problem } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { MysqlAgentSettings } from '../src/mysql-agent-settings.ts'
import { agentFor, dump } from './capture-fixture.ts'
import { backUpToFolder } from './folder-backup.ts'
import { planFor, restoreAll } from './restore-round-trip.ts'
import { schemaText } from './schema-fingerprint.ts'

let server: ThrowawayMariadb
let target: ThrowawayMariadb

beforeAll(async () => {
  ;[server, target] = await Promise.all([startThrowawayMariadb(), startThrowawayMariadb()])
})
afterAll(async () => {
  await Promise.all([server?.stop(), target?.stop()])
})

const request = { job: 'j', kind: 'full', chain: [] } as const

/** What check, plan and capture each say. */
async function warningsOf(settings: Partial<MysqlAgentSettings>, items?: readonly string[]) {
  await using agent = agentFor(server, settings)
  const of = items === undefined ? request : { ...request, items }
  const problems: Problem[] = []
  await using dumped = await dump(agent, items === undefined ? {} : { items }, {
    onProgress: (event) => {
      if (event.type === 'problem') problems.push(event.problem)
    },
  })
  const messages = (found: readonly Problem[]) => found.filter((one) => one.severity === 'warning').map((one) => one.message)
  return {
    check: messages(await agent.check(of)),
    plan: (await agent.plan(of)).steps.map((step) => step.text),
    capture: messages(problems),
    items: dumped.stage.sealed.map((facts) => facts.item).sort(),
  }
}

test('schemas named like those of other servers, or like the own ones in another case, are captured', async () => {
  await server.client(
    'CREATE DATABASE Sys; CREATE TABLE Sys.money (id INT PRIMARY KEY); CREATE DATABASE ndbinfo; CREATE DATABASE MYSQL COLLATE latin1_german1_ci; CREATE DATABASE Performance_Schema; CREATE DATABASE a; CREATE DATABASE A; CREATE PROCEDURE A.p() SELECT 1; CREATE TABLE A.t (id INT); CREATE TABLE a.u (id INT)',
  )
  const { items, check } = await warningsOf({ users: false })
  expect(items).toEqual(['A', 'MYSQL', 'Performance_Schema', 'Sys', 'a', 'ndbinfo'])
  expect(check.filter((message) => message.includes('left out'))).toEqual([])
  await using folder = await backUpToFolder(server, { users: false }, ['A', 'a'])
  await restoreAll(target, folder)
  for (const schema of ['a', 'A']) expect(await schemaText(target, schema)).toBe(await schemaText(server, schema))
  await target.client('DROP DATABASE a; DROP DATABASE A')
  // A sys that is not the installed one is somebody's.
  await server.client('DROP DATABASE sys; CREATE DATABASE sys; CREATE TABLE sys.accounts (id INT PRIMARY KEY)')
  expect((await warningsOf({ users: false })).items).toContain('sys')
  await server.client(
    'DROP DATABASE a; DROP DATABASE A; DROP DATABASE Sys; DROP DATABASE ndbinfo; DROP DATABASE MYSQL; DROP DATABASE Performance_Schema; DROP DATABASE sys',
  )
})

test('the journal of a cut restore is left out, which check, plan and capture say', async () => {
  await server.client('CREATE DATABASE backup_planet_restore; CREATE TABLE backup_planet_restore.run (a INT)')
  const { items, check, plan, capture } = await warningsOf({ users: false })
  await server.client('DROP DATABASE backup_planet_restore')
  const message = 'backup_planet_restore is left out: it is the journal of a restore that was cut, and what that restores is not complete'
  expect(items).not.toContain('backup_planet_restore')
  expect(check).toContain(message)
  expect(capture).toContain(message)
  expect(plan).toContain(`note: ${message}`)
})

test('a schema of which tables are left out comes back without their triggers, and views over them are named', async () => {
  await server.client(`CREATE DATABASE part; USE part; CREATE TABLE kept (id INT PRIMARY KEY, n INT); CREATE TABLE big (id INT PRIMARY KEY, n INT); CREATE TABLE other (id INT PRIMARY KEY);
    INSERT INTO kept VALUES (1, 1); INSERT INTO big VALUES (1, 1);
    CREATE TRIGGER on_kept BEFORE INSERT ON kept FOR EACH ROW SET NEW.n = 5; CREATE TRIGGER on_big BEFORE INSERT ON big FOR EACH ROW SET NEW.n = 6;
    CREATE VIEW of_kept AS SELECT id AS big FROM kept; CREATE VIEW of_big AS SELECT b.id FROM kept JOIN big b USING (id);`)
  for (const settings of [
    { excludeTables: ['part.big', 'part.other'] },
    { includeTables: ['part.k*'] },
  ] satisfies Partial<MysqlAgentSettings>[]) {
    const said = await warningsOf({ users: false, ...settings }, ['part'])
    const message = 'view part.of_big uses big, which the settings leave out'
    expect(said.check.filter((text) => text.startsWith('view '))).toEqual([message])
    expect(said.capture).toContain(message)
    await using folder = await backUpToFolder(server, { users: false, ...settings }, ['part'])
    const plan = await planFor(target, folder)
    expect(plan.problems.filter((problem) => problem.severity === 'error')).toEqual([])
    await restoreAll(target, folder)
    const names = 'SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = "part" ORDER BY 1'
    expect(await target.client(names)).toBe('kept\tBASE TABLE\nof_kept\tVIEW\n')
    expect(await target.client('SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = "part"')).toBe('on_kept\n')
    expect(await target.client('SELECT * FROM part.kept')).toBe('1\t1\n')
    await target.client('DROP DATABASE part')
  }
  await server.client('DROP DATABASE part')
})

test('the history of tables versioned by transaction, servers and libraries are named where they are left out', async () => {
  await server.client(`CREATE DATABASE past; USE past; CREATE TABLE precise (id INT PRIMARY KEY, n INT, s BIGINT UNSIGNED GENERATED ALWAYS AS ROW START, e BIGINT UNSIGNED GENERATED ALWAYS AS ROW END,
    PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING; INSERT INTO precise (id, n) VALUES (1, 1); UPDATE precise SET n = 2;
    CREATE TABLE odd (e ENUM(x'fe', 'b') CHARACTER SET binary, f ENUM('?') CHARACTER SET latin1); CREATE TABLE even (e ENUM('a', 'b') CHARACTER SET binary, f ENUM('?'));
    CREATE SERVER elsewhere FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1', USER 'u', PASSWORD 'secret', DATABASE 'd');`)
  const { check, capture, plan } = await warningsOf({})
  expect(check.filter((message) => message.includes('question marks'))).toEqual([
    'table past.odd has an ENUM or SET of character set binary with members that the server prints with question marks',
  ])
  for (const start of [
    'old versions of rows are left out in past: precise',
    'server definitions (CREATE SERVER) are not captured: elsewhere',
  ]) {
    expect(check.filter((message) => message.startsWith(start))).toHaveLength(1)
    expect(capture.filter((message) => message.startsWith(start))).toHaveLength(1)
    expect(plan.filter((text) => text.startsWith(`note: ${start}`))).toHaveLength(1)
  }
  expect([...check, ...capture, ...plan].join()).not.toContain('secret')
  expect((await warningsOf({ history: false }, ['past'])).check.filter((message) => message.startsWith('old versions'))).toEqual([])
  await server.client('DROP SERVER elsewhere; DROP DATABASE past')
})

test('the facts of a full backup name what it does not hold, and how to judge what comes later', async () => {
  await server.client(
    'CREATE DATABASE kept; CREATE TABLE kept.t (id INT PRIMARY KEY); CREATE TABLE kept.tmp_1 (id INT PRIMARY KEY); CREATE DATABASE scratch; CREATE DATABASE other',
  )
  await using agent = agentFor(server, { excludeSchemas: ['scratch'], excludeTables: ['*.tmp_*'] })
  await using whole = await agent.beginCapture(request)
  expect(whole.facts.facts.leftOut).toMatchObject({
    schemas: ['scratch'],
    tables: ['kept.tmp_1'],
    rows: [],
    patterns: { excludeSchemas: ['scratch'], excludeTables: ['*.tmp_*'] },
  })
  await using asked = await agent.beginCapture({ ...request, items: ['kept'] })
  expect(asked.facts.facts.leftOut).toMatchObject({ schemas: expect.arrayContaining(['other', 'scratch']), items: ['kept'] })
  await server.client('DROP DATABASE kept; DROP DATABASE scratch; DROP DATABASE other')
})
