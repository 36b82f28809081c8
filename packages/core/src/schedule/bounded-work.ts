import type { ScheduleClock } from './schedule-clock.ts'

/** Whether it was done: false where it failed, and where it did not end in so many milliseconds; then its signal is aborted, and it is not waited for any more. */
export async function doneWithin(
  clock: ScheduleClock,
  milliseconds: number,
  work: (signal: AbortSignal) => Promise<unknown>,
): Promise<boolean> {
  const late = new AbortController()
  const ended = new AbortController()
  const done = work(late.signal).then(
    () => true,
    () => false,
  )
  const tooLate = clock.wait(milliseconds, ended.signal).then(() => false)
  try {
    return await Promise.race([done, tooLate])
  } finally {
    ended.abort()
    late.abort()
  }
}
