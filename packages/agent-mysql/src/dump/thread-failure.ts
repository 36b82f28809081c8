import type { FailureCode } from '@backup-planet/core'

/**
 * A failure with a code inside a reading thread, which becomes a `BackupError` in the main thread. Threads load neither the core package nor
 * its schemas: each would cost them a second and 30 MB.
 */
export class ThreadFailure extends Error {
  readonly code: FailureCode
  readonly hint: string

  constructor(message: string, code: FailureCode, hint: string) {
    super(message)
    this.code = code
    this.hint = hint
  }
}
