import { type BlobThread, performBlobJob } from './blob-jobs.ts'
import type {
  BlobJob,
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
import { type WorkerThread, WorkerThreads } from './worker-threads.ts'

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

/** Threads are started with the first jobs, or by `start`. Disposing ends them; jobs that have not ended are rejected. */
export function createBlobWorkers(data: BlobWorkerData, threads: number): BlobWorkers {
  const running = new WorkerThreads(data, threads)
  let hashers = 0
  return {
    threads,
    start: () => running.startAll(),
    contentHasher: () => pinnedHasher(running, hashers++),
    ...jobsOf((job) => running.run(job)),
    [Symbol.asyncDispose]: () => running.end(),
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
    ...jobsOf(run),
    async [Symbol.asyncDispose]() {},
  }
}

type Run = <Result extends BlobResult>(job: BlobJob) => Promise<Result>

function jobsOf(run: Run): Pick<BlobWorkers, 'hash' | 'seal' | 'open' | 'check' | 'extract'> {
  return {
    hash: (region) => run({ kind: 'hash', region }),
    seal: (regions) => run({ kind: 'seal', regions }),
    open: (bytes, blobs) => run({ kind: 'open', bytes, blobs }),
    check: (bytes, blobs) => run({ kind: 'check', bytes, blobs }),
    extract: (bytes, blobs) => run({ kind: 'extract', bytes, blobs }),
  }
}

/** A content stays with the thread that hashed its first chunk: the state of a hash cannot be moved. */
function pinnedHasher(threads: WorkerThreads, content: number): ContentHasher {
  let thread: WorkerThread | undefined
  const abandon = (): void => {
    if (thread !== undefined) thread.contents--
    thread = undefined
  }
  return {
    hash(region, first) {
      if (first) {
        abandon()
        thread = threads.leastHashing()
        if (thread !== undefined) thread.contents++
      }
      return threads.run({ kind: 'hash', region, content: { number: content, first } }, thread)
    },
    digest() {
      const hashed = threads.run<HashResult>({ kind: 'digest', content }, thread)
      abandon()
      return hashed
    },
    abandon,
  }
}
