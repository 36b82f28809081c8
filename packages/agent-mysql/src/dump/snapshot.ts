import { BackupError, throwIfAborted } from '@backup-planet/core'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import { connect, killConnections, type MysqlConnection, type MysqlSession } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import { quoteTable, quoteText } from '../mysql-quoting.ts'
import { type BinlogPosition, readBinlogPosition, type ServerFacts } from '../mysql-server.ts'
import { acquireLock, type LockMethod } from './snapshot-lock.ts'
import { createTableReader, type TableReader } from './table-reader.ts'

export interface SnapshotTable {
  readonly schema: string
  readonly name: string
  readonly transactional: boolean
}

/** N connections that see the same moment, and what is held for them until they have read. */
export interface Snapshot extends AsyncDisposable {
  readonly readers: readonly TableReader[]
  /** ISO 8601 in UTC, by the clock of the server, read while commits were held. */
  readonly consistentAt: string
  readonly position: BinlogPosition | undefined
  readonly lockMethod: LockMethod
  readonly lockedMilliseconds: number
  /** Whether structure is kept from changing until the end. */
  readonly ddlGuard: 'detect' | 'instance' | 'mdl'
  /** Tables without snapshots, by what protects them. */
  readonly nonTransactional: 'locked' | 'none'
  /** A connection that the snapshot needs broke. Stays pending otherwise. */
  readonly lost: Promise<BackupError>
  /** Lets writers at the tables without snapshots again. Called once all of them are read. */
  releaseTables(): Promise<void>
  /** Ends all connections at once; used when the run fails. */
  terminate(): Promise<void>
}

export interface SnapshotOptions {
  readonly settings: ResolvedMysqlAgentSettings
  readonly server: ServerFacts
  readonly tables: readonly SnapshotTable[]
  readonly signal?: AbortSignal | undefined
  readonly onStep?: (text: string) => void
}

/**
 * Opens the snapshot: readers connect first, so that nothing but their START TRANSACTION happens under the lock; the lock has a connection
 * of its own, because MariaDB loses a transaction that begins on the one with BACKUP STAGE. Whatever fails, all is released.
 */
export async function openSnapshot(options: SnapshotOptions): Promise<Snapshot> {
  const { settings, server, signal, onStep } = options
  throwIfAborted(signal, 'opening a snapshot')
  const opened: MysqlConnection[] = []
  let released = false
  const readers: TableReader[] = []
  // A thread that is ended closes its socket, which the server sees only when it next sends a row: so its queries are killed as well.
  const onAbort = (): void => {
    const ids = readers.map((reader) => reader.threadId)
    killConnections(settings, ids).catch(() => undefined)
    for (const reader of readers) void reader.terminate()
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    onStep?.(`connect ${settings.threads} readers`)
    const starting = Array.from({ length: settings.threads }, () =>
      createTableReader({
        connection: settings,
        tableWaitSeconds: settings.tableWaitSeconds,
        chunkBytes: settings.chunkBytes,
        compressionLevel: settings.compressionLevel,
      }),
    )
    for (const started of await Promise.allSettled(starting)) if (started.status === 'fulfilled') readers.push(started.value)
    await Promise.all(starting)
    throwIfAborted(signal, 'opening a snapshot')
    const lockConnection = await connect(settings, { signal })
    opened.push(lockConnection)
    const nonTransactional = options.tables.filter((table) => !table.transactional)
    const holder =
      nonTransactional.length > 0 && settings.nonTransactionalTables === 'lock' ? await connect(settings, { signal }) : undefined
    if (holder !== undefined) opened.push(holder)
    const ddlGuard = await takeInstanceLock(lockConnection, settings, server)
    const held = await holdAndBegin(options, lockConnection, readers, holder, nonTransactional)
    if (ddlGuard === 'mdl') await touchTables(options, readers)
    if (ddlGuard !== 'instance') await lockConnection[Symbol.asyncDispose]()
    const dispose = async (end: (reader: TableReader) => PromiseLike<void>): Promise<void> => {
      signal?.removeEventListener('abort', onAbort)
      await Promise.allSettled([...readers.map(end), ...opened.map((connection) => connection[Symbol.asyncDispose]())])
    }
    return {
      readers,
      ...held,
      ddlGuard,
      nonTransactional: holder === undefined ? 'none' : 'locked',
      releaseTables: async (): Promise<void> => {
        released = true
        await holder?.[Symbol.asyncDispose]()
      },
      lost: lostOf(readers, opened, () => released),
      terminate: async () => {
        await killConnections(
          settings,
          [...readers, ...opened].map((connection) => connection.threadId),
        ).catch(() => undefined)
        await dispose((reader) => reader.terminate())
      },
      [Symbol.asyncDispose]: () => dispose((reader) => reader[Symbol.asyncDispose]()),
    }
  } catch (error) {
    signal?.removeEventListener('abort', onAbort)
    await Promise.allSettled([
      ...opened.map((connection) => connection[Symbol.asyncDispose]()),
      ...readers.map((reader) => reader.terminate()),
    ])
    throwIfAborted(signal, 'opening a snapshot')
    throw error
  }
}

/** The connection with the locks of tables is not needed any more once they are released. */
async function lostOf(
  readers: readonly TableReader[],
  connections: readonly MysqlConnection[],
  released: () => boolean,
): Promise<BackupError> {
  return new Promise((resolve) => {
    for (const reader of readers) void reader.lost.then(resolve)
    for (const connection of connections) {
      void connection.lost.then((failure) => {
        if (failure !== undefined && !released()) resolve(failure)
      })
    }
  })
}

type Begun = Pick<Snapshot, 'consistentAt' | 'position' | 'lockMethod' | 'lockedMilliseconds'>

/** Snapshots that differ should be possible only without a lock; another attempt may find a quieter moment. */
async function holdAndBegin(
  options: SnapshotOptions,
  lockConnection: MysqlConnection,
  readers: readonly TableReader[],
  holder: MysqlConnection | undefined,
  nonTransactional: readonly SnapshotTable[],
): Promise<Begun> {
  const { settings, server, signal, onStep } = options
  for (let attempt = 1; ; attempt++) {
    const lock = await acquireLock(lockConnection, {
      settings,
      server,
      tables: options.tables,
      signal,
      ...(onStep === undefined ? {} : { onStep }),
    })
    let position: BinlogPosition | undefined
    let consistentAt = ''
    let lockedMilliseconds = 0
    try {
      if (settings.binlogRotate && server.logBin && lock.method !== 'none') await beginBinlogFile(lockConnection, settings)
      // MariaDB: a lock of tables under BACKUP STAGE conflicts with nothing, since it only reads.
      const [first] = await Promise.all([
        readBinlogPosition(lockConnection, server),
        ...readers.map((reader) => reader.beginSnapshot()),
        holder === undefined ? undefined : lockForReading(holder, settings.lockTimeoutSeconds, nonTransactional),
      ])
      position = first
      consistentAt = await serverTime(lockConnection)
    } finally {
      lockedMilliseconds = await lock.release()
    }
    const differing = await differingSnapshot(lockConnection, readers, server, position)
    if (differing === undefined)
      return {
        consistentAt,
        position: await positionOf(readers, server, lock.method, position),
        lockMethod: lock.method,
        lockedMilliseconds,
      }
    if (attempt >= settings.lockAttempts) throw differing
    onStep?.(`begin the snapshots again, attempt ${attempt + 1}`)
  }
}

/** Where `auto` has come down to a lock that needs no RELOAD, the account need not have it for this either: the position is read all the same. */
async function beginBinlogFile(session: MysqlSession, settings: ResolvedMysqlAgentSettings): Promise<void> {
  try {
    await session.run('FLUSH BINARY LOGS', 'beginning a new binlog file')
  } catch (error) {
    if (settings.locking !== 'auto' || !BackupError.is(error) || error.code !== 'ACCESS_DENIED') throw error
  }
}

/** Without a lock the position that counts is the one the snapshots tell, not the one read beside them. */
async function positionOf(
  readers: readonly TableReader[],
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
  readers: readonly TableReader[],
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

async function snapshotPosition(reader: TableReader): Promise<{ file: string; offset: string } | undefined> {
  const rows = await reader.rows("SHOW STATUS LIKE 'Binlog_snapshot%'", 'reading the position of a snapshot')
  const value = (name: string): string | undefined => rows.find((row) => row.at(0)?.toLowerCase() === name)?.at(1)
  const [file, offset] = [value('binlog_snapshot_file'), value('binlog_snapshot_position')]
  return file === undefined || file === '' || offset === undefined ? undefined : { file, offset }
}

async function serverTime(session: MysqlSession): Promise<string> {
  const [row] = await session.rows(
    "SELECT DATE_FORMAT(UTC_TIMESTAMP(3), '%Y-%m-%dT%H:%i:%s.%f') AS time",
    'reading the clock of the server',
  )
  return `${(row?.text('time') ?? '').slice(0, 23)}Z`
}

async function lockForReading(holder: MysqlConnection, seconds: number, tables: readonly SnapshotTable[]): Promise<void> {
  await holder.run(`SET SESSION lock_wait_timeout = ${seconds}`)
  await holder.run(
    `LOCK TABLES ${tables.map((table) => `${quoteTable(table.schema, table.name)} READ`).join(', ')}`,
    'locking the tables without snapshots',
  )
}

/** LOCK INSTANCE FOR BACKUP lasts as long as the lock connection. */
async function takeInstanceLock(
  session: MysqlSession,
  settings: ResolvedMysqlAgentSettings,
  server: ServerFacts,
): Promise<Snapshot['ddlGuard']> {
  if (settings.ddlGuard === 'mdl' || settings.ddlGuard === 'detect') return settings.ddlGuard
  if (!server.supports.lockInstance) {
    if (settings.ddlGuard === 'auto') return 'detect'
    throw new BackupError(`server ${server.version} has no LOCK INSTANCE FOR BACKUP`, {
      code: 'UNSUPPORTED',
      hint: 'Set ddlGuard to auto, detect or mdl.',
    })
  }
  try {
    await session.run('LOCK INSTANCE FOR BACKUP', 'keeping structure from changing')
    return 'instance'
  } catch (error) {
    if (settings.ddlGuard === 'auto' && BackupError.is(error) && error.code === 'ACCESS_DENIED') return 'detect'
    throw error
  }
}

/** Every reader holds the metadata locks itself: one that had to ask for them later would wait behind an ALTER that waits for the others. */
async function touchTables(options: SnapshotOptions, readers: readonly TableReader[]): Promise<void> {
  await Promise.all(
    readers.map(async (reader) => {
      for (const table of options.tables) {
        const name = quoteTable(table.schema, table.name)
        await reader.touch(`SELECT 1 FROM ${name} LIMIT 0`, `touching table ${table.schema}.${table.name}`)
      }
    }),
  )
}
