import { createHash } from 'node:crypto'
import { Worker } from 'node:worker_threads'

export interface Md5Request {
  readonly number: number
  readonly memory: SharedArrayBuffer
  readonly offset: number
  readonly length: number
}

export interface Md5Reply {
  readonly number: number
  readonly md5: string
}

/**
 * MD5 takes longer than everything else that is done with a part, and every store that is not AWS wants it. So a thread computes that of
 * the next parts while this one sends those before.
 */
export interface Md5Thread {
  /**
   * Lower-case hex. Nobody may change `bytes` until it resolves. Those that are few, or lie in memory that no thread can see, are hashed
   * here, and so are all when the thread has failed.
   */
  md5Of(bytes: Uint8Array): Promise<string>
  /** Ends the thread; what it still works on is hashed here. */
  end(): void
}

/** Fewer are hashed sooner than they are handed over. */
export const fewBytes = 256 * 1024

export function createMd5Thread(): Md5Thread {
  const waiting = new Map<number, { readonly bytes: Uint8Array; readonly resolve: (md5: string) => void }>()
  let worker: Worker | undefined
  let failed = false
  let requests = 0

  function settle(number: number, md5?: string): void {
    const request = waiting.get(number)
    waiting.delete(number)
    // A thread that has nothing to do keeps no process alive.
    if (waiting.size === 0) worker?.unref()
    request?.resolve(md5 ?? md5Of(request.bytes))
  }

  function giveUp(): void {
    failed = true
    worker = undefined
    for (const number of [...waiting.keys()]) settle(number)
  }

  function start(): Worker {
    const started = startWorker()
    started.on('message', ({ number, md5 }: Md5Reply) => settle(number, md5))
    started.on('error', giveUp)
    started.on('exit', giveUp)
    return started
  }

  return {
    async md5Of(bytes) {
      const { buffer, byteOffset: offset, byteLength: length } = bytes
      if (failed || length < fewBytes || !(buffer instanceof SharedArrayBuffer)) return md5Of(bytes)
      return await new Promise((resolve) => {
        const number = ++requests
        waiting.set(number, { bytes, resolve })
        try {
          worker ??= start()
          worker.ref()
          worker.postMessage({ number, memory: buffer, offset, length } satisfies Md5Request)
        } catch {
          giveUp()
        }
      })
    },
    end() {
      const ended = worker
      giveUp()
      void ended?.terminate()
    },
  }
}

function md5Of(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}

/** Beside this module in the sources, beside the bundle when built. */
function startWorker(): Worker {
  const fromSource = import.meta.url.endsWith('.ts')
  return new Worker(new URL(fromSource ? './md5-worker-thread.ts' : './md5-worker-thread.js', import.meta.url), {
    execArgv: fromSource ? ['--conditions=@backup-planet/source'] : [],
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1 },
  })
}
