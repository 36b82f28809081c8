import { setTimeout as delay } from 'node:timers/promises'
import { BackupError, throwIfAborted } from '@backup-planet/core'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import { quoteTable, quoteText } from '../mysql-quoting.ts'
import { type BinlogPosition, readBinlogPosition, readServerTime, type ServerFacts } from '../mysql-server.ts'
import { captureSteps } from './capture-steps.ts'
import { type AcquireOptions, acquireLock, type HeldLock, type LockMethod } from './snapshot-lock.ts'
import type { TableReader } from './table-reader.ts'

/** What begins a snapshot: no more of a reader than that. */
export type SnapshotReader = Pick<TableReader, 'beginSnapshot' | 'rows'>

export interface BeginOptions extends AcquireOptions {
  readonly settings: AcquireOptions['settings'] & Pick<ResolvedMysqlAgentSettings, 'binlogRotate' | 'nonTransactionalTables'>
  readonly lockSession: MysqlSession
  readonly readers: readonly SnapshotReader[]
  /** Locks the tables without snapshots until they are copied. */
  readonly holder: MysqlSession | undefined
  readonly nonTransactional: readonly { readonly schema: string; readonly name: string }[]
}

export interface BegunSnapshots {
  readonly consistentAt: string
  readonly position: BinlogPosition | undefined
  readonly lockMethod: LockMethod
  readonly lockedMilliseconds: number
}

/**
 * Begins the snapshots of all readers while commits are held, which is never longer than `lockTimeoutSeconds`: a reader that does not answer must not
 * stall the application. Throws `TIMED_OUT` when it still does not answer without the lock, or after the last attempt.
 *
 * Snapshots that differ should be possible only without a lock; another attempt may find a quieter moment.
 */
export async function beginTogether(options: BeginOptions): Promise<BegunSnapshots> {
  const { settings, server, signal, onStep, lockSession, readers } = options
  const milliseconds = settings.lockTimeoutSeconds * 1000
  for (let attempt = 1; ; attempt++) {
    const lock = await acquireLock(lockSession, options)
    const given = { up: false }
    onStep?.(captureSteps.begin(server))
    const work = beginAll(options, lock, given)
    const outcome = await within(milliseconds, work)
    given.up = outcome === 'late'
    // A connection that does not even let go of its lock is closed by whoever handles this error.
    const lockedMilliseconds = await within(milliseconds, lock.release())
    if (lock.method !== 'none') onStep?.(captureSteps.release)
    if (lockedMilliseconds === 'late') throw heldTooLong('the lock connection does not answer')
    if (outcome === 'late') {
      throwIfAborted(signal, 'beginning the snapshots')
      // With the lock gone there is time to see whether it was only slow.
      if (
        attempt >= settings.lockAttempts ||
        (await within(
          milliseconds,
          work.catch(() => undefined),
        )) === 'late'
      ) {
        throw heldTooLong(`the snapshots did not begin within ${settings.lockTimeoutSeconds} s`)
      }
      onStep?.(`begin the snapshots again, attempt ${attempt + 1}`)
      continue
    }
    if (outcome.failed !== undefined) throw outcome.failed.error
    const { position, consistentAt } = outcome
    const differing = await differingSnapshot(lockSession, readers, server, position)
    if (differing === undefined) {
      return {
        consistentAt,
        position: await positionOf(readers, server, lock.method, position),
        lockMethod: lock.method,
        lockedMilliseconds,
      }
    }
    if (attempt >= settings.lockAttempts) throw differing
    onStep?.(`begin the snapshots again, attempt ${attempt + 1}`)
  }
}

interface Begun {
  readonly position: BinlogPosition | undefined
  readonly consistentAt: string
  readonly failed?: { readonly error: unknown }
}

/** `given.up` keeps a late statement from moving a snapshot that a later attempt began. Never rejects, since nobody may be waiting any more. */
async function beginAll(options: BeginOptions, lock: HeldLock, given: { readonly up: boolean }): Promise<Begun> {
  const { settings, server, lockSession, readers, holder, nonTransactional } = options
  try {
    if (settings.binlogRotate && server.logBin && lock.method !== 'none') await beginBinlogFile(lockSession, settings)
    if (given.up) return { position: undefined, consistentAt: '' }
    // MariaDB: a lock of tables under BACKUP STAGE conflicts with nothing, since it only reads.
    const [position] = await Promise.all([
      readBinlogPosition(lockSession, server),
      ...readers.map((reader) => reader.beginSnapshot()),
      holder === undefined ? undefined : lockForReading(holder, settings.lockTimeoutSeconds, nonTransactional),
    ])
    return { position, consistentAt: given.up ? '' : await readServerTime(lockSession) }
  } catch (error) {
    return { position: undefined, consistentAt: '', failed: { error } }
  }
}

async function within<Result>(milliseconds: number, work: Promise<Result>): Promise<Result | 'late'> {
  const stop = new AbortController()
  try {
    return await Promise.race([work, delay(milliseconds, 'late' as const, { signal: stop.signal, ref: true })])
  } finally {
    stop.abort()
  }
}

function heldTooLong(text: string): BackupError {
  return new BackupError(`${text} while commits were held, so they were let go`, {
    code: 'TIMED_OUT',
    retryable: true,
    hint: 'Look at the load and the network of this machine and the server; raise lockTimeoutSeconds only if the application can wait that long.',
  })
}

/** Where `auto` has come down to a lock that needs no RELOAD, the account need not have it for this either: the position is read all the same. */
async function beginBinlogFile(session: MysqlSession, settings: BeginOptions['settings']): Promise<void> {
  try {
    await session.run('FLUSH BINARY LOGS', 'beginning a new binlog file')
  } catch (error) {
    if (settings.locking !== 'auto' || !BackupError.is(error) || error.code !== 'ACCESS_DENIED') throw error
  }
}

/** Without a lock the position that counts is the one the snapshots tell, not the one read beside them. */
async function positionOf(
  readers: readonly SnapshotReader[],
  server: ServerFacts,
  method: LockMethod,
  position: BinlogPosition | undefined,
): Promise<BinlogPosition | undefined> {
  const [reader] = readers
  if (method !== 'none' || reader === undefined || position === undefined || !server.supports.binlogSnapshotStatus) return position
  const own = await snapshotPosition(reader)
  if (own === undefined) return position
  return { ...own, gtid: own.file === position.file && own.offset === position.offset ? position.gtid : '' }
}

/**
 * MariaDB writes a checkpoint event into a new binlog file whenever the engine gets so far, lock or no lock. Snapshots that have
 * nothing but such events between them are the same.
 */
async function differingSnapshot(
  session: MysqlSession,
  readers: readonly SnapshotReader[],
  server: ServerFacts,
  position: BinlogPosition | undefined,
): Promise<BackupError | undefined> {
  if (!server.supports.binlogSnapshotStatus || position === undefined) return undefined
  const places = (await Promise.all(readers.map(snapshotPosition))).filter((place) => place !== undefined)
  const [first] = places
  if (first === undefined) return undefined
  const offsets = places.map((place) => Number(place.offset))
  const [lowest, highest] = [Math.min(...offsets), Math.max(...offsets)]
  const sameFile = places.every((place) => place.file === first.file)
  if (sameFile && (lowest === highest || (await onlyCheckpoints(session, first.file, lowest, highest)))) return undefined
  const texts = new Set(places.map((place) => `${place.file}:${place.offset}`))
  return new BackupError(`the snapshots of the readers stand at different places: ${[...texts].join(', ')}`, {
    code: 'INCONSISTENT',
    retryable: true,
    hint: 'Nothing was copied. Allow the account to take a lock, or run when fewer writes happen.',
  })
}

async function onlyCheckpoints(session: MysqlSession, file: string, from: number, to: number): Promise<boolean> {
  try {
    const events = await session.rows(`SHOW BINLOG EVENTS IN ${quoteText(file)} FROM ${from} LIMIT 100`, 'comparing the snapshots')
    const between = events.filter((event) => event.number('pos') >= from && event.number('pos') < to)
    return (
      between.some((event) => event.number('end_log_pos') >= to) &&
      between.every((event) => event.text('event_type') === 'Binlog_checkpoint')
    )
  } catch (error) {
    if (errorNumber(error) === undefined) throw error
    return false
  }
}

async function snapshotPosition(reader: SnapshotReader): Promise<{ file: string; offset: string } | undefined> {
  const rows = await reader.rows("SHOW STATUS LIKE 'Binlog_snapshot%'", 'reading the position of a snapshot')
  const value = (name: string): string | undefined => rows.find((row) => row.at(0)?.toLowerCase() === name)?.at(1)
  const [file, offset] = [value('binlog_snapshot_file'), value('binlog_snapshot_position')]
  return file === undefined || file === '' || offset === undefined ? undefined : { file, offset }
}

async function lockForReading(holder: MysqlSession, seconds: number, tables: BeginOptions['nonTransactional']): Promise<void> {
  await holder.run(`SET SESSION lock_wait_timeout = ${seconds}`)
  await holder.run(
    `LOCK TABLES ${tables.map((table) => `${quoteTable(table.schema, table.name)} READ`).join(', ')}`,
    'locking the tables without snapshots',
  )
}
