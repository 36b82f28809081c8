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
