import type { Reopenable } from '../contracts/index.ts'
import { chunksOf, reopenable, sha256Of } from '../testing/chunks-of.ts'

/** Content whose announcement is wrong, or whose source misbehaves. */
export function endsEarly(bytes: Uint8Array): Reopenable {
  return { ...reopenable(bytes), open: () => chunksOf(bytes.subarray(0, bytes.byteLength - 1), [1000]) }
}

export function goesOn(bytes: Uint8Array): Reopenable {
  return { ...reopenable(bytes), size: bytes.byteLength - 1 }
}

/** Right length, wrong hash: as a disk that returns other bytes than were written. */
export function wrongHash(bytes: Uint8Array): Reopenable {
  return { ...reopenable(bytes), sha256: sha256Of(Buffer.from('something else')) }
}

export function throwsHalfWay(bytes: Uint8Array, error: unknown): Reopenable {
  return {
    ...reopenable(bytes),
    async *open() {
      yield* chunksOf(bytes.subarray(0, bytes.byteLength >> 1), [1000])
      throw error
    },
  }
}

/** Gives `bytes` up to half, calls `reached`, then waits for `goOn`; without it stalls for ever. */
export function pausesHalfWay(bytes: Uint8Array, reached: () => void, goOn?: Promise<void>): Reopenable {
  return {
    ...reopenable(bytes),
    async *open() {
      const half = bytes.byteLength >> 1
      yield* chunksOf(bytes.subarray(0, half), [1000])
      reached()
      await (goOn ?? new Promise<void>(() => undefined))
      yield* chunksOf(bytes.subarray(half), [1000])
    },
  }
}
