import assert from 'node:assert/strict'
import type { FailureCode } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'

/**
 * One promise of a contract as a plain function that rejects when the promise is broken. The suites wrap each in `it()`;
 * without a test runner they can be called directly.
 */
export interface ConformanceCheck<Harness> {
  readonly name: string
  run(harness: Harness): Promise<void>
}

/** Long enough for a slow machine and a far store, short enough for a test. */
const patienceMs = 10_000

/** Rejects when `promise` is not settled in time: what hangs is broken. */
export async function within<Result>(promise: Promise<Result>, what: string, milliseconds = patienceMs): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `${what} did not end within ${milliseconds} ms` })), milliseconds)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Asserts that `act` rejects with a BackupError of one of these codes, and returns it. */
export async function rejectsWith(
  act: () => Promise<unknown>,
  codes: FailureCode | readonly FailureCode[],
  what: string,
): Promise<BackupError> {
  const expected = typeof codes === 'string' ? [codes] : codes
  let result: unknown
  try {
    result = await within(act(), what)
  } catch (error) {
    if (!BackupError.is(error)) {
      throw new assert.AssertionError({
        message: `${what} must fail with a BackupError of ${expected.join(' or ')}, failed with ${String(error)}`,
      })
    }
    assert.ok(expected.includes(error.code), `${what} must fail with ${expected.join(' or ')}, failed with ${error.code}: ${error.message}`)
    return error
  }
  throw new assert.AssertionError({ message: `${what} must fail with ${expected.join(' or ')}, succeeded with ${JSON.stringify(result)}` })
}

/** Waits until `condition` holds, by looking again and again; fails when it takes too long. */
export async function eventually(condition: () => boolean | Promise<boolean>, what: string, milliseconds = patienceMs): Promise<void> {
  const deadline = Date.now() + milliseconds
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `${what} did not come true within ${milliseconds} ms`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export async function collect<Value>(source: AsyncIterable<Value>): Promise<Value[]> {
  const values: Value[] = []
  for await (const value of source) values.push(value)
  return values
}
