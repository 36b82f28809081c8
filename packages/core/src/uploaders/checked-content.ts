import { createHash } from 'node:crypto'
import type { Reopenable } from '../contracts/index.ts'
import { abortError, BackupError, throwIfAborted } from '../errors/backup-error.ts'

export interface CheckedContent extends AsyncIterable<Uint8Array> {
  /** What was read; complete once the iteration has ended without an error. */
  facts(): { readonly size: number; readonly sha256: string }
}

export interface CheckOptions {
  readonly signal?: AbortSignal | undefined
  /** What to do when the content is another; a staged file is meant when it is left out. */
  readonly hint?: string
}

/**
 * The content of an upload, checked while it is read: it fails with `CORRUPTED` as soon as it is longer than announced, and
 * at its end when it is shorter or has another hash, which is taken on trust where the content is `unchanging`. Every uploader
 * reads through this, and commits only after the iteration has ended. Can be iterated once. Aborting ends it at once with
 * `ABORTED`, even while the source is stalled; the source's iterator is closed on every way out.
 *
 * @param what names the content in messages, such as `upload of a/b`
 */
export function checkedContent(content: Reopenable, what: string, options: CheckOptions = {}): CheckedContent {
  const announced = content.unchanging === true ? content.sha256 : undefined
  const hash = announced === undefined ? createHash('sha256') : undefined
  let facts: { readonly size: number; readonly sha256: string } | undefined

  async function* read(): AsyncGenerator<Uint8Array, void> {
    let size = 0
    for await (const chunk of measuredContent(content, what, options)) {
      size += chunk.byteLength
      hash?.update(chunk)
      yield chunk
    }
    const sha256 = hash?.digest('hex') ?? announced ?? ''
    if (content.sha256 !== undefined && sha256 !== content.sha256) {
      throw new BackupError(`${what}: content has sha256 ${sha256}, announced was ${content.sha256}`, {
        code: 'CORRUPTED',
        hint: options.hint ?? changedHint,
      })
    }
    facts = { size, sha256 }
  }

  return {
    [Symbol.asyncIterator]: read,
    facts() {
      if (facts === undefined) throw new TypeError('facts() is called before the content was read to its end')
      return facts
    },
  }
}

/**
 * As {@link checkedContent}, but looks at the size alone: for content of which no hash is announced, where each part of it is compared with what
 * arrived by a hash of its own.
 */
export async function* measuredContent(
  content: Pick<Reopenable, 'open' | 'size'>,
  what: string,
  { signal, hint = changedHint }: CheckOptions = {},
): AsyncGenerator<Uint8Array, void> {
  throwIfAborted(signal, what)
  const { size: announced } = content
  let size = 0
  for await (const chunk of abortable(content.open(), what, { signal })) {
    size += chunk.byteLength
    if (announced !== undefined && size > announced) throw wrongLength(what, announced, `at least ${size}`, hint)
    yield chunk
  }
  if (announced !== undefined && size !== announced) throw wrongLength(what, announced, String(size), hint)
}

/** Reads `source` and stops at once with `ABORTED` when the signal is aborted, without waiting for a stalled `next()`. */
export async function* abortable<Value>(
  source: AsyncIterable<Value>,
  what: string,
  options: { readonly signal?: AbortSignal | undefined },
): AsyncGenerator<Value, void> {
  const { signal } = options
  if (signal === undefined) {
    yield* source
    return
  }
  throwIfAborted(signal, what)
  const iterator = source[Symbol.asyncIterator]()
  let rejectNext: (error: unknown) => void = () => undefined
  const onAbort = (): void => rejectNext(abortError(signal, what))
  signal.addEventListener('abort', onAbort, { once: true })
  let ended = false
  try {
    while (true) {
      // Not Promise.race with one promise of the abort for all: that one would keep every value until it is settled.
      const result = await new Promise<IteratorResult<Value>>((resolve, reject) => {
        rejectNext = reject
        iterator.next().then(resolve, reject)
      })
      if (result.done === true) {
        ended = true
        break
      }
      yield result.value
      throwIfAborted(signal, what)
    }
  } catch (error) {
    // A generator that is stalled inside `next()` queues `return()` behind it: waiting for it would be waiting for the stall.
    if (signal.aborted) {
      ended = true
      Promise.resolve(iterator.return?.()).catch(() => undefined)
      throw abortError(signal, what)
    }
    ended = true
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
    if (!ended) await iterator.return?.()
  }
}

const changedHint =
  'The staged file has changed or its disk is damaged: nothing was stored. Check the disk of the staging directory and run the backup again.'

function wrongLength(what: string, announced: number, found: string, hint: string): BackupError {
  return new BackupError(`${what}: content has ${found} bytes, announced were ${announced}`, { code: 'CORRUPTED', hint })
}
