import type { Readable, Writable } from 'node:stream'

/** How long an output may stay silent after the program has ended, before what holds it open is no longer waited for. */
const silenceMs = 1000

/**
 * Something that happens once and cuts short one wait after the other. Not `Promise.race` with one promise for all waits: that
 * promise would keep what each of them resolved with, which is everything that ever passed, until it is settled.
 */
class Ending {
  #happened = false
  #wake: () => void = () => undefined

  get happened(): boolean {
    return this.#happened
  }

  readonly happen = (): void => {
    this.#happened = true
    this.#wake()
  }

  /** Resolves when `other` is settled or this has happened; one wait at a time. */
  async orSettled(other: Promise<unknown>): Promise<void> {
    if (this.#happened) return
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      other.then(
        () => resolve(),
        () => resolve(),
      )
    })
  }
}

/** Gives every chunk to `receive`, one after the other. Resolves whether the stream came to its end. */
export async function readOutput(
  stream: Readable | null,
  exited: Promise<unknown>,
  receive: (chunk: Uint8Array) => void | Promise<void>,
): Promise<boolean> {
  if (stream === null) return true
  const exit = new Ending()
  exited.then(exit.happen)
  const iterator = stream[Symbol.asyncIterator]()
  while (true) {
    const next: Promise<IteratorResult<Uint8Array>> = iterator.next()
    next.catch(() => undefined)
    await exit.orSettled(next)
    const result = await orSilence(next)
    if (result === undefined || result.done === true) {
      stream.destroy()
      return result !== undefined
    }
    await receive(result.value)
  }
}

async function orSilence<Result>(next: Promise<Result>): Promise<Result | undefined> {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), silenceMs)
  })
  try {
    return await Promise.race([next, silence])
  } finally {
    clearTimeout(timer)
  }
}

/** Writes all of the input, as long as the program wants it. */
export async function writeInput(
  stream: Writable | null,
  input: AsyncIterable<Uint8Array> | undefined,
  exited: Promise<unknown>,
): Promise<void> {
  if (stream === null || input === undefined) return
  const end = new Ending()
  // EPIPE: the program does not want more. Its exit code says whether that is a failure.
  stream.once('error', end.happen)
  stream.once('close', end.happen)
  exited.then(end.happen)
  const iterator = input[Symbol.asyncIterator]()
  while (!end.happened) {
    const next = iterator.next()
    next.catch(() => undefined)
    await end.orSettled(next)
    if (end.happened) break
    const { done, value } = await next
    if (done === true) {
      stream.end()
      return
    }
    await end.orSettled(new Promise<void>((resolve) => stream.write(value, () => resolve())))
  }
  Promise.resolve(iterator.return?.()).catch(() => undefined)
}
