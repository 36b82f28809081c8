import { expect, test } from 'vitest'
import type { MysqlSession } from '../mysql-connection.ts'
import { mysqlError } from '../mysql-errors.ts'
import { serverRow } from '../mysql-rows.ts'
import { detectServer, type ServerFacts } from '../mysql-server.ts'
import { acquireLock, lockMethods } from './snapshot-lock.ts'

const settings = {
  locking: 'auto',
  lockTimeoutSeconds: 1,
  lockAttempts: 2,
  longQueryGuardSeconds: 0,
  longQueryAction: 'wait',
  longQueryWaitSeconds: 1,
} as const
const tables = [{ schema: 's', name: 't`x' }]

/** Statements are refused with the error number that `refuse` gives. */
function session(refuse: (sql: string) => number | undefined): MysqlSession & { ran: string[] } {
  const ran: string[] = []
  return {
    ran,
    rows: async () => [],
    run: async (sql, during = sql) => {
      ran.push(sql)
      const errno = refuse(sql)
      if (errno !== undefined) throw mysqlError(Object.assign(new Error('refused'), { errno }), during)
    },
  }
}

async function factsOf(version: string): Promise<ServerFacts> {
  return await detectServer({
    rows: async (sql) => {
      if (sql.startsWith('SELECT VERSION')) return [serverRow(['version'], [version], sql)]
      if (sql === 'SHOW GLOBAL VARIABLES') return [serverRow(['name', 'value'], ['log_bin', 'ON'], sql)]
      return version.includes('MariaDB') ? [serverRow(['name', 'value'], ['Binlog_snapshot_file', 'b'], sql)] : []
    },
    run: async () => undefined,
  })
}

test.each([
  ['5.7.44', ['ftwrl', 'lockTables']],
  ['8.4.3', ['ftwrl', 'lockTables']],
  ['10.11.6-MariaDB', ['stage', 'ftwrl', 'lockTables', 'none']],
  ['10.3.39-MariaDB', ['ftwrl', 'lockTables', 'none']],
])('%s tries %j', async (version, methods) => {
  expect(lockMethods('auto', await factsOf(version))).toEqual(methods)
})

test('a method that is denied makes place for the next, and what it had taken is released', async () => {
  const scripted = session((sql) => (sql === 'BACKUP STAGE BLOCK_COMMIT' || sql.startsWith('FLUSH') ? 1227 : undefined))
  const held = await acquireLock(scripted, { settings, server: await factsOf('10.11.6-MariaDB'), tables })
  expect(held.method).toBe('lockTables')
  await held.release()
  expect(scripted.ran).toEqual([
    'SET SESSION lock_wait_timeout = 1',
    'BACKUP STAGE START',
    'BACKUP STAGE FLUSH',
    'BACKUP STAGE BLOCK_DDL',
    'BACKUP STAGE BLOCK_COMMIT',
    'BACKUP STAGE END',
    'FLUSH TABLES WITH READ LOCK',
    'UNLOCK TABLES',
    'LOCK TABLES `s`.`t``x` READ',
    'UNLOCK TABLES',
  ])
})

test('without any right there is no snapshot, rather than one that is of no moment', async () => {
  const scripted = session((sql) => (sql.startsWith('FLUSH') || sql.startsWith('LOCK') ? 1044 : undefined))
  await expect(acquireLock(scripted, { settings, server: await factsOf('8.0.36'), tables })).rejects.toMatchObject({
    code: 'ACCESS_DENIED',
  })
})

test('a lock that times out is tried again, and released in between', async () => {
  let refusals = 1
  const scripted = session((sql) => (sql.startsWith('FLUSH') && refusals-- > 0 ? 1205 : undefined))
  const held = await acquireLock(scripted, { settings, server: await factsOf('8.0.36'), tables })
  expect(held.method).toBe('ftwrl')
  expect(scripted.ran.slice(1)).toEqual(['FLUSH TABLES WITH READ LOCK', 'UNLOCK TABLES', 'FLUSH TABLES WITH READ LOCK'])
})

/** A query of 90 s is seen this many times. */
function sessionWithLongQuery(times: number): MysqlSession & { ran: string[] } {
  let left = times
  const scripted = session(() => undefined)
  const row = (sql: string) => serverRow(['id', 'user', 'time'], ['7', 'report', '90'], sql)
  return { ...scripted, rows: async (sql) => (sql.includes('processlist') && left-- > 0 ? [row(sql), row(sql)] : []) }
}

test('a long query is waited for, and no lock is asked for before it has ended', async () => {
  const scripted = sessionWithLongQuery(2)
  const steps: string[] = []
  const guarded = { ...settings, longQueryGuardSeconds: 60, longQueryWaitSeconds: 30 }
  const before: number[] = []
  const watched: MysqlSession = {
    ...scripted,
    rows: async (sql) => {
      before.push(scripted.ran.length)
      return await scripted.rows(sql)
    },
  }
  const held = await acquireLock(watched, {
    settings: guarded,
    server: await factsOf('8.0.36'),
    tables,
    onStep: (text) => steps.push(text),
  })
  expect(held.method).toBe('ftwrl')
  expect(before).toEqual([1, 1, 1])
  expect(steps.filter((text) => text.startsWith('wait'))).toEqual(['wait for the end of query 7 of report, running for 90 s and 1 more'])
})

test('a long query that does not end within longQueryWaitSeconds ends the run, and no lock was asked for', async () => {
  const scripted = sessionWithLongQuery(Number.POSITIVE_INFINITY)
  const guarded = { ...settings, longQueryGuardSeconds: 60, longQueryWaitSeconds: 1 }
  const began = performance.now()
  await expect(acquireLock(scripted, { settings: guarded, server: await factsOf('8.0.36'), tables })).rejects.toMatchObject({
    code: 'CONFLICT',
    retryable: true,
    hint: expect.stringContaining('KILL QUERY 7'),
  })
  expect(performance.now() - began).toBeGreaterThanOrEqual(1000)
  expect(scripted.ran).toEqual(['SET SESSION lock_wait_timeout = 1'])
})
