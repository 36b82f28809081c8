import { expect, test } from 'vitest'
import type { MysqlSession } from '../mysql-connection.ts'
import { mysqlError } from '../mysql-errors.ts'
import { serverRow } from '../mysql-rows.ts'
import { detectServer, type ServerFacts } from '../mysql-server.ts'
import { takeInstanceLock } from './instance-lock.ts'

const settings = {
  locking: 'auto',
  lockTimeoutSeconds: 7,
  lockAttempts: 2,
  longQueryGuardSeconds: 60,
  longQueryAction: 'wait',
  longQueryWaitSeconds: 30,
} as const

async function factsOf(version: string): Promise<ServerFacts> {
  return await detectServer({
    rows: async (sql) => (sql.startsWith('SELECT VERSION') ? [serverRow(['version'], [version], sql)] : []),
    run: async () => undefined,
  })
}

/** Everything that is said, in its order; LOCK INSTANCE is refused with these numbers, one after the other. */
function session(...refusals: number[]): MysqlSession & { said: string[] } {
  const said: string[] = []
  return {
    said,
    rows: async (sql) => {
      said.push(sql.includes('processlist') ? 'look for long queries' : sql)
      return []
    },
    run: async (sql, during = sql) => {
      said.push(sql)
      const errno = sql.startsWith('LOCK INSTANCE') ? refusals.shift() : undefined
      if (errno !== undefined) throw mysqlError(Object.assign(new Error('refused'), { errno }), during)
    },
  }
}

test('MySQL 8: waits for long queries first, and never longer for DDL than for any lock', async () => {
  const scripted = session()
  expect(await takeInstanceLock(scripted, 'auto', { settings, server: await factsOf('8.4.3'), tables: [] })).toBe('instance')
  expect(scripted.said).toEqual(['SET SESSION lock_wait_timeout = 7', 'look for long queries', 'LOCK INSTANCE FOR BACKUP'])
})

test('without BACKUP_ADMIN changes are detected, except where the settings ask for the lock', async () => {
  const options = { settings, server: await factsOf('8.0.36'), tables: [] }
  expect(await takeInstanceLock(session(1227), 'auto', options)).toBe('detect')
  await expect(takeInstanceLock(session(1227), 'instance', options)).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
})

test('DDL that does not end makes the lock be tried again, and then the run fail', async () => {
  const options = { settings, server: await factsOf('8.0.36'), tables: [] }
  expect(await takeInstanceLock(session(1205), 'auto', options)).toBe('instance')
  await expect(takeInstanceLock(session(1205, 1205), 'auto', options)).rejects.toMatchObject({ code: 'TIMED_OUT' })
})

test('MariaDB has no such lock: nothing is said, and asking for it is refused', async () => {
  const options = { settings, server: await factsOf('10.11.6-MariaDB'), tables: [] }
  const scripted = session()
  expect(await takeInstanceLock(scripted, 'auto', options)).toBe('detect')
  expect(await takeInstanceLock(scripted, 'detect', options)).toBe('detect')
  expect(await takeInstanceLock(scripted, 'mdl', options)).toBe('mdl')
  await expect(takeInstanceLock(scripted, 'instance', options)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  expect(scripted.said).toEqual([])
})
