import { parentPort, workerData } from 'node:worker_threads'
import mysql, { type Connection } from 'mysql2/promise'
import { driverOptions, setUpSession } from '../mysql-session-setup.ts'
import { ChunkFile } from './chunk-file.ts'
import { pingWhileIdle } from './ping-while-idle.ts'
import { type RawRows, readRawRows } from './raw-query.ts'
import { RowText, rowTextLength } from './row-text.ts'
import type { FromReader, PlainAnswer, PlainFailure, ReadTask, TableReaderData, ToReader } from './table-reader-messages.ts'
import { ThreadFailure } from './thread-failure.ts'

/**
 * A thread that owns one connection and its snapshot: it reads rows, turns them into text, hashes and compresses them, and
 * sends the compressed blocks to the main thread as long as that grants credit. No credit stops the reading from the socket.
 */
const textBlockBytes = 131_072
/** Text waiting for the compressor beyond this stops the reading from the socket. */
const textWaitingBytes = 262_144
/** Files of one task that may still be compressing behind the one that is being filled. */
const filesEnding = 3
/**
 * Buffers of rows that had to wait outlive the first looks of the garbage collector, and then stay until it has a reason to look at what is old. A
 * process that was started with `--expose-gc`, as the command is, collects them whenever so much text was read.
 */
const textBetweenCollections = 8 * 1024 ** 2

const port = parentPort
if (port === null) throw new TypeError('this module runs only as a thread of its own')
const data = workerData as TableReaderData

/** Files that are not sent completely, by their number. */
const files = new Map<number, ChunkFile>()
let lastFile = 0

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

/** A SELECT becoming files: rows come from the socket for as long as the compressor keeps up with them. */
class Reading {
  readonly #task: ReadTask
  readonly #text: RowText
  readonly #open = new Set<ChunkFile>()
  readonly #rows: RawRows
  #file: ChunkFile | undefined
  #ending = 0
  #ended: Promise<unknown> = Promise.resolve()
  #total = 0
  #textSinceCollection = 0
  #waitingBytes = 0
  #paused = false
  #failed = false

  constructor(connection: Connection, task: ReadTask) {
    this.#task = task
    this.#text = new RowText(task.columns, textBlockBytes, (block) => this.#write(block))
    this.#rows = readRawRows(connection, task.sql, (packet, begin, end) => this.#add(packet, begin, end))
  }

  /** Resolves with the last row; its file may still be on its way. */
  async allRows(): Promise<void> {
    const columns = await this.#rows.done
    const { name, columns: expected } = this.#task
    if (columns !== expected) {
      throw new ThreadFailure(
        `${name} has ${columns} columns instead of ${expected}`,
        'INCONSISTENT',
        'The table was altered during the backup; run again when no schema change is in progress.',
      )
    }
    this.#endFile()
  }

  /** Resolves with the number of rows when the last block has been sent. */
  async allSent(): Promise<number> {
    await this.#ended
    return this.#total
  }

  /** The connection had to be given up with it. */
  get destroyed(): boolean {
    return this.#rows.destroyed
  }

  /** Gives up what is unfinished, and leaves the connection as the next statement needs it: reading. */
  fail(): void {
    this.#failed = true
    for (const file of this.#open) {
      files.delete(file.file)
      file.destroy()
    }
    this.#rows.resume()
  }

  #add(packet: Buffer, begin: number, end: number): void {
    const text = this.#text
    // Twice the packet is more than its text can be; only near the limit is the row measured exactly.
    const worst = 2 * (end - begin) + 2 * this.#task.columns
    if (
      text.rows > 0 &&
      text.size + worst > data.chunkBytes &&
      text.size + rowTextLength(this.#task.columns, packet, begin, end) > data.chunkBytes
    ) {
      this.#endFile()
    }
    text.add(packet, begin, end)
    this.#total++
  }

  #write(block: Uint8Array<ArrayBuffer>): void {
    const file = this.#file ?? this.#beginFile()
    this.#file = file
    this.#waitingBytes += block.length
    this.#textSinceCollection += block.length
    if (this.#textSinceCollection >= textBetweenCollections) {
      this.#textSinceCollection = 0
      globalThis.gc?.()
    }
    file.write(block, () => {
      this.#waitingBytes -= block.length
      this.#text.recycle(block)
      this.#steer()
    })
    this.#steer()
  }

  #beginFile(): ChunkFile {
    const file = new ChunkFile({ id: this.#task.id, file: ++lastFile, compressionLevel: data.compressionLevel, send })
    files.set(file.file, file)
    this.#open.add(file)
    return file
  }

  #endFile(): void {
    this.#text.flush()
    const [file, rows, bytes] = [this.#file, this.#text.rows, this.#text.size]
    this.#text.reset()
    if (file === undefined) return
    this.#file = undefined
    this.#ending++
    const end = file.end(rows, bytes).finally(() => {
      files.delete(file.file)
      this.#open.delete(file)
      this.#ending--
      this.#steer()
    })
    this.#ended = Promise.all([this.#ended, end])
    this.#ended.catch(() => undefined)
    this.#steer()
  }

  #steer(): void {
    const full = this.#waitingBytes > textWaitingBytes || this.#ending > filesEnding
    if (this.#failed || full === this.#paused) return
    this.#paused = full
    if (full) this.#rows.pause()
    else this.#rows.resume()
  }
}

async function openConnection(): Promise<Connection> {
  const connection = await mysql.createConnection(driverOptions(data.connection))
  await setUpSession(connection)
  // Column bytes as they are stored, whatever their character set; identifiers in our statements stay UTF-8.
  await connection.query('SET SESSION character_set_results = NULL')
  // A waiting ALTER makes readers wait too, and may itself wait for another reader: then the table fails rather than the copy stalls.
  await connection.query(`SET SESSION lock_wait_timeout = ${data.tableWaitSeconds}, wait_timeout = ${data.idleSeconds}`)
  pingWhileIdle(connection, data.idleSeconds)
  // With a binlog that could be written, the server keeps metadata locks beyond ROLLBACK TO SAVEPOINT. Needs a right that few give.
  await connection.query('SET SESSION sql_log_bin = 0').catch(() => undefined)
  await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ')
  return connection
}

async function ask(connection: Connection, sql: string): Promise<PlainAnswer> {
  const [rows, fields] = await connection.query({ sql, rowsAsArray: true, typeCast: (field) => field.buffer() })
  const values: readonly (readonly (Buffer | null)[])[] = Array.isArray(rows) ? (rows as unknown as (Buffer | null)[][]) : []
  return {
    columns: (fields ?? []).map((field) => field.name.toLowerCase()),
    // Copies: a message would carry the whole packet of which a value is a part.
    rows: values.map((row) => row.map((value) => (value === null ? null : new Uint8Array(value)))),
  }
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
  const withoutKeepingLocks = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (!inTransaction) return await work()
    await connection.query('SAVEPOINT reading')
    try {
      return await work()
    } finally {
      await connection.query('ROLLBACK TO SAVEPOINT reading').catch(() => undefined)
    }
  }
  const enqueue = (id: number, during: string, work: () => Promise<void>): void => {
    queue = queue.then(work).catch((error: unknown) => send({ type: 'failed', id, failure: plain(error, during) }))
  }
  port?.on('message', (message: ToReader) => {
    if (message.type === 'credit') files.get(message.file)?.credit.grant(1)
    else if (message.type === 'begin-snapshot') {
      enqueue(message.id, 'beginning a snapshot', async () => {
        await connection.query('START TRANSACTION WITH CONSISTENT SNAPSHOT')
        inTransaction = true
        send({ type: 'answer', id: message.id, columns: [], rows: [] })
      })
    } else if (message.type === 'ask') {
      const work = () => ask(connection, message.sql)
      enqueue(message.id, message.during, async () => {
        const answer = await (message.keepLocks === true ? work() : withoutKeepingLocks(work))
        send({ type: 'answer', id: message.id, ...answer })
      })
    } else if (message.type === 'read') {
      enqueue(message.id, `reading ${message.name}`, async () => {
        let reading: Reading | undefined
        try {
          const proof = await withoutKeepingLocks(async () => {
            reading = new Reading(connection, message)
            await reading.allRows()
            const answers: PlainAnswer[] = []
            for (const sql of message.proof) answers.push(await ask(connection, sql))
            return answers
          })
          const rows = (await reading?.allSent()) ?? 0
          send({ type: 'done', id: message.id, rows, proof })
        } catch (error) {
          reading?.fail()
          send({ type: 'failed', id: message.id, failure: plain(error, `reading ${message.name}`) })
          if (reading?.destroyed) lost(error)
        }
      })
    } else {
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
