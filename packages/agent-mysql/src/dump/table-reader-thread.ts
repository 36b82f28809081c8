import { createHash, type Hash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { constants, createZstdCompress } from 'node:zlib'
import mysql, { type Connection } from 'mysql2/promise'
import { driverOptions, setUpSession } from '../mysql-session-setup.ts'
import { Credit } from './credit.ts'
import { readRawRows } from './raw-query.ts'
import { RowText, rowTextLength } from './row-text.ts'
import type { FromReader, PlainFailure, ReadTask, TableReaderData, ToReader } from './table-reader-messages.ts'
import { ThreadFailure } from './thread-failure.ts'

/**
 * A thread that owns one connection and its snapshot: it reads rows, turns them into text, hashes and compresses them, and
 * sends the compressed blocks to the main thread as long as that grants credit. No credit stops the reading from the socket.
 */
const textBlockBytes = 262_144
/** Text waiting for the compressor beyond this stops the reading from the socket. */
const textWaitingBytes = 524_288
const sentBlockBytes = 131_072
/** Files of one task that may still be compressing behind the one that is being filled. */
const filesEnding = 3

const port = parentPort
if (port === null) throw new TypeError('this module runs only as a thread of its own')
const data = workerData as TableReaderData

const credit = new Credit()

function send(message: FromReader, transfer: readonly ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer)
}

function plain(error: unknown, during: string): PlainFailure {
  if (error instanceof ThreadFailure) return { message: error.message, during, known: { code: error.code, hint: error.hint } }
  const message = error instanceof Error ? error.message : String(error)
  const number =
    typeof error === 'object' && error !== null && 'errno' in error && typeof error.errno === 'number' ? error.errno : undefined
  const symbol = typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return { message, during, ...(number === undefined ? {} : { number }), ...(symbol === undefined ? {} : { symbol }) }
}

/** One file being compressed: text goes in, blocks go to the main thread. */
class ChunkFile {
  readonly #id: number
  readonly #file: number
  readonly #hash: Hash = createHash('sha256')
  readonly #compressor = createZstdCompress({
    chunkSize: sentBlockBytes,
    params: { [constants.ZSTD_c_compressionLevel]: data.compressionLevel },
  })
  readonly #sent: Promise<void>
  #bytesUnsaid = 0
  #rowsUnsaid = 0

  constructor(id: number, file: number) {
    this.#id = id
    this.#file = file
    send({ type: 'file-begin', id, file })
    this.#sent = this.#sendBlocks()
    this.#sent.catch(() => undefined)
  }

  write(block: Uint8Array, compressed: () => void): void {
    this.#hash.update(block)
    this.#bytesUnsaid += block.length
    this.#compressor.write(block, compressed)
  }

  async end(rows: number, bytes: number): Promise<void> {
    this.#rowsUnsaid = rows
    this.#compressor.end()
    await this.#sent
    send({ type: 'file-end', id: this.#id, file: this.#file, rows, bytes, sha256: this.#hash.digest('hex') })
  }

  async #sendBlocks(): Promise<void> {
    for await (const compressed of this.#compressor) {
      await credit.take()
      const block = new Uint8Array(compressed.length)
      block.set(compressed)
      send({ type: 'block', id: this.#id, file: this.#file, block, rows: this.#rowsUnsaid, bytes: this.#bytesUnsaid }, [block.buffer])
      this.#rowsUnsaid = 0
      this.#bytesUnsaid = 0
    }
  }
}

async function read(connection: Connection, task: ReadTask): Promise<void> {
  let file: ChunkFile | undefined
  let files = 0
  let ending = 0
  let ended: Promise<unknown> = Promise.resolve()
  let total = 0
  let waitingBytes = 0
  let paused = false
  const steer = (): void => {
    const full = waitingBytes > textWaitingBytes || ending > filesEnding
    if (full === paused) return
    paused = full
    if (full) rows.pause()
    else rows.resume()
  }
  const text = new RowText(task.columns, textBlockBytes, (block) => {
    file ??= new ChunkFile(task.id, ++files)
    waitingBytes += block.length
    file.write(block, () => {
      waitingBytes -= block.length
      text.recycle(block)
      steer()
    })
    steer()
  })
  const endFile = (): void => {
    text.flush()
    const [done, count, bytes] = [file, text.rows, text.size]
    text.reset()
    if (done === undefined) return
    file = undefined
    ending++
    const end = done.end(count, bytes).finally(() => {
      ending--
      steer()
    })
    ended = Promise.all([ended, end])
    ended.catch(() => undefined)
    steer()
  }
  const rows = readRawRows(connection, task.sql, (packet, begin, end) => {
    // Twice the packet is more than its text can be; only near the limit is the row measured exactly.
    const worst = 2 * (end - begin) + 2 * task.columns
    if (
      text.rows > 0 &&
      text.size + worst > data.chunkBytes &&
      text.size + rowTextLength(task.columns, packet, begin, end) > data.chunkBytes
    ) {
      endFile()
    }
    text.add(packet, begin, end)
    total++
  })
  const columns = await rows.done
  if (columns !== task.columns) {
    throw new ThreadFailure(
      `${task.name} has ${columns} columns instead of ${task.columns}`,
      'INCONSISTENT',
      'The table was altered during the backup; run again when no schema change is in progress.',
    )
  }
  endFile()
  await ended
  send({ type: 'done', id: task.id, rows: total })
}

async function openConnection(): Promise<Connection> {
  const connection = await mysql.createConnection(driverOptions(data.connection))
  await setUpSession(connection)
  // Column bytes as they are stored, whatever their character set; identifiers in our statements stay UTF-8.
  await connection.query('SET SESSION character_set_results = NULL')
  // A waiting ALTER makes readers wait too, and may itself wait for another reader: then the table fails rather than the copy stalls.
  await connection.query('SET SESSION lock_wait_timeout = 10')
  // With a binlog that could be written, the server keeps metadata locks beyond ROLLBACK TO SAVEPOINT. Needs a right that few give.
  await connection.query('SET SESSION sql_log_bin = 0').catch(() => undefined)
  await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ')
  return connection
}

async function main(): Promise<void> {
  const connection = await openConnection()
  let ending = false
  const lost = (error?: unknown): void => {
    if (!ending)
      send({
        type: 'lost',
        failure: plain(error ?? Object.assign(new Error('the connection was closed'), { code: 'PROTOCOL_CONNECTION_LOST' }), 'reading'),
      })
    ending = true
  }
  connection.on('error', lost)
  connection.on('end', () => lost())
  let queue: Promise<void> = Promise.resolve()
  let inTransaction = false
  // Metadata locks of what is read are given back at once, as mysqldump does it: an ALTER that waited for this reader while another reader
  // waited behind the ALTER would otherwise stall the copy for ever. The snapshot itself stays.
  const withoutKeepingLocks = async (work: () => Promise<void>): Promise<void> => {
    if (!inTransaction) return await work()
    await connection.query('SAVEPOINT reading')
    try {
      await work()
    } finally {
      await connection.query('ROLLBACK TO SAVEPOINT reading').catch(() => undefined)
    }
  }
  const enqueue = (id: number, during: string, work: () => Promise<void>): void => {
    queue = queue.then(work).catch((error: unknown) => send({ type: 'failed', id, failure: plain(error, during) }))
  }
  port?.on('message', (message: ToReader) => {
    if (message.type === 'credit') credit.grant(message.blocks)
    else if (message.type === 'begin-snapshot') {
      enqueue(message.id, 'beginning a snapshot', async () => {
        await connection.query('START TRANSACTION WITH CONSISTENT SNAPSHOT')
        inTransaction = true
        send({ type: 'answer', id: message.id, columns: [], rows: [] })
      })
    } else if (message.type === 'ask') {
      const ask = async (): Promise<void> => {
        const [rows, fields] = await connection.query({ sql: message.sql, rowsAsArray: true, typeCast: (field) => field.buffer() })
        const values: readonly (readonly (Buffer | null)[])[] = Array.isArray(rows) ? (rows as unknown as (Buffer | null)[][]) : []
        send({
          type: 'answer',
          id: message.id,
          columns: (fields ?? []).map((field) => field.name.toLowerCase()),
          rows: values.map((row) => row.map((value) => value?.toString('utf8') ?? null)),
        })
      }
      enqueue(message.id, message.during, message.keepLocks === true ? ask : () => withoutKeepingLocks(ask))
    } else if (message.type === 'read')
      enqueue(message.id, `reading ${message.name}`, () => withoutKeepingLocks(() => read(connection, message)))
    else {
      enqueue(0, 'ending', async () => {
        ending = true
        await connection.end()
        port?.close()
      })
    }
  })
  send({ type: 'ready', threadId: connection.threadId })
}

main().catch((error: unknown) => {
  send({ type: 'lost', failure: plain(error, 'connecting') })
  port.close()
})
