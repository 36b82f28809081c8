import type { Uploader } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import type { ProcessOwner } from '../staging/process-owner.ts'
import { heartbeat, type LeaseObservations } from './lease-objects.ts'
import type { ScheduleClock } from './schedule-clock.ts'

/** A lease that was taken. What is done under it ends when its signal is aborted. */
export interface HeldLease extends AsyncDisposable {
  readonly job: string
  /** Aborted when the lease is lost, with a `BackupError` of code `CONFLICT` as its reason. */
  readonly signal: AbortSignal
  /** False as soon as somebody else may take it, even where the process was suspended and no signal could be told yet. */
  isHeld(): boolean
  /** Gives it back; never fails, since a lease that could not be removed is taken over later. */
  release(): Promise<void>
}

export interface LeaseToHold {
  readonly uploader: Uploader
  readonly job: string
  readonly key: string
  readonly owner: ProcessOwner
  readonly clock: ScheduleClock
  readonly observed: LeaseObservations
  /** It is lost when it was not stored again for so long, */
  readonly lastsMilliseconds: number
  /** and is stored after every so many. */
  readonly beatMilliseconds: number
}

/** @param storedAt monotonic moment at which storing it was begun */
export function holdLease(lease: LeaseToHold, storedAt: number): HeldLease {
  const { uploader, job, key, observed, clock, lastsMilliseconds } = lease
  const lost = new AbortController()
  const ended = new AbortController()
  let heldUntil = storedAt + lastsMilliseconds
  const isHeld = (): boolean => !lost.signal.aborted && !ended.signal.aborted && clock.monotonic() < heldUntil
  const over = AbortSignal.any([lost.signal, ended.signal])
  const watching = watch(clock, over, () => heldUntil).then((isLost) => {
    if (isLost) lost.abort(lostError(job, uploader.destination))
  })
  const beating = beat(lease, storedAt, over, (at) => {
    if (isHeld()) heldUntil = at + lastsMilliseconds
  })
  const release = async (): Promise<void> => {
    ended.abort()
    await Promise.all([watching, beating])
    // Also of one that was lost: what a late heartbeat stored would keep others waiting.
    await uploader.remove(key).catch(() => observed.set(key, 'given back'))
  }
  return { job, signal: lost.signal, isHeld, release, [Symbol.asyncDispose]: release }
}

/** Whether it was lost, once it is over. */
async function watch(clock: ScheduleClock, over: AbortSignal, heldUntil: () => number): Promise<boolean> {
  for (;;) {
    await clock.wait(Math.max(0, heldUntil() - clock.monotonic()), over)
    if (over.aborted) return false
    if (clock.monotonic() >= heldUntil()) return true
  }
}

async function beat(lease: LeaseToHold, storedAt: number, over: AbortSignal, stored: (at: number) => void): Promise<void> {
  const { clock, beatMilliseconds } = lease
  let next = storedAt + beatMilliseconds
  for (let count = 1; ; count++) {
    await clock.wait(Math.max(0, next - clock.monotonic()), over)
    if (over.aborted) return
    const at = clock.monotonic()
    if (await beatOnce(lease, count, over)) stored(at)
    next = Math.max(at + beatMilliseconds, clock.monotonic() + beatMilliseconds / 4)
  }
}

/** One that hangs is given up in time for another, and when the lease is over nothing is stored any more. */
async function beatOnce(
  { uploader, key, owner, clock, beatMilliseconds }: LeaseToHold,
  count: number,
  over: AbortSignal,
): Promise<boolean> {
  const ended = new AbortController()
  const late = new AbortController()
  void clock.wait(beatMilliseconds * 1.5, AbortSignal.any([ended.signal, over])).then(() => late.abort())
  try {
    await uploader.upload(key, heartbeat(owner, count), { signal: AbortSignal.any([late.signal, over]) })
    return true
  } catch {
    return false
  } finally {
    ended.abort()
  }
}

function lostError(job: string, destination: string): BackupError {
  return new BackupError(`the lease of job "${job}" in ${destination} was lost, since it could not be renewed in time`, {
    code: 'CONFLICT',
    retryable: true,
    hint: 'The run was stopped, since another machine may begin one now; see why the store could not be reached, or why this process was suspended.',
  })
}
