import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { MysqlAgentSettings } from '../src/mysql-agent-settings.ts'
import { agentFor, dump } from './capture-fixture.ts'

let server: ThrowawayMariadb

const common = 'RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR'

beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client(`CREATE DATABASE r; USE r; CREATE TABLE t (id INT PRIMARY KEY, v INT);
    CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.v = NEW.v + 1; CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM t WHERE id < 0;
    CREATE PROCEDURE p() SELECT 1; CREATE DATABASE q; CREATE TABLE q.a (id INT PRIMARY KEY); CREATE TABLE q.b (id INT PRIMARY KEY);
    CREATE USER weak@'127.0.0.1' IDENTIFIED BY 'p'; GRANT SELECT, SHOW VIEW, ${common} ON *.* TO weak@'127.0.0.1';
    CREATE USER table_only@'127.0.0.1' IDENTIFIED BY 'p'; GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO table_only@'127.0.0.1';
    GRANT SELECT, SHOW VIEW ON q.a TO table_only@'127.0.0.1'; GRANT SELECT ON mysql.proc TO table_only@'127.0.0.1';
    CREATE USER blind@'127.0.0.1' IDENTIFIED BY 'p'; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES ON r.* TO blind@'127.0.0.1'; GRANT ${common} ON *.* TO blind@'127.0.0.1';
    CREATE USER nobody@'127.0.0.1' IDENTIFIED BY 'p';
    CREATE ROLE reader; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, ${common} ON *.* TO reader;
    CREATE USER by_role@'127.0.0.1' IDENTIFIED BY 'p'; GRANT reader TO by_role@'127.0.0.1'; SET DEFAULT ROLE reader FOR by_role@'127.0.0.1';`)
})
afterAll(async () => {
  await server?.stop()
})

const agentOf = (user: string, more: Partial<MysqlAgentSettings> = {}) => agentFor(server, { user, password: 'p', users: false, ...more })

test.each([
  ['weak', 'r', "GRANT TRIGGER, EVENT ON *.* TO 'weak'@'127.0.0.1'"],
  ['weak', 'q', "GRANT TRIGGER, EVENT ON *.* TO 'weak'@'127.0.0.1'"],
  ['table_only', 'q', "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO 'table_only'@'127.0.0.1'"],
  ['blind', 'r', "GRANT SELECT ON *.* TO 'blind'@'127.0.0.1'"],
])('%s: schema %s fails, because the server hides what the account may not see', async (user, schema, grant) => {
  await using dumped = await dump(agentOf(user), { items: [schema] })
  expect(dumped.stage.sealed).toEqual([])
  const failure = dumped.stage.failed.get(schema)
  expect(failure).toMatchObject({ code: 'ACCESS_DENIED' })
  expect(failure?.hint).toBe(`Run on the server: ${grant}`)
})

test('rights of an active role count', async () => {
  await using dumped = await dump(agentOf('by_role'))
  expect(dumped.stage.failed).toEqual(new Map())
  expect(dumped.stage.sealed.map((facts) => facts.item).sort()).toEqual(['q', 'r'])
})

test('one GRANT, which check names, is enough for an account without any right', async () => {
  await using agent = agentOf('nobody', { users: true })
  const request = { job: 'j', kind: 'full', chain: [] } as const
  const before = await agent.check(request)
  const errors = before.filter((problem) => problem.severity === 'error')
  expect(new Set(errors.map((problem) => problem.message)).size).toBe(errors.length)
  expect(before.filter((problem) => problem.message.includes('mysql.*') || problem.message.includes('mysql.user'))).toHaveLength(1)
  const all = /all at once: (GRANT .*)$/.exec(errors[0]?.hint ?? '')?.[1] ?? ''
  for (const right of ['SELECT', 'SHOW VIEW', 'TRIGGER', 'EVENT', 'LOCK TABLES', 'PROCESS', 'RELOAD', 'BINLOG MONITOR'])
    expect(all).toContain(right)
  await server.client(all)
  const after = await agent.check(request)
  expect(after.filter((problem) => problem.code === 'ACCESS_DENIED')).toEqual([])
  await using dumped = await dump(agent)
  expect(dumped.stage.failed).toEqual(new Map())
  expect(dumped.stage.sealed.map((facts) => facts.item).sort()).toEqual(['mysql', 'q', 'r'])
})

test('an account that cannot see every schema is told so', async () => {
  await server.client(
    "CREATE USER some@'127.0.0.1' IDENTIFIED BY 'p'; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON r.* TO some@'127.0.0.1'; GRANT SELECT ON mysql.* TO some@'127.0.0.1'; GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO some@'127.0.0.1'; GRANT LOCK TABLES ON r.* TO some@'127.0.0.1'",
  )
  await using agent = agentOf('some')
  const problems = await agent.check({ job: 'j', kind: 'full', chain: [] })
  expect(problems.filter((problem) => problem.code === 'ACCESS_DENIED').map(({ severity, message }) => [severity, message])).toEqual([
    ['warning', 'some@127.0.0.1 lacks SHOW DATABASES, needed to see every schema: those that it does not see are not captured'],
  ])
  await using chosen = agentOf('some', { includeSchemas: ['r'] })
  expect((await chosen.check({ job: 'j', kind: 'full', chain: [] })).filter((problem) => problem.code === 'ACCESS_DENIED')).toEqual([])
})
