import { type BackupError, throwIfAborted } from '@backup-planet/core'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import { connect, killConnections, type MysqlConnection } from '../mysql-connection.ts'
import { quoteTable } from '../mysql-quoting.ts'
import type { BinlogPosition, ServerFacts } from '../mysql-server.ts'
import { captureSteps } from './capture-steps.ts'
import { type DdlGuard, takeInstanceLock } from './instance-lock.ts'
import { endWhenSilent } from './kept-session.ts'
import { beginTogether } from './snapshot-begin.ts'
import type { LockMethod } from './snapshot-lock.ts'
import { createTableReader, type TableReader } from './table-reader.ts'

/** A reader holds no lock that others wait for, except with `mdl`; but its snapshot keeps the server from forgetting old rows. */
const readerIdleSeconds = 600

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
  readonly ddlGuard: DdlGuard
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
    onStep?.(captureSteps.connect(settings))
    const starting = Array.from({ length: settings.threads }, () =>
      createTableReader(
        {
          connection: settings,
          tableWaitSeconds: settings.tableWaitSeconds,
          idleSeconds: settings.ddlGuard === 'mdl' ? settings.lockIdleSeconds : Math.max(settings.lockIdleSeconds, readerIdleSeconds),
          chunkBytes: settings.chunkBytes,
          compressionLevel: settings.compressionLevel,
        },
        signal,
      ),
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
    for (const connection of opened) await endWhenSilent(connection, settings.lockIdleSeconds)
    const lockOptions = { settings, server, tables: options.tables, signal, ...(onStep === undefined ? {} : { onStep }) }
    const ddlGuard = await takeInstanceLock(lockConnection, settings.ddlGuard, lockOptions)
    const held = await beginTogether({ ...lockOptions, lockSession: lockConnection, readers, holder, nonTransactional })
    if (ddlGuard === 'mdl') {
      onStep?.(captureSteps.touch)
      await touchTables(options, readers)
    }
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
