import { BackupError, type OperationOptions, type Problem, type RestoredItem } from '@backup-planet/core'
import { mysqlError } from '../mysql-errors.ts'
import { endsRestore } from './restore-session.ts'

/** Which items failed and why: one failed item fails only that item, and what was found on the way is told. */
export class ItemFailures {
  readonly problems: Problem[] = []
  readonly #failures = new Map<string, NonNullable<RestoredItem['failure']>>()
  readonly #options: OperationOptions

  constructor(options: OperationOptions) {
    this.#options = options
  }

  has(item: string): boolean {
    return this.#failures.has(item)
  }

  get(item: string): RestoredItem['failure'] {
    return this.#failures.get(item)
  }

  get any(): boolean {
    return this.#failures.size > 0
  }

  /** Throws the error itself when no other item can go on either, and mistakes of the programmer. The first failure of an item is kept. */
  fail(item: string, error: unknown): void {
    const failure = mysqlError(error, `restoring ${item}`)
    if (!BackupError.is(failure) || endsRestore(failure)) throw failure
    if (this.#failures.has(item)) return
    this.#failures.set(item, {
      code: failure.code,
      message: failure.message,
      ...(failure.hint === undefined ? {} : { hint: failure.hint }),
    })
    this.#options.onProgress?.({ type: 'item', phase: 'restore', item, state: 'failed' })
  }

  problem(problem: Problem): void {
    this.problems.push(problem)
    this.#options.onProgress?.({ type: 'problem', problem })
  }
}
