import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { createZstdDecompress } from 'node:zlib'
import { abortError, BackupError, type OperationOptions, throwIfAborted } from '@backup-planet/core'
import type { ResultSetHeader } from 'mysql2/promise'
import type { DumpChunk, DumpTable } from '../dump-layout.ts'
import { type MysqlConnection, socketOf } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import type { ServerRow } from '../mysql-rows.ts'
import { insertStatement, loadFileName, loadStatement, splitFields } from './load-statement.ts'
import { judgeWarnings, listableRows } from './load-warnings.ts'
import { rowLines } from './row-lines.ts'

export interface ChunkLoad {
  /** On the target. */
  readonly schema: string
  readonly table: DumpTable
  readonly chunk: DumpChunk
  /** The file as it was stored, a fresh stream per call. */
  open(): AsyncIterable<Uint8Array>
  /** Notes in the same transaction that the rows are there. */
  record(): Promise<void>
}

export interface ChunkLoadOptions extends OperationOptions {
  /** LOAD DATA LOCAL; without it rows go in by INSERT. */
  readonly localInfile: boolean
  readonly attempts: number
  /** Upper bound of the text of one INSERT, in bytes. */
  readonly largestInsert: number
}

/** ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK. */
const lockErrors: ReadonlySet<number> = new Set([1205, 1213])

/** How much may wait in the socket; the driver itself would take a whole chunk into memory. */
const largestSocketBuffer = 1024 * 1024

/**
 * Brings the rows of one data file into their table, in one transaction with the note that they are there. Succeeds only when every
 * row of the file has arrived as it is: LOAD DATA LOCAL turns errors into warnings, so each warning must be known to be harmless. A
 * deadlock or lock timeout is tried again with growing pauses; nothing is left of a failed attempt in a transactional table. A file
 * with more warnings than the server lists goes in anew by INSERT, in parts of which it lists all.
 */
export async function loadChunk(connection: MysqlConnection, load: ChunkLoad, options: ChunkLoadOptions): Promise<void> {
  let by: 'file' | 'insert' = options.localInfile && canLoadAsFile(load) ? 'file' : 'insert'
  for (let attempt = 1; ; attempt++) {
    try {
      if (await attemptLoad(connection, load, by, options)) return
      by = 'insert'
    } catch (error) {
      const again = lockErrors.has(errorNumber(error) ?? 0) && load.table.transactional && attempt < options.attempts
      if (!again) throw error
      await pause(Math.min(5000, 20 * 2 ** attempt) * (0.5 + Math.random()), options.signal)
    }
  }
}

/** Rows of a table without transactions cannot be taken back once their warnings turn out to be too many. */
function canLoadAsFile({ table, chunk }: ChunkLoad): boolean {
  return table.transactional || chunk.rows <= listableRows(table)
}

/** `false`: nothing was kept, because the server could not list all its warnings. */
async function attemptLoad(
  connection: MysqlConnection,
  load: ChunkLoad,
  by: 'file' | 'insert',
  options: ChunkLoadOptions,
): Promise<boolean> {
  const during = `loading ${load.chunk.file}`
  throwIfAborted(options.signal, during)
  await connection.run('START TRANSACTION', during)
  try {
    const read: ReadCount = { rows: 0, bytes: 0 }
    if (by === 'insert') await insertRows(connection, load, read, options)
    else if (!(await loadData(connection, load, read, options))) {
      await connection.run('ROLLBACK', during)
      return false
    }
    if (read.rows !== load.chunk.rows) {
      throw new BackupError(`${load.chunk.file} holds ${read.rows} rows, and ${load.chunk.rows} were recorded`, damaged)
    }
    await load.record()
    await connection.run('COMMIT', during)
    return true
  } catch (error) {
    await connection.run('ROLLBACK', during).catch(() => undefined)
    if (options.signal?.aborted) throw abortError(options.signal, during)
    throw error
  }
}

const damaged = { code: 'CORRUPTED', hint: 'Nothing of this file was kept. Restore this item from another backup.' } as const

interface ReadCount {
  rows: number
  bytes: number
}

/** The text of a data file, counted and compared with what was recorded of it. */
async function* rowText(load: ChunkLoad, read: ReadCount): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  for await (const part of text(load)) {
    for (let end = part.indexOf(0x0a); end >= 0; end = part.indexOf(0x0a, end + 1)) read.rows++
    read.bytes += part.length
    // A few bytes can decompress to any number of them.
    if (read.bytes > load.chunk.bytes)
      throw new BackupError(`${load.chunk.file} holds more than the ${load.chunk.bytes} bytes recorded`, damaged)
    hash.update(part)
    yield part
  }
  if (hash.digest('hex') !== load.chunk.sha256) throw new BackupError(`${load.chunk.file} has other content than was recorded`, damaged)
}

function text({ chunk, open }: ChunkLoad): AsyncIterable<Buffer> {
  return chunk.file.endsWith('.zst') ? decompressed(open()) : plain(open())
}

async function* plain(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const part of content) yield Buffer.from(part.buffer, part.byteOffset, part.byteLength)
}

async function* decompressed(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const decompress = createZstdDecompress({ chunkSize: 256 * 1024 })
  const source = Readable.from(content, { objectMode: false })
  source.on('error', (error) => decompress.destroy(error))
  try {
    for await (const part of source.pipe(decompress)) yield part as Buffer
  } catch (error) {
    if (BackupError.is(error)) throw error
    throw new BackupError('a data file cannot be decompressed', { ...damaged, cause: error })
  } finally {
    source.destroy()
    decompress.destroy()
  }
}

/** `false` when the server could not list all its warnings. */
async function loadData(connection: MysqlConnection, load: ChunkLoad, read: ReadCount, options: ChunkLoadOptions): Promise<boolean> {
  const during = `loading ${load.chunk.file}`
  const socket = socketOf(connection.driver)
  let rows: Readable | undefined
  const onAbort = () => rows?.destroy(options.signal === undefined ? undefined : abortError(options.signal, during))
  options.signal?.addEventListener('abort', onAbort, { once: true })
  try {
    const [answer] = await connection.send<ResultSetHeader>(
      {
        sql: loadStatement(load.schema, load.table),
        infileStreamFactory: (name: string) => {
          const refused = name === loadFileName ? undefined : new BackupError(`the server asks for the local file ${name}`, foreign)
          rows = Readable.from(refused === undefined ? paced(rowText(load, read), socket) : failing(refused), { objectMode: false })
          return rows
        },
      },
      during,
    )
    return await checkLoaded(connection, load, answer.info)
  } finally {
    options.signal?.removeEventListener('abort', onAbort)
    rows?.destroy()
  }
}

const foreign = {
  code: 'ACCESS_DENIED',
  hint: 'This server is not one to trust: it asks for files that nobody offered. Look into it first.',
} as const

// biome-ignore lint/correctness/useYield: a stream that only fails
async function* failing(error: BackupError): AsyncGenerator<Buffer> {
  throw error
}

/** mysql2 writes what it gets without waiting for the socket; this waits for it. */
async function* paced(content: AsyncIterable<Buffer>, socket: Socket): AsyncGenerator<Buffer> {
  for await (const part of content) {
    while (socket.writableLength > largestSocketBuffer && !socket.destroyed) {
      const gone = new AbortController()
      await Promise.race([once(socket, 'drain', gone), once(socket, 'close', gone)]).catch(() => undefined)
      gone.abort()
    }
    yield part
  }
}

/** `false` when the server could not list all its warnings. */
async function checkLoaded(connection: MysqlConnection, load: ChunkLoad, info: string): Promise<boolean> {
  const numbers = /Records: (\d+)\s+Deleted: (\d+)\s+Skipped: (\d+)\s+Warnings: (\d+)/.exec(info)
  if (numbers === null) throw new TypeError(`LOAD DATA answered ${JSON.stringify(info)}`)
  const [records = 0, deleted = 0, skipped = 0, count = 0] = numbers.slice(1).map(Number)
  const whole = records === load.chunk.rows && deleted === 0 && skipped === 0
  if (whole && count === 0) return true
  const listed = await connection.rows('SHOW WARNINGS', 'reading what the server warned of')
  const { schema, table } = load
  const verdict = whole ? await judgeWarnings({ listed, count, schema, table, rows: text(load) }) : 'refused'
  if (verdict === 'refused') throw refusedRows(load, records, skipped, listed)
  return verdict === 'expected'
}

function refusedRows(load: ChunkLoad, records: number, skipped: number, listed: readonly ServerRow[]): BackupError {
  const warnings = listed.slice(0, 3).map((row) => row.at(2) ?? '')
  return new BackupError(
    `the server took ${records - skipped} of ${load.chunk.rows} rows of ${load.chunk.file}, and not all as they are: ${warnings.join('; ') || 'without a reason'}`,
    {
      code: 'APPLICATION',
      hint: 'Nothing of this file was kept. Restore into a server of the same kind and version as the source, and look whether its settings refuse such values.',
    },
  )
}

/** Rows without LOAD DATA: INSERT statements of bounded size, all in the transaction of the chunk. */
async function insertRows(connection: MysqlConnection, load: ChunkLoad, read: ReadCount, options: ChunkLoadOptions): Promise<void> {
  const mostRows = Math.min(5000, listableRows(load.table))
  let rows: (Buffer | undefined)[][] = []
  let size = 0
  const flush = async () => {
    if (rows.length === 0) return
    throwIfAborted(options.signal, `loading ${load.chunk.file}`)
    const [answer] = await connection.send<ResultSetHeader>(
      { sql: insertStatement(load.schema, load.table, rows) },
      `loading ${load.chunk.file}`,
    )
    if (answer.warningStatus > 0) await checkInserted(connection, load, rows, answer.warningStatus)
    rows = []
    size = 0
  }
  for await (const line of rowLines(rowText(load, read))) {
    // A byte is two hexadecimal digits, and each value has a little around it.
    const fields = splitFields(line)
    const length = 2 * line.length + 16 * fields.length
    if (rows.length > 0 && (size + length > options.largestInsert || rows.length >= mostRows)) await flush()
    rows.push(fields)
    size += length
  }
  await flush()
}

async function checkInserted(
  connection: MysqlConnection,
  load: ChunkLoad,
  rows: readonly (readonly (Buffer | undefined)[])[],
  count: number,
): Promise<void> {
  const listed = await connection.rows('SHOW WARNINGS', 'reading what the server warned of')
  const { schema, table } = load
  if ((await judgeWarnings({ listed, count, schema, table, rows })) !== 'expected') throw refusedRows(load, rows.length, 0, listed)
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(milliseconds, undefined, signal === undefined ? {} : { signal })
  } catch {
    throwIfAborted(signal, 'waiting for another attempt')
  }
}
