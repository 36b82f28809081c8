import { setTimeout as delay } from 'node:timers/promises'
import { abortError, BackupError, throwIfAborted } from '@backup-planet/core'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import { quoteTable } from '../mysql-quoting.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { captureSteps } from './capture-steps.ts'

export type LockMethod = 'stage' | 'ftwrl' | 'lockTables' | 'none'

/** How one method holds commits, as statements on the lock connection. */
export interface LockStatements {
  readonly method: LockMethod
  /** Up to where nobody but DDL and non-transactional writes waits. */
  readonly prepare: readonly string[]
  /** From the first of these on, commits wait. */
  readonly hold: readonly string[]
  readonly release: readonly string[]
}

/** Statements of one method; sources: MariaDB "BACKUP STAGE", MySQL "FLUSH TABLES WITH READ LOCK". */
export function lockStatements(method: LockMethod, tables: readonly { readonly schema: string; readonly name: string }[]): LockStatements {
  switch (method) {
    case 'stage':
      return {
        method,
        prepare: ['BACKUP STAGE START', 'BACKUP STAGE FLUSH', 'BACKUP STAGE BLOCK_DDL'],
        hold: ['BACKUP STAGE BLOCK_COMMIT'],
        release: ['BACKUP STAGE END'],
      }
    case 'ftwrl':
      return { method, prepare: [], hold: ['FLUSH TABLES WITH READ LOCK'], release: ['UNLOCK TABLES'] }
    case 'lockTables': {
      const list = tables.map((table) => `${quoteTable(table.schema, table.name)} READ`).join(', ')
      return { method, prepare: [], hold: list === '' ? [] : [`LOCK TABLES ${list}`], release: ['UNLOCK TABLES'] }
    }
    case 'none':
      return { method, prepare: [], hold: [], release: [] }
  }
}

/**
 * Methods to try, mildest first. `none` is tried by itself only where the server tells at which binlog position a snapshot
 * stands, so that snapshots that differ are found out.
 */
export function lockMethods(locking: ResolvedMysqlAgentSettings['locking'], server: ServerFacts): readonly LockMethod[] {
  if (locking !== 'auto') return [locking]
  return [
    ...(server.supports.backupStage ? (['stage'] as const) : []),
    'ftwrl',
    'lockTables',
    ...(server.supports.binlogSnapshotStatus && server.logBin ? (['none'] as const) : []),
  ]
}

export interface HeldLock {
  readonly method: LockMethod
  /** Lets commits go on; returns for how many milliseconds they were held. */
  release(): Promise<number>
}

export interface AcquireOptions {
  readonly settings: Pick<
    ResolvedMysqlAgentSettings,
    'locking' | 'lockTimeoutSeconds' | 'lockAttempts' | 'longQueryGuardSeconds' | 'longQueryAction' | 'longQueryWaitSeconds'
  >
  readonly server: ServerFacts
  readonly tables: readonly { readonly schema: string; readonly name: string }[]
  readonly signal?: AbortSignal | undefined
  readonly onStep?: (text: string) => void
}

/** Takes the lock. Throws `TIMED_OUT` after the last attempt, `ACCESS_DENIED` when no method is allowed, `CONFLICT` when long queries are to be refused. */
export async function acquireLock(session: MysqlSession, options: AcquireOptions): Promise<HeldLock> {
  const { settings, server, signal } = options
  await boundLockWait(session, options)
  let denied: unknown
  for (const method of lockMethods(settings.locking, server)) {
    if (method === 'none') return { method, release: async () => 0 }
    try {
      return await acquireByMethod(session, lockStatements(method, options.tables), options)
    } catch (error) {
      if (!isDenied(error)) throw error
      denied = error
    }
  }
  throw new BackupError('no lock that makes the snapshots one point in time is allowed to this account', {
    code: 'ACCESS_DENIED',
    hint: 'Run the check of this job: it names the missing rights and the exact GRANT statement.',
    cause: denied ?? signal?.reason,
  })
}

async function acquireByMethod(session: MysqlSession, lock: LockStatements, options: AcquireOptions): Promise<HeldLock> {
  return await attemptLock(session, options, async () => {
    try {
      options.onStep?.(captureSteps.lock(lock.method, options.settings))
      for (const sql of lock.prepare) await session.run(sql, 'taking the lock')
      const began = performance.now()
      for (const sql of lock.hold) await session.run(sql, 'taking the lock')
      return {
        method: lock.method,
        release: async () => {
          for (const sql of lock.release) await session.run(sql, 'releasing the lock')
          return performance.now() - began
        },
      }
    } catch (error) {
      // What was taken of the lock must not be kept while waiting for another attempt.
      for (const sql of lock.release) await session.run(sql, 'releasing the lock').catch(() => undefined)
      throw error
    }
  })
}

/** Before any lock is asked for: the default of the server is a day or a year. */
export async function boundLockWait(session: MysqlSession, { settings }: Pick<AcquireOptions, 'settings'>): Promise<void> {
  await session.run(`SET SESSION lock_wait_timeout = ${settings.lockTimeoutSeconds}`)
}

/** Tries as often as the settings say while the server does not grant it in time, each time when no long query runs. */
export async function attemptLock<Held>(session: MysqlSession, options: AcquireOptions, take: () => Promise<Held>): Promise<Held> {
  const { settings, signal } = options
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(signal, 'taking the lock')
    await waitForLongQueries(session, options)
    try {
      return await take()
    } catch (error) {
      if (signal?.aborted) throw abortError(signal, 'taking the lock')
      if (errorNumber(error) !== 1205) throw error
      if (attempt >= settings.lockAttempts) {
        throw new BackupError(`the lock was not granted in ${attempt} attempts of ${settings.lockTimeoutSeconds} s`, {
          code: 'TIMED_OUT',
          hint: 'Find the session that holds it with SHOW FULL PROCESSLIST, run the backup at a quieter time, or raise lockTimeoutSeconds and lockAttempts.',
          cause: error,
        })
      }
      options.onStep?.(`wait after attempt ${attempt} of ${settings.lockAttempts} to take the lock`)
      await delay(Math.min(1000 * attempt, 5000), undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
    }
  }
}

export interface LongQuery {
  readonly id: string
  readonly user: string
  readonly seconds: number
}

/** Queries that run longer than `seconds`, which a lock would have to wait for while everybody else waits behind it. */
export async function longQueries(session: MysqlSession, seconds: number): Promise<readonly LongQuery[]> {
  if (seconds === 0) return []
  const rows = await session.rows(
    `SELECT id, user, time FROM information_schema.processlist WHERE command IN ('Query', 'Execute') AND time >= ${seconds} AND id <> CONNECTION_ID() AND user NOT IN ('system user', 'event_scheduler') ORDER BY time DESC`,
    'looking for long queries',
  )
  return rows.map((row) => ({ id: row.text('id'), user: row.text('user'), seconds: row.number('time') }))
}

async function waitForLongQueries(session: MysqlSession, options: AcquireOptions): Promise<void> {
  const { settings, signal } = options
  const until = performance.now() + settings.longQueryWaitSeconds * 1000
  for (let said = false; ; said = true) {
    throwIfAborted(signal, 'waiting for long queries')
    const [longest, ...others] = await longQueries(session, settings.longQueryGuardSeconds)
    if (longest === undefined) return
    const text = `query ${longest.id} of ${longest.user} has run for ${longest.seconds} s${others.length === 0 ? '' : ` and ${others.length} more`}`
    if (settings.longQueryAction === 'refuse' || performance.now() > until) {
      throw new BackupError(`${text}: a lock now would stall the server`, {
        code: 'CONFLICT',
        retryable: true,
        hint: `Wait for it or end it with KILL QUERY ${longest.id}; or raise longQueryGuardSeconds.`,
      })
    }
    if (!said) options.onStep?.(`wait for the end of ${text.replace(' has run for ', ', running for ')}`)
    await delay(1000, undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
  }
}

function isDenied(error: unknown): boolean {
  const number = errorNumber(error)
  // Access denied in its shapes, and a syntax error where the statement is not known.
  return number !== undefined && [1044, 1045, 1064, 1142, 1227, 1370].includes(number)
}
