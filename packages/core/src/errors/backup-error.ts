import { type FailureCode, failureCodes } from '../contracts/index.ts'

const brand = Symbol.for('@backup-planet/backup-error')

export interface BackupErrorOptions {
  readonly code: FailureCode
  /** Whether the same call may succeed later without anybody changing anything. Decided by the code when left out. */
  readonly retryable?: boolean | undefined
  /** A full sentence that tells the operator what to do. */
  readonly hint?: string | undefined
  readonly cause?: unknown
}

/** Codes that time alone may heal. */
const retryableCodes: ReadonlySet<FailureCode> = new Set(['UNREACHABLE', 'TIMED_OUT', 'OVERLOADED'])

/**
 * The one error that reaches an operator. Rules:
 *
 * - The message is lower-case, without full stop, and holds the values: which key, which table, how many bytes.
 * - The code is what programs decide by; messages may change in any release.
 * - The hint is a full sentence that tells the operator what to do next; it is never "contact support".
 * - An existing BackupError is passed through as it is, never wrapped into a vaguer one.
 * - No message, hint or cause holds a secret.
 * - A mistake of the programmer is a plain TypeError without code.
 */
export class BackupError extends Error {
  override readonly name = 'BackupError'
  readonly code: FailureCode
  readonly retryable: boolean
  readonly hint: string | undefined
  readonly [brand] = true

  constructor(message: string, options: BackupErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = options.code
    this.retryable = options.retryable ?? retryableCodes.has(options.code)
    this.hint = options.hint
  }

  /** Recognises errors of another installed copy of this package too. */
  static is(error: unknown): error is BackupError {
    return typeof error === 'object' && error !== null && (error as { [brand]?: unknown })[brand] === true
  }
}

/** The error to throw for an aborted signal; keeps the reason as cause. */
export function abortError(signal: AbortSignal, during: string): BackupError {
  if (BackupError.is(signal.reason) && signal.reason.code === 'ABORTED') return signal.reason
  return new BackupError(`${during} was aborted`, { code: 'ABORTED', retryable: false, cause: signal.reason })
}

/** What ended an operation: the failure that its signal was aborted with, such as a limit of time, where nobody asked for the end. Any other error as it is. */
export function endedBy(error: unknown): unknown {
  let found = error
  while (BackupError.is(found) && found.code === 'ABORTED' && BackupError.is(found.cause)) found = found.cause
  return found
}

/** Throws when the signal is aborted; the first statement of every operation with a side effect. */
export function throwIfAborted(signal: AbortSignal | undefined, during: string): void {
  if (signal?.aborted) throw abortError(signal, during)
}

export function isFailureCode(text: unknown): text is FailureCode {
  return (failureCodes as readonly unknown[]).includes(text)
}
