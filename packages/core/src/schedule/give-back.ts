import type { Uploader } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { doneWithin } from './bounded-work.ts'
import { givenBackMark, type LeaseObservations, reusedMark } from './lease-objects.ts'
import { type ClockMoment, mostSince, type ScheduleClock } from './schedule-clock.ts'

/** For so long it is tried to give a lease back. */
const giveBackMilliseconds = 15_000

export interface LeaseToGiveBack {
  readonly uploader: Uploader
  readonly observed: LeaseObservations
  readonly clock: ScheduleClock
}

/** When its object was stored last, and for how long nobody takes it for stale. */
export interface LeaseFreshness {
  readonly storedAt: ClockMoment
  readonly lastsMilliseconds: number
}

/**
 * Removes the object of a lease. Where it may not be removed it is marked, so that others need not wait until it is stale, and used again for the next lease: then
 * there are not more of them with every run. Never fails: what stays is noted in `observed`, and is stale for others later.
 */
export async function giveBack(key: string, { uploader, observed, clock }: LeaseToGiveBack, freshness: LeaseFreshness): Promise<void> {
  const isFresh = () => mostSince(clock, freshness.storedAt) < freshness.lastsMilliseconds
  let isFree = false
  const isGone = await doneWithin(clock, giveBackMilliseconds, async (signal) => {
    try {
      await uploader.remove(key, { signal })
    } catch (error) {
      // One that failed otherwise may still have its effect, on what is stored under the same key by then; as may that of somebody who found it stale.
      const isReused = BackupError.is(error) && error.code === 'ACCESS_DENIED' && isFresh()
      await uploader.upload(key, isReused ? reusedMark : givenBackMark, { signal })
      isFree = isReused && isFresh()
      throw error
    }
  })
  if (!isGone) observed.set(key, isFree ? 'free' : 'given back')
}
