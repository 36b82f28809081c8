import { Worker } from 'node:worker_threads'
import { type BlobThread, performBlobJob } from './blob-jobs.ts'
import type {
  BlobJob,
  BlobReply,
  BlobResult,
  BlobWorkerData,
  CheckResult,
  ExtractRegion,
  ExtractResult,
  HashResult,
  OpenResult,
  PackedRegion,
  Region,
  SealResult,
} from './blob-worker-messages.ts'

/** Hashing, compressing and sealing beside the main thread. */
export interface BlobWorkers extends AsyncDisposable {
  readonly threads: number
  /** Starts all threads, while there is nothing else to do. */
  start(): void
  hash(region: Region): Promise<HashResult>
  /** For the chunks of one content after the other. */
  contentHasher(): ContentHasher
  seal(regions: readonly Region[]): Promise<SealResult>
  /** The bytes belong to the workers from then on. */
  open(bytes: Uint8Array, blobs: readonly PackedRegion[]): Promise<OpenResult>
  /** The same where nobody wants the plaintexts: they leave no trace in memory. */
  check(bytes: Uint8Array, blobs: readonly PackedRegion[]): Promise<CheckResult>
  /** Writes the plaintexts to files. When it rejects nobody knows how far it came, until these workers are disposed of. */
  extract(bytes: Uint8Array, blobs: readonly ExtractRegion[]): Promise<ExtractResult>
}

/** One thread hashes what it is given in the order of the calls: the chunks of a content, and with them the content. */
export interface ContentHasher {
  /** Of a chunk. @param first the content begins with it */
  hash(region: Region, first: boolean): Promise<HashResult>
  /** Of all chunks from the first one on, once. */
  digest(): Promise<HashResult>
  /** Nobody wants to know the hash of what was begun. */
  abandon(): void
}

/** Enough that a thread never waits for its next job, and few enough that no thread works off the jobs of another. */
const jobsAhead = 2

interface Waiting {
  readonly job: BlobJob
  readonly resolve: (result: BlobResult) => void
  readonly reject: (error: unknown) => void
}

interface Thread {
  readonly worker: Worker
  /** What it was given, by number. */
  readonly jobs: Map<number, Waiting>
  /** What no other thread may do. */
  readonly queue: Waiting[]
  /** That it is in the middle of hashing. */
  contents: number
}

/** Threads are started with the first jobs, or by `start`. Disposing ends them; jobs that have not ended are rejected. */
export function createBlobWorkers(data: BlobWorkerData, threads: number): BlobWorkers {
  const running: Thread[] = []
  /** What any thread may do. */
  const queue: Waiting[] = []
  let failure: unknown
  let number = 0
  let hashers = 0

  const fail = (error: unknown): void => {
    failure ??= error
    for (const { jobs, queue: own } of running) {
      for (const { reject } of [...jobs.values(), ...own.splice(0)]) reject(failure)
      jobs.clear()
    }
    for (const { reject } of queue.splice(0)) reject(failure)
  }

  const start = (): Thread => {
    const worker = startThread(data)
    const jobs = new Map<number, Waiting>()
    worker.on('message', (reply: BlobReply) => {
      const waiting = jobs.get(reply.number)
      jobs.delete(reply.number)
      if ('error' in reply) waiting?.reject(new Error(`a worker thread failed: ${reply.error}`))
      else waiting?.resolve(reply.result)
      next()
    })
    worker.on('error', fail)
    worker.on('exit', (code) => fail(new Error(`a worker thread ended with ${code}`)))
    const thread: Thread = { worker, jobs, queue: [], contents: 0 }
    running.push(thread)
    return thread
  }

  const post = ({ worker, jobs }: Thread, waiting: Waiting): void => {
    jobs.set(++number, waiting)
    worker.postMessage({ number, job: waiting.job }, transferOf(waiting.job))
  }

  const next = (): void => {
    for (const thread of running) {
      while (thread.jobs.size < jobsAhead) {
        const waiting = thread.queue.shift()
        if (waiting === undefined) break
        post(thread, waiting)
      }
    }
    while (queue.length > 0) {
      let least = running.reduce(
        (found, thread) => (found === undefined || thread.jobs.size < found.jobs.size ? thread : found),
        running[0],
      )
      if ((least === undefined || least.jobs.size > 0) && running.length < threads) {
        start()
        least = running.at(-1)
      }
      if (least === undefined || least.jobs.size >= jobsAhead) return
      const waiting = queue.shift()
      if (waiting === undefined) return
      post(least, waiting)
    }
  }

  const run = <Result extends BlobResult>(job: BlobJob, jobs = queue): Promise<Result> =>
    new Promise((resolve, reject) => {
      if (failure !== undefined) return reject(failure)
      jobs.push({ job, resolve: resolve as (result: BlobResult) => void, reject })
      next()
    })

  /** The thread that hashes the fewest contents; a new one rather than one that hashes any. */
  const leastHashing = (): Thread => {
    const least = running.toSorted((left, right) => left.contents - right.contents)[0]
    return least === undefined || (least.contents > 0 && running.length < threads) ? start() : least
  }

  return {
    threads,
    start() {
      while (failure === undefined && running.length < threads) start()
    },
    contentHasher() {
      const content = hashers++
      let thread: Thread | undefined
      return {
        hash(region, first) {
          if (failure === undefined && (first || thread === undefined)) {
            this.abandon()
            thread = leastHashing()
            thread.contents++
          }
          return run({ kind: 'hash', region, content: { number: content, first } }, thread?.queue)
        },
        digest() {
          const hashed = run<HashResult>({ kind: 'digest', content }, thread?.queue)
          this.abandon()
          return hashed
        },
        abandon() {
          if (thread !== undefined) thread.contents--
          thread = undefined
        },
      }
    },
    hash: (region) => run({ kind: 'hash', region }),
    seal: (regions) => run({ kind: 'seal', regions }),
    open: (bytes, blobs) => run({ kind: 'open', bytes, blobs }),
    check: (bytes, blobs) => run({ kind: 'check', bytes, blobs }),
    extract: (bytes, blobs) => run({ kind: 'extract', bytes, blobs }),
    async [Symbol.asyncDispose]() {
      fail(new Error('the worker threads were ended'))
      await Promise.all(running.map(({ worker }) => worker.terminate()))
    },
  }
}

/** Does the same in this thread: for a few blobs, starting threads would take longer than the work. */
export function createInlineBlobWorkers(data: BlobWorkerData): BlobWorkers {
  const thread: BlobThread = { ...data, hashes: new Map() }
  const run = async <Result extends BlobResult>(job: BlobJob): Promise<Result> => performBlobJob(job, thread) as Result
  let hashers = 0
  return {
    threads: 0,
    start: () => undefined,
    contentHasher() {
      const content = hashers++
      return {
        hash: (region, first) => run({ kind: 'hash', region, content: { number: content, first } }),
        digest: () => run({ kind: 'digest', content }),
        abandon: () => undefined,
      }
    },
    hash: (region) => run({ kind: 'hash', region }),
    seal: (regions) => run({ kind: 'seal', regions }),
    open: (bytes, blobs) => run({ kind: 'open', bytes, blobs }),
    check: (bytes, blobs) => run({ kind: 'check', bytes, blobs }),
    extract: (bytes, blobs) => run({ kind: 'extract', bytes, blobs }),
    async [Symbol.asyncDispose]() {},
  }
}

function transferOf(job: BlobJob): ArrayBuffer[] {
  if (!('bytes' in job)) return []
  const { buffer, byteLength } = job.bytes
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : []
}

/** Beside this module in the sources, beside the bundle when built. */
function startThread(data: BlobWorkerData): Worker {
  const fromSource = import.meta.url.endsWith('.ts')
  const url = new URL(fromSource ? './blob-worker-thread.ts' : './blob-worker-thread.js', import.meta.url)
  const worker = new Worker(url, {
    workerData: data,
    ...(fromSource ? { execArgv: ['--conditions=@backup-planet/source'] } : { execArgv: [] }),
    // Blobs lie outside of the heap that V8 measures; a small heap makes it let go of them sooner.
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
  })
  return worker
}
