import { Worker } from 'node:worker_threads'
import { BackupError, throwIfAborted } from '@backup-planet/core'
import { type MysqlSession, unlessAborted } from '../mysql-connection.ts'
import { mysqlError } from '../mysql-errors.ts'
import { type ServerRow, serverRow } from '../mysql-rows.ts'
import { type ReadFile, ReadFileQueue } from './read-file-queue.ts'
import type { FromReader, PlainFailure, ReadTask, TableReaderData, ToReader } from './table-reader-messages.ts'

const threadHint = 'Run again; lower the setting threads if the machine has little memory.'

export interface ReadOptions {
  /** Takes every file the moment it begins, and must consume its content. */
  readonly onFile: (file: ReadFile) => Promise<void>
  /** Text bytes and rows since the last call. */
  readonly onRead?: (bytes: number, rows: number) => void
}

export interface ReadResult {
  readonly rows: number
  /** Answers to the statements of `proof`, in their order. */
  readonly proof: readonly (readonly ServerRow[])[]
}

/** The main thread's end of one thread with one connection and one snapshot. `rows` asks within the snapshot; what it answers is bytes read as UTF-8. */
export interface TableReader extends MysqlSession, AsyncDisposable {
  readonly threadId: number
  /** The connection or the thread broke: the snapshot is gone. Stays pending otherwise. */
  readonly lost: Promise<BackupError>
  beginSnapshot(): Promise<void>
  /** Asks and keeps the metadata locks of the tables named until the snapshot ends. */
  touch(sql: string, during: string): Promise<void>
  /**
   * Resolves when every file has been consumed. One at a time. Rejects when the read fails, after everything that consumes its files has
   * let go of them; or at once with the error of `onFile`.
   */
  read(task: Omit<ReadTask, 'id'>, options: ReadOptions): Promise<ReadResult>
  /** Ends the thread at once, whatever it does. */
  terminate(): Promise<void>
}

/** Starts a thread and connects it. Throws what connecting throws, and `ABORTED`. */
export async function createTableReader(data: TableReaderData, signal?: AbortSignal): Promise<TableReader> {
  throwIfAborted(signal, 'connecting a reader')
  const reader = new ThreadTableReader(data)
  try {
    await unlessAborted(reader.ready, signal, 'connecting a reader')
    return reader
  } catch (error) {
    // A thread that could not connect may still wait for a slow server.
    await reader.terminate()
    throw error
  }
}

/** Beside this module in the sources, beside the bundle when built. */
function startThread(data: TableReaderData): Worker {
  const fromSource = import.meta.url.endsWith('.ts')
  const url = new URL(fromSource ? './table-reader-thread.ts' : './table-reader-thread.js', import.meta.url)
  return new Worker(url, {
    workerData: data,
    ...(fromSource ? { execArgv: ['--conditions=@backup-planet/source'] } : { execArgv: [] }),
    // Rows lie outside of the heap that V8 measures; a small heap makes it let go of them sooner.
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
  })
}

interface Reading {
  readonly options: ReadOptions
  readonly resolve: (result: ReadResult) => void
  readonly reject: (error: unknown) => void
  readonly written: Promise<void>[]
  readonly files: Map<number, ReadFileQueue>
}

class ThreadTableReader implements TableReader {
  threadId = 0
  readonly ready: Promise<void>
  readonly lost: Promise<BackupError>
  readonly #worker: Worker
  readonly #exited: Promise<void>
  readonly #answers = new Map<
    number,
    { resolve: (answer: Extract<FromReader, { type: 'answer' }>) => void; reject: (error: unknown) => void }
  >()
  readonly #readings = new Map<number, Reading>()
  #lose: (error: BackupError) => void = () => undefined
  #lastId = 0
  #ending = false
  #broken: BackupError | undefined

  constructor(data: TableReaderData) {
    this.#worker = startThread(data)
    this.lost = new Promise((resolve) => {
      this.#lose = resolve
    })
    this.#exited = new Promise((resolve) => this.#worker.once('exit', () => resolve()))
    this.ready = new Promise((resolve, reject) => {
      this.#worker.on('message', (message: FromReader) => {
        if (message.type === 'ready') {
          this.threadId = message.threadId
          resolve()
        } else this.#receive(message)
      })
      void this.lost.then(reject)
    })
    this.ready.catch(() => undefined)
    this.#worker.on('error', (error) =>
      this.#break(new BackupError(`a reading thread failed: ${error.message}`, { code: 'UNKNOWN', cause: error })),
    )
    this.#worker.once('exit', () => {
      if (!this.#ending) this.#break(new BackupError('a reading thread ended by itself', { code: 'UNKNOWN', hint: threadHint }))
    })
  }

  async rows(sql: string, during = 'reading'): Promise<readonly ServerRow[]> {
    const answer = await this.#ask((id) => ({ type: 'ask', id, sql, during }))
    return answer.rows.map((values) => serverRow(answer.columns, values, during))
  }

  async run(sql: string, during?: string): Promise<void> {
    await this.rows(sql, during)
  }

  async touch(sql: string, during: string): Promise<void> {
    await this.#ask((id) => ({ type: 'ask', id, sql, during, keepLocks: true }))
  }

  async beginSnapshot(): Promise<void> {
    await this.#ask((id) => ({ type: 'begin-snapshot', id }))
  }

  #ask(message: (id: number) => ToReader): Promise<Extract<FromReader, { type: 'answer' }>> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken)
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#answers.set(id, { resolve, reject })
      this.#send(message(id))
    })
  }

  async read(task: Omit<ReadTask, 'id'>, options: ReadOptions): Promise<ReadResult> {
    if (this.#broken !== undefined) throw this.#broken
    const id = ++this.#lastId
    const written: Promise<void>[] = []
    const result = await new Promise<ReadResult>((resolve, reject) => {
      this.#readings.set(id, { options, resolve, reject, written, files: new Map() })
      this.#send({ type: 'read', id, ...task })
    })
    await Promise.all(written)
    return result
  }

  async terminate(): Promise<void> {
    this.#ending = true
    this.#break(new BackupError('the reading thread was ended', { code: 'ABORTED' }))
    await this.#worker.terminate()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ending) return this.#exited
    this.#ending = true
    if (this.#broken !== undefined || this.#readings.size > 0) {
      await this.#worker.terminate()
      return
    }
    this.#send({ type: 'end' })
    const timer = setTimeout(() => void this.#worker.terminate(), 5000)
    await this.#exited
    clearTimeout(timer)
  }

  #send(message: ToReader): void {
    this.#worker.postMessage(message)
  }

  #receive(message: Exclude<FromReader, { type: 'ready' }>): void {
    if (message.type === 'lost') {
      const failure = revived(message.failure)
      this.#break(this.threadId === 0 ? failure : lostReader(this.threadId, failure))
      return
    }
    if (message.type === 'answer') {
      this.#answers.get(message.id)?.resolve(message)
      this.#answers.delete(message.id)
      return
    }
    const reading = this.#readings.get(message.id)
    if (message.type === 'failed') {
      const error = revived(message.failure)
      this.#answers.get(message.id)?.reject(error)
      this.#answers.delete(message.id)
      if (reading !== undefined) this.#failReading(message.id, reading, error)
      return
    }
    if (reading === undefined) {
      if (message.type === 'block') this.#send({ type: 'credit', file: message.file })
      return
    }
    if (message.type === 'file-begin') {
      const file = new ReadFileQueue(() => this.#send({ type: 'credit', file: message.file }))
      reading.files.set(message.file, file)
      const written = reading.options.onFile(file).catch((error: unknown) => {
        // At once: others may wait for room in the stage, which comes only when the whole copy is told to stop.
        reading.reject(error)
        this.#failReading(message.id, reading, error)
        // The thread may have said that it is done already: whoever waits for the files must hear of it all the same.
        throw error
      })
      written.catch(() => undefined)
      reading.written.push(written)
    } else if (message.type === 'block') {
      reading.files.get(message.file)?.push(message.block)
      reading.options.onRead?.(message.bytes, message.rows)
    } else if (message.type === 'file-end') {
      reading.files.get(message.file)?.end(message)
      reading.files.delete(message.file)
    } else {
      this.#readings.delete(message.id)
      const during = 'comparing what was read'
      const proof = message.proof.map((answer) => answer.rows.map((values) => serverRow(answer.columns, values, during)))
      reading.resolve({ rows: message.rows, proof })
    }
  }

  /** The first failure counts. All other files of the reading end with it, so that nobody waits for what will not come. */
  #failReading(id: number, reading: Reading, error: unknown): void {
    this.#readings.delete(id)
    for (const file of reading.files.values()) file.fail(error)
    void Promise.allSettled(reading.written).then(() => reading.reject(error))
  }

  #break(error: BackupError): void {
    if (this.#broken !== undefined) return
    this.#broken = error
    for (const answer of this.#answers.values()) answer.reject(error)
    this.#answers.clear()
    for (const [id, reading] of this.#readings) this.#failReading(id, reading, error)
    if (!this.#ending) this.#lose(error)
  }
}

function lostReader(threadId: number, cause: BackupError): BackupError {
  return new BackupError(`connection ${threadId} of a reader was lost: ${cause.message}`, {
    code: 'UNREACHABLE',
    hint: 'Its snapshot is gone with it. Look at the error log of the server: it was restarted, or somebody killed the connection. Then run again.',
    cause,
  })
}

function revived(failure: PlainFailure): BackupError {
  const { message, during, known, number, symbol } = failure
  if (known !== undefined) return new BackupError(`${during} failed: ${message}`, known)
  const error = mysqlError(Object.assign(new Error(message), { errno: number, code: symbol }), during)
  return BackupError.is(error) ? error : new BackupError(message, { code: 'UNKNOWN', hint: threadHint, cause: error })
}
