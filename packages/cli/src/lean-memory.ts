import { setFlagsFromString } from 'node:v8'

/** One MiB of young objects before they are looked through. V8 takes it only from the command line: it has made its room before any code runs. */
export const smallYoungSpace = '--max-semi-space-size=1'

/** Lets this process, and the threads of its plugins, collect what is not used any more when they know that there is much of it. */
export const collectionByProgram = '--expose-gc'

/**
 * Keeps the process small while gigabytes pass through it, where the platform allows; without effect elsewhere.
 *
 * - Blocks on their way live for milliseconds, but their buffers stay until V8 looks through its young objects. It knows only the few
 *   bytes by which an object holds its buffer, so the less room there is for them, the sooner it looks.
 * - What is known of each file lives until its blocks are stored, which makes it old; V8 would let the old grow to the double first.
 * - Some buffers outlive two looks and count as old, of which V8 sees no need to collect any while it sees only those few bytes: within a
 *   minute they are tens of megabytes. So all is collected at a steady pace.
 * - glibc gives every thread an allocation arena of its own, and what one of them frees is of no use to the others.
 *
 * All but the second can only be told when a process starts, so this one starts anew in its own place: same process id, same streams.
 * Where that is not possible, the room for young objects at least does not grow. Whoever has set the arenas is not started anew, which
 * is also how the new process knows that it is one. Returns when there is nothing to start anew.
 */
export function keepMemoryLean(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--heap-growing-percent=20')
  const { MALLOC_ARENA_MAX: arenas } = process.env
  if (arenas !== undefined) collectSteadily()
  if (process.platform !== 'linux' || arenas !== undefined || typeof process.execve !== 'function') return
  // Before the others: who asks for another size gets it.
  const words = [process.execPath, smallYoungSpace, collectionByProgram, ...process.execArgv, ...process.argv.slice(1)]
  try {
    process.execve(process.execPath, words, { ...process.env, MALLOC_ARENA_MAX: '1' })
  } catch {
    // A process that may not replace itself only takes more memory.
  }
}

/** The main thread; those that read for an agent collect by what they have read. Takes a fiftieth of the time at most. */
function collectSteadily(): void {
  const { gc } = globalThis
  if (gc === undefined) return
  const after = (milliseconds: number): void => {
    setTimeout(() => {
      const begun = performance.now()
      gc()
      after(Math.max(1000, 50 * (performance.now() - begun)))
    }, milliseconds).unref()
  }
  after(1000)
}

/** For uploads through which many buffers pass, see `manyBuffers` of their plugin: a third to a half of the processor time is spared. */
export function markHeapAtOnce(): void {
  setFlagsFromString('--no-incremental-marking')
}
