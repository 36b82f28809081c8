import { Worker } from 'node:worker_threads'
import type { BlobJob, BlobReply, BlobResult, BlobWorkerData } from './blob-worker-messages.ts'

/** Enough that a thread never waits for its next job, and few enough that no thread works off the jobs of another. */
const jobsAhead = 2

interface WaitingJob {
  readonly job: BlobJob
  readonly resolve: (result: BlobResult) => void
  readonly reject: (error: unknown) => void
}

export interface WorkerThread {
  readonly worker: Worker
  /** What it was given, by number. */
  readonly jobs: Map<number, WaitingJob>
  /** What no other thread may do. */
  readonly queue: WaitingJob[]
  /** That it is in the middle of hashing. */
  contents: number
}

/** Threads that are started when there is work for them, and the jobs that wait. After the first failure nothing is done any more. */
export class WorkerThreads {
  readonly #data: BlobWorkerData
  readonly #most: number
  readonly #running: WorkerThread[] = []
  /** What any thread may do. */
  readonly #queue: WaitingJob[] = []
  #failure: { readonly error: unknown } | undefined
  #jobs = 0

  constructor(data: BlobWorkerData, most: number) {
    this.#data = data
    this.#most = most
  }

  startAll(): void {
    while (this.#failure === undefined && this.#running.length < this.#most) this.#start()
  }

  /** @param thread the only one that may do it; any where it is left out */
  run<Result extends BlobResult>(job: BlobJob, thread?: WorkerThread): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure.error)
      const waiting: WaitingJob = { job, resolve: resolve as (result: BlobResult) => void, reject }
      if (thread === undefined) this.#queue.push(waiting)
      else thread.queue.push(waiting)
      this.#post()
    })
  }

  /** Hashes the fewest contents; a new thread rather than one that hashes any. None after a failure. */
  leastHashing(): WorkerThread | undefined {
    if (this.#failure !== undefined) return undefined
    const [least] = this.#running.toSorted((left, right) => left.contents - right.contents)
    return least === undefined || (least.contents > 0 && this.#running.length < this.#most) ? this.#start() : least
  }

  /** Rejects the jobs that have not ended. */
  async end(): Promise<void> {
    this.#fail(new Error('the worker threads were ended'))
    await Promise.all(this.#running.map(({ worker }) => worker.terminate()))
  }

  #start(): WorkerThread {
    const worker = startWorker(this.#data)
    const thread: WorkerThread = { worker, jobs: new Map(), queue: [], contents: 0 }
    worker.on('message', (reply: BlobReply) => {
      const waiting = thread.jobs.get(reply.number)
      thread.jobs.delete(reply.number)
      if ('error' in reply) waiting?.reject(new Error(`a worker thread failed: ${reply.error}`))
      else waiting?.resolve(reply.result)
      this.#post()
    })
    worker.on('error', (error) => this.#fail(error))
    worker.on('messageerror', (error) => this.#fail(error))
    worker.on('exit', (code) => this.#fail(new Error(`a worker thread ended with ${code}`)))
    this.#running.push(thread)
    return thread
  }

  /** A thread that cannot be started is a failure like any other: nobody else would hear of it. */
  #post(): void {
    try {
      this.#giveWaiting()
    } catch (error) {
      this.#fail(error)
    }
  }

  /** To each thread its own jobs first, which others wait for. */
  #giveWaiting(): void {
    for (const thread of this.#running) {
      while (thread.queue.length > 0 && thread.jobs.size < jobsAhead) this.#give(thread, thread.queue)
    }
    while (this.#queue.length > 0) {
      const thread = this.#leastBusy()
      if (thread.jobs.size >= jobsAhead) return
      this.#give(thread, this.#queue)
    }
  }

  #leastBusy(): WorkerThread {
    const [least] = this.#running.toSorted((left, right) => left.jobs.size - right.jobs.size)
    return least === undefined || (least.jobs.size > 0 && this.#running.length < this.#most) ? this.#start() : least
  }

  #give({ worker, jobs }: WorkerThread, queue: WaitingJob[]): void {
    const waiting = queue.shift()
    if (waiting === undefined) return
    jobs.set(++this.#jobs, waiting)
    worker.postMessage({ number: this.#jobs, job: waiting.job }, transferOf(waiting.job))
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    const waiting = this.#queue.splice(0)
    for (const { jobs, queue } of this.#running) {
      waiting.push(...jobs.values(), ...queue.splice(0))
      jobs.clear()
    }
    for (const { reject } of waiting) reject(this.#failure.error)
  }
}

function transferOf(job: BlobJob): ArrayBuffer[] {
  if (!('bytes' in job)) return []
  const { buffer, byteLength } = job.bytes
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : []
}

/** Beside this module in the sources, beside the bundle when built. */
function startWorker(data: BlobWorkerData): Worker {
  const fromSource = import.meta.url.endsWith('.ts')
  const url = new URL(fromSource ? './blob-worker-thread.ts' : './blob-worker-thread.js', import.meta.url)
  return new Worker(url, {
    workerData: data,
    ...(fromSource ? { execArgv: ['--conditions=@backup-planet/source'] } : { execArgv: [] }),
    // Blobs lie outside of the heap that V8 measures; a small heap makes it let go of them sooner.
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
  })
}
