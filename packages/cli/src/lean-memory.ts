import { setFlagsFromString } from 'node:v8'

/**
 * Keeps the process small while gigabytes pass through it, where the platform allows; without effect elsewhere.
 *
 * - Blocks on their way live for milliseconds, and V8 would answer to many of them with ever more room for young objects, in which
 *   their buffers outlive them.
 * - What is known of each file lives until its blocks are stored, which makes it old; V8 would let the old grow to the double first.
 * - glibc gives every thread an allocation arena of its own, and what one of them frees is of no use to the others. That can only be
 *   told to it when a process starts, so this one starts anew in its own place: same process id, same streams.
 *
 * Together they take 100 MB off a run with four readers and make nothing slower. Returns when there is nothing to start anew.
 */
export function keepMemoryLean(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--heap-growing-percent=20')
  const { MALLOC_ARENA_MAX: arenas } = process.env
  if (process.platform !== 'linux' || arenas !== undefined || typeof process.execve !== 'function') return
  const words = [process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  try {
    process.execve(process.execPath, words, { ...process.env, MALLOC_ARENA_MAX: '1' })
  } catch {
    // A process that may not replace itself only takes more memory.
  }
}
