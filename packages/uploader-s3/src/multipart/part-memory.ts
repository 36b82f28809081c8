import { abortError, throwIfAborted } from '@backup-planet/core'
import { fewBytes } from '../digests/md5-thread.ts'

/** Memory that uploads share: whoever needs more than is left waits, first come first served. */
export interface PartMemory {
  /**
   * Resolves with a buffer of `bytes`, which may hold what an earlier part left. One that is larger than all there is gets it when
   * nobody else has any. Threads can see it, unless it is small. Rejects with `ABORTED`.
   */
  take(bytes: number, signal: AbortSignal | undefined): Promise<Buffer>
  /** The buffer must come from `take` and nobody may touch it any more. */
  giveBack(buffer: Buffer): void
  /** What is taken now. */
  readonly takenBytes: number
}

/** Smaller ones are allocated anew each time: to keep them would be more work than to make them. */
const smallestKeptBytes = 1024 ** 2

export function createPartMemory(budgetBytes: number): PartMemory {
  let takenBytes = 0
  const kept: Buffer[] = []
  const waiting: { readonly bytes: number; readonly grant: (buffer: Buffer) => void }[] = []

  function fits(bytes: number): boolean {
    return takenBytes === 0 || takenBytes + bytes <= budgetBytes
  }

  function allocate(bytes: number): Buffer {
    takenBytes += bytes
    const index = kept.findIndex((buffer) => buffer.byteLength === bytes)
    const [found] = index < 0 ? [] : kept.splice(index, 1)
    // Kept ones of other sizes count as well: they go where there is no room beside what is taken.
    while (kept.length > 0 && takenBytes + kept.reduce((sum, buffer) => sum + buffer.byteLength, 0) > budgetBytes) kept.shift()
    return found ?? (bytes < fewBytes ? Buffer.allocUnsafeSlow(bytes) : Buffer.from(new SharedArrayBuffer(bytes)))
  }

  function serve(): void {
    for (let next = waiting[0]; next !== undefined && fits(next.bytes); next = waiting[0]) {
      waiting.shift()
      next.grant(allocate(next.bytes))
    }
  }

  return {
    get takenBytes() {
      return takenBytes
    },
    take(bytes, signal) {
      return new Promise((resolve, reject) => {
        throwIfAborted(signal, 'upload that waited for memory')
        const onAbort = (): void => {
          const index = waiting.indexOf(entry)
          if (index >= 0) waiting.splice(index, 1)
          if (signal !== undefined) reject(abortError(signal, 'upload that waited for memory'))
          serve()
        }
        const entry = {
          bytes,
          grant(buffer: Buffer) {
            signal?.removeEventListener('abort', onAbort)
            resolve(buffer)
          },
        }
        signal?.addEventListener('abort', onAbort, { once: true })
        waiting.push(entry)
        serve()
      })
    },
    giveBack(buffer) {
      takenBytes -= buffer.byteLength
      if (buffer.byteLength >= smallestKeptBytes && buffer.byteLength <= budgetBytes) kept.push(buffer)
      serve()
    },
  }
}
