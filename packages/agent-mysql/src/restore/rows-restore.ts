import type { RestoredFile, RestoredFiles } from '@backup-planet/core'
import type { DumpChunk, DumpTable } from '../dump-layout.ts'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'
import type { MysqlConnection } from '../mysql-connection.ts'
import { quoteTable } from '../mysql-quoting.ts'
import { loadChunk } from './chunk-load.ts'
import { connectForRestore } from './restore-session.ts'
import type { PreparedSchema, SchemaRestoreContext } from './schema-preparation.ts'

export interface RowsRestoreContext extends SchemaRestoreContext {
  readonly settings: MysqlConnectionSettings
  readonly localInfile: boolean
  readonly largestInsert: number
}

interface PendingChunk {
  readonly prepared: PreparedSchema
  readonly table: DumpTable
  readonly chunk: DumpChunk
}

/**
 * Loads every data file that the journal does not know of, over several connections. Files are taken one after the other as they
 * arrive on the local disk, and given back as soon as their rows are committed.
 */
export async function loadRows(prepared: readonly PreparedSchema[], files: RestoredFiles, context: RowsRestoreContext): Promise<void> {
  for (const one of prepared) {
    if (context.failures.has(one.contents.item)) continue
    try {
      await emptyHalfLoaded(one, context)
    } catch (error) {
      context.failures.fail(one.contents.item, error)
    }
  }
  const pending = pendingChunks(prepared, context)
  if (pending.size > 0) await loadPending(pending, files, context)
  for (const one of prepared) {
    const { item } = one.contents
    if (context.failures.has(item) || context.journal.isDone(item, 'rows')) continue
    try {
      // Rows of an engine without transactions are only safe once they are out of its buffers.
      for (const { table } of one.tables) {
        if (!table.transactional && hasChunks(one, table))
          await context.connection.run(`FLUSH TABLES ${quoteTable(one.contents.to, table.name)}`)
      }
      await context.journal.once(context.connection, [item, 'rows'], async () => undefined)
    } catch (error) {
      context.failures.fail(item, error)
    }
  }
}

function hasChunks(prepared: PreparedSchema, table: DumpTable): boolean {
  return [...prepared.contents.chunks.values()].some((chunk) => chunk.table === table.name)
}

/** Nobody knows which rows of a table without transactions have arrived: it begins anew. */
async function emptyHalfLoaded(prepared: PreparedSchema, context: RowsRestoreContext): Promise<void> {
  const { connection, journal } = context
  const { item, to, chunks } = prepared.contents
  if (journal.isDone(item, 'rows')) return
  for (const { table } of prepared.tables) {
    if (table.transactional || !hasChunks(prepared, table)) continue
    if (journal.isDone(item, 'begun', table.name)) {
      for (const chunk of chunks.values()) if (chunk.table === table.name) await journal.forget(connection, item, 'chunk', chunk.file)
      await connection.run(`TRUNCATE TABLE ${quoteTable(to, table.name)}`, `emptying ${to}.${table.name}`)
    }
    await journal.once(connection, [item, 'begun', table.name], async () => undefined)
  }
}

function pendingChunks(prepared: readonly PreparedSchema[], context: RowsRestoreContext): Map<string, PendingChunk> {
  const pending = new Map<string, PendingChunk>()
  for (const one of prepared) {
    const { item, backup, chunks } = one.contents
    if (context.failures.has(item) || context.journal.isDone(item, 'rows')) continue
    const tables = new Map(one.tables.map(({ table }) => [table.name, table]))
    for (const chunk of chunks.values()) {
      const table = tables.get(chunk.table)
      if (table === undefined || context.journal.isDone(item, 'chunk', chunk.file)) continue
      pending.set(fileKey({ backup, item, name: chunk.file }), { prepared: one, table, chunk })
    }
  }
  return pending
}

function fileKey(file: { readonly backup: string; readonly item: string; readonly name: string }): string {
  return `${file.backup}\0${file.item}\0${file.name}`
}

async function loadPending(pending: ReadonlyMap<string, PendingChunk>, files: RestoredFiles, context: RowsRestoreContext): Promise<void> {
  const stop = new AbortController()
  const signal = context.signal === undefined ? stop.signal : AbortSignal.any([context.signal, stop.signal])
  const stream = files.stream((file) => pending.has(fileKey(file)) && !context.failures.has(file.item), { ...context, signal })
  const iterator = stream[Symbol.asyncIterator]()
  const take = oneAtATime(iterator)
  const work = async (): Promise<void> => {
    await using connection = await connectForRestore(context.settings, context.server, {
      signal,
      localFiles: context.localInfile,
      binlog: context.restore.binlog,
    })
    for (let next = await take(); next.done !== true; next = await take())
      await loadFile(connection, next.value, pending, { ...context, signal })
  }
  const workers = Array.from({ length: Math.min(context.restore.threads, pending.size) }, async () => {
    try {
      await work()
    } catch (error) {
      stop.abort(error)
      throw error
    }
  })
  const ended = await Promise.allSettled(workers)
  await iterator.return?.(undefined)
  // The first to fail is the reason; the others were stopped because of it.
  if (stop.signal.aborted) throw stop.signal.reason
  for (const one of ended) if (one.status === 'rejected') throw one.reason
}

async function loadFile(
  connection: MysqlConnection,
  file: RestoredFile,
  pending: ReadonlyMap<string, PendingChunk>,
  context: RowsRestoreContext,
): Promise<void> {
  const { journal, failures } = context
  const one = pending.get(fileKey(file))
  try {
    if (one === undefined || failures.has(file.item)) return
    const what = [file.item, 'chunk', one.chunk.file]
    await loadChunk(
      connection,
      {
        schema: one.prepared.contents.to,
        table: one.table,
        chunk: one.chunk,
        open: () => file.open(),
        record: () => journal.record(connection, ...what),
      },
      { ...context, attempts: context.restore.attempts },
    )
    journal.committed(...what)
    context.onProgress?.({ type: 'bytes', phase: 'restore', item: file.item, bytes: one.chunk.bytes, rows: one.chunk.rows })
  } catch (error) {
    failures.fail(file.item, error)
  } finally {
    await file.release()
  }
}

/** Several may ask an iterator for the next value; each gets another one. */
function oneAtATime<T>(iterator: AsyncIterator<T>): () => Promise<IteratorResult<T>> {
  let last: Promise<unknown> = Promise.resolve()
  return () => {
    const next = last.then(() => iterator.next())
    last = next.catch(() => undefined)
    return next
  }
}
