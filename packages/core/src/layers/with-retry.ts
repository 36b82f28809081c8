import { setTimeout as waitFor } from 'node:timers/promises'
import type { ByteRange, FailureCode, OperationOptions, Uploader } from '../contracts/index.ts'
import { abortError, BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { uploaderLayer } from './uploader-layer.ts'

export interface RetrySettings {
  /** How often an operation is tried in all; 5 when left out. A download or list that got on begins to count anew. */
  readonly attempts?: number
  /** Upper bound of the first pause, doubled with each further one; 500 when left out. */
  readonly firstDelayMs?: number
  /** Upper bound of every pause; 30 000 when left out. */
  readonly longestDelayMs?: number
  /** From 0 up to 1; each pause is this part of its upper bound ("full jitter"), so that many clients do not return at once. */
  readonly random?: () => number
  /** Resolves after `milliseconds`; rejects when the signal is aborted. */
  readonly wait?: (milliseconds: number, signal: AbortSignal | undefined) => Promise<void>
  /** Called before each pause; must not throw. */
  readonly onRetry?: (notice: RetryNotice) => void
}

export interface RetryNotice {
  readonly operation: 'upload' | 'download' | 'stat' | 'list' | 'remove'
  /** The prefix, for a list; how many, where several are removed at once. */
  readonly key: string
  /** The attempt that failed, from 1. */
  readonly attempt: number
  readonly delayMs: number
  readonly error: unknown
}

/** Failures of client libraries that time alone may heal; a BackupError says it itself. */
const healing: ReadonlySet<FailureCode> = new Set(['UNREACHABLE', 'TIMED_OUT', 'OVERLOADED'])

/**
 * Tries again what fails for a reason that may pass. Never after an abort, never after a mistake of the programmer, never
 * when the failure is permanent. A download goes on at the byte where it broke; a list begins again and leaves out what it
 * has already given. Nothing is removed before another attempt: a failed upload leaves nothing of its own at its key, and what is there is
 * the old object, which may be the only one for long.
 * Errors of client libraries leave here as BackupErrors, named by the uploader's `classify`.
 *
 * A download that goes on reads the object as it is then. Objects that are replaced while they are read need a
 * checksum of their own, as all files of a backup have.
 */
export function withRetry(uploader: Uploader, settings: RetrySettings = {}): Uploader {
  const { attempts = 5, firstDelayMs = 500, longestDelayMs = 30_000, random = Math.random, wait = waitAbortable, onRetry } = settings
  if (!Number.isSafeInteger(attempts) || attempts < 1) throw new TypeError(`attempts is ${attempts}, must be an integer from 1`)

  /** Pauses before the next attempt, or throws what shall reach the caller. */
  async function pause(
    error: unknown,
    operation: RetryNotice['operation'],
    key: string,
    attempt: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const what = `${operation} of ${key}`
    if (signal?.aborted) throw abortError(signal, what)
    if (attempt >= attempts || !mayHeal(uploader, error)) throw named(uploader, error, what)
    const delayMs = Math.floor(random() * Math.min(longestDelayMs, firstDelayMs * 2 ** (attempt - 1)))
    onRetry?.({ operation, key, attempt, delayMs, error })
    await wait(delayMs, signal)
    throwIfAborted(signal, what)
  }

  async function retried<Result>(
    operation: RetryNotice['operation'],
    key: string,
    options: OperationOptions | undefined,
    run: () => Promise<Result>,
  ): Promise<Result> {
    throwIfAborted(options?.signal, `${operation} of ${key}`)
    for (let attempt = 1; ; attempt++) {
      try {
        return await run()
      } catch (error) {
        await pause(error, operation, key, attempt, options?.signal)
      }
    }
  }

  const removeAll = uploader.removeAll?.bind(uploader)
  return uploaderLayer(uploader, {
    upload: (key, content, options) => retried('upload', key, options, () => uploader.upload(key, content, options)),
    stat: (key, options) => retried('stat', key, options, () => uploader.stat(key, options)),
    remove: (key, options) => retried('remove', key, options, () => uploader.remove(key, options)),
    ...(removeAll === undefined
      ? {}
      : { removeAll: (keys, options) => retried('remove', several(keys), options, () => removeAll(keys, options)) }),

    async *download(key, range, options) {
      throwIfAborted(options?.signal, `download of ${key}`)
      let received = 0
      for (let attempt = 1; ; attempt++) {
        try {
          const begun = received
          let skip = uploader.supports.rangeRead ? 0 : received
          for await (const chunk of uploader.download(key, uploader.supports.rangeRead ? rest(range, received) : range, options)) {
            const part = skip < chunk.byteLength ? chunk.subarray(skip) : undefined
            skip -= Math.min(skip, chunk.byteLength)
            if (part === undefined) continue
            received += part.byteLength
            if (received > begun) attempt = 1
            yield part
          }
          return
        } catch (error) {
          // Every byte was given: what may heal needs no other attempt.
          const complete = range?.end !== undefined && received > 0 && received >= range.end - range.begin
          if (complete && mayHeal(uploader, error) && !options?.signal?.aborted) return
          await pause(error, 'download', key, attempt, options?.signal)
        }
      }
    },

    async *list(prefix, options) {
      throwIfAborted(options?.signal, `list of ${prefix}`)
      const given = new Set<string>()
      for (let attempt = 1; ; attempt++) {
        try {
          for await (const object of uploader.list(prefix, options)) {
            if (given.has(object.key)) continue
            given.add(object.key)
            attempt = 1
            yield object
          }
          return
        } catch (error) {
          await pause(error, 'list', prefix, attempt, options?.signal)
        }
      }
    },
  })
}

function several(keys: readonly string[]): string {
  return `${keys.length} objects`
}

function rest(range: ByteRange | undefined, received: number): ByteRange | undefined {
  if (received === 0) return range
  const begin = (range?.begin ?? 0) + received
  return range?.end === undefined ? { begin } : { begin, end: range.end }
}

function mayHeal(uploader: Uploader, error: unknown): boolean {
  if (BackupError.is(error)) return error.retryable
  return healing.has(uploader.classify(error))
}

function named(uploader: Uploader, error: unknown, what: string): unknown {
  if (BackupError.is(error)) return error
  const code = uploader.classify(error)
  // A mistake of the programmer; fetch says "TypeError" for a broken connection too, and then the uploader knows its code.
  if (code === 'UNKNOWN' && (error instanceof TypeError || error instanceof ReferenceError)) return error
  return new BackupError(`${what} failed at ${uploader.destination}`, {
    code,
    hint: 'The cause beside this error is what the client library said; correct it and try again.',
    cause: error,
  })
}

async function waitAbortable(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await waitFor(milliseconds, undefined, signal === undefined ? {} : { signal })
  } catch (error) {
    if (signal?.aborted) throw abortError(signal, 'pause before another attempt')
    throw error
  }
}
