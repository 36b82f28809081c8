import { Worker } from 'node:worker_threads'
import { performBlobJob } from './blob-jobs.ts'
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
  hash(region: Region): Promise<HashResult>
  seal(regions: readonly Region[]): Promise<SealResult>
  /** The bytes belong to the workers from then on. */
  open(bytes: Uint8Array, blobs: readonly PackedRegion[]): Promise<OpenResult>
  /** The same where nobody wants the plaintexts: they leave no trace in memory. */
  check(bytes: Uint8Array, blobs: readonly PackedRegion[]): Promise<CheckResult>
  /** Writes the plaintexts to files. When it rejects nobody knows how far it came, until these workers are disposed of. */
  extract(bytes: Uint8Array, blobs: readonly ExtractRegion[]): Promise<ExtractResult>
}

/** Enough that a thread never waits for its next job, and few enough that no thread works off the jobs of another. */
const jobsAhead = 2

interface Waiting {
  readonly job: BlobJob
  readonly resolve: (result: BlobResult) => void
  readonly reject: (error: unknown) => void
}

/** Threads are started with the first jobs. Disposing ends them; jobs that have not ended are rejected. */
export function createBlobWorkers(data: BlobWorkerData, threads: number): BlobWorkers {
  const running: { readonly worker: Worker; readonly jobs: Map<number, Waiting> }[] = []
  const queue: Waiting[] = []
  let failure: unknown
  let number = 0

  const fail = (error: unknown): void => {
    failure ??= error
    for (const { jobs } of running) {
      for (const { reject } of jobs.values()) reject(failure)
      jobs.clear()
    }
    for (const { reject } of queue.splice(0)) reject(failure)
  }

  const start = () => {
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
    running.push({ worker, jobs })
  }

  const next = (): void => {
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
      least.jobs.set(++number, waiting)
      least.worker.postMessage({ number, job: waiting.job }, transferOf(waiting.job))
    }
  }

  const run = <Result extends BlobResult>(job: BlobJob): Promise<Result> =>
    new Promise((resolve, reject) => {
      if (failure !== undefined) return reject(failure)
      queue.push({ job, resolve: resolve as (result: BlobResult) => void, reject })
      next()
    })

  return {
    threads,
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
  const run = async <Result extends BlobResult>(job: BlobJob): Promise<Result> => performBlobJob(job, data) as Result
  return {
    threads: 0,
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
