import { expect, test } from 'vitest'
import type { MysqlSession } from '../mysql-connection.ts'
import { serverRow } from '../mysql-rows.ts'
import { detectServer } from '../mysql-server.ts'
import { beginTogether, type SnapshotReader } from './snapshot-begin.ts'

const settings = {
  locking: 'auto',
  lockTimeoutSeconds: 0.05,
  lockAttempts: 3,
  longQueryGuardSeconds: 0,
  longQueryAction: 'wait',
  longQueryWaitSeconds: 1,
  binlogRotate: true,
  nonTransactionalTables: 'lock',
} as const

const answers = async (sql: string) => {
  if (sql.startsWith('SELECT VERSION')) return [serverRow(['version'], ['10.11.6-MariaDB'], sql)]
  if (sql === 'SHOW GLOBAL VARIABLES') return [serverRow(['name', 'value'], ['log_bin', 'OFF'], sql)]
  if (sql.includes('UTC_TIMESTAMP')) return [serverRow(['time'], ['2026-01-02T03:04:05.678000'], sql)]
  return []
}

function lockSession(onRun: (sql: string) => Promise<void> = async () => undefined): MysqlSession & { ran: string[] } {
  const ran: string[] = []
  return {
    ran,
    rows: answers,
    run: async (sql) => {
      ran.push(sql)
      await onRun(sql)
    },
  }
}

async function begin(session: MysqlSession, readers: readonly SnapshotReader[], attempts = 3) {
  return await beginTogether({
    settings: { ...settings, lockAttempts: attempts },
    server: await detectServer({ rows: answers, run: async () => undefined }),
    tables: [],
    lockSession: session,
    readers,
    holder: undefined,
    nonTransactional: [],
  })
}

const quick: SnapshotReader = { beginSnapshot: async () => undefined, rows: async () => [] }
const stage = ['BACKUP STAGE START', 'BACKUP STAGE FLUSH', 'BACKUP STAGE BLOCK_DDL', 'BACKUP STAGE BLOCK_COMMIT', 'BACKUP STAGE END']

test('a reader that never answers does not keep commits held: the lock is released and the run ends', async () => {
  const session = lockSession()
  const stalled: SnapshotReader = { ...quick, beginSnapshot: () => new Promise(() => undefined) }
  await expect(begin(session, [quick, stalled])).rejects.toMatchObject({ code: 'TIMED_OUT', retryable: true })
  expect(session.ran.filter((sql) => sql.startsWith('BACKUP'))).toEqual(stage)
})

test('a reader that was only slow begins again with all the others', async () => {
  const session = lockSession()
  let begun = 0
  let free: () => void = () => undefined
  const slow: SnapshotReader = {
    ...quick,
    beginSnapshot: async () => {
      if (++begun === 1) await new Promise<void>((resolve) => (free = resolve))
    },
  }
  // It answers as soon as the lock is gone.
  const watched = lockSession(async (sql) => {
    if (sql === 'BACKUP STAGE END') free()
  })
  expect(await begin(watched, [quick, slow])).toMatchObject({ consistentAt: '2026-01-02T03:04:05.678Z', lockMethod: 'stage' })
  expect(begun).toBe(2)
  expect(watched.ran.filter((sql) => sql.startsWith('BACKUP'))).toEqual([...stage, ...stage])
  expect(session.ran).toEqual([])
})

test('a lock connection that does not answer any more ends the run', async () => {
  const session = lockSession(async (sql) => {
    if (sql === 'BACKUP STAGE END') await new Promise(() => undefined)
  })
  await expect(begin(session, [quick])).rejects.toMatchObject({ code: 'TIMED_OUT' })
})

test('a reader that fails releases the lock and gives its own error', async () => {
  const session = lockSession()
  const failing: SnapshotReader = { ...quick, beginSnapshot: () => Promise.reject(new TypeError('broken')) }
  await expect(begin(session, [failing])).rejects.toThrow('broken')
  expect(session.ran.at(-1)).toBe('BACKUP STAGE END')
})
