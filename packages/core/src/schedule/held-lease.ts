import type { OperationOptions, Uploader } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import type { ProcessOwner } from '../staging/process-owner.ts'
import { doneWithin } from './bounded-work.ts'
import { giveBack } from './give-back.ts'
import { heartbeat, type LeaseObservations, leaseKey, nameOf, type Rival } from './lease-objects.ts'
import { type ClockMoment, momentOf, mostSince, type ScheduleClock } from './schedule-clock.ts'

/** A lease that was taken. What is done under it ends when its signal is aborted. */
export interface HeldLease extends AsyncDisposable {
  readonly job: string
  /** Aborted when the lease is lost, with a `BackupError` of code `CONFLICT` as its reason. */
  readonly signal: AbortSignal
  /** False as soon as somebody else may take it, even where the process was suspended and no signal could be told yet; true again when nobody has. */
  isHeld(): boolean
  /** Gives it back, within half a minute; never fails, since a lease that could not be removed is taken over later. */
  release(): Promise<void>
}

export interface LeaseToHold {
  readonly uploader: Uploader
  readonly job: string
  /** Of its objects: one, or several where none may be replaced. The last is stored again. */
  readonly keys: Set<string>
  readonly owner: ProcessOwner
  readonly clock: ScheduleClock
  readonly observed: LeaseObservations
  /** It is lost when it was not stored again for so long, */
  readonly lastsMilliseconds: number
  /** and is stored after every so many. */
  readonly beatMilliseconds: number
  /** A heartbeat that takes longer is given up. */
  readonly patienceMilliseconds: number
  /** Others that may hold it now. */
  readonly rivals: (options: OperationOptions) => Promise<readonly Rival[]>
}

/** For so long heartbeats on their way are waited for when it is given back. */
const lastBeatMilliseconds = 15_000
/** A machine that has slept is noticed within this. */
const longestNap = 10_000

/** @param storedAt when storing it was begun */
export function holdLease(lease: LeaseToHold, storedAt: ClockMoment): HeldLease {
  const { uploader, job, keys, clock, lastsMilliseconds } = lease
  const lost = new AbortController()
  const ended = new AbortController()
  let renewed = storedAt
  const isOver = (): boolean => lost.signal.aborted || ended.signal.aborted
  const over = AbortSignal.any([lost.signal, ended.signal])
  const stored = new Set<Promise<void>>()
  const watching = watch(clock, over, () => renewed.monotonic + lastsMilliseconds).then((isLost) => {
    if (isLost && !isOver()) lost.abort(lostError(job, uploader.destination))
  })
  const beating = beat({ ...lease, stored }, over, {
    renewed: () => renewed,
    renew: (at) => {
      if (!isOver() && clock.monotonic() < renewed.monotonic + lastsMilliseconds) renewed = at
    },
    lose: (rival) => {
      if (!isOver()) lost.abort(takenError(job, uploader.destination, nameOf(rival)))
    },
  })
  const release = async (): Promise<void> => {
    ended.abort()
    await doneWithin(clock, lastBeatMilliseconds, async () => {
      await Promise.all([watching, beating])
      await Promise.all(stored)
    })
    // Also of one that was lost: what a late heartbeat stored would keep others waiting.
    await Promise.all([...keys].map((key) => giveBack(key, lease, { storedAt: renewed, lastsMilliseconds })))
  }
  const isHeld = (): boolean => !isOver() && mostSince(clock, renewed) < lastsMilliseconds
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

interface BeatingLease extends LeaseToHold {
  /** What was given up and may still have its effect. */
  readonly stored: Set<Promise<void>>
}

interface Renewal {
  renewed(): ClockMoment
  renew(at: ClockMoment): void
  lose(rival: Rival): void
}

async function beat(lease: BeatingLease, over: AbortSignal, { renewed, renew, lose }: Renewal): Promise<void> {
  const { clock, beatMilliseconds, lastsMilliseconds } = lease
  const isLate = () => mostSince(clock, renewed()) >= lastsMilliseconds
  let next = renewed().monotonic + beatMilliseconds
  let earliest = 0
  for (let count = 1; ; count++) {
    while (clock.monotonic() < next && !(isLate() && clock.monotonic() >= earliest) && !over.aborted)
      await clock.wait(Math.min(next - clock.monotonic(), longestNap), over)
    if (over.aborted) return
    const at = momentOf(clock)
    // Others may have taken it over meanwhile. They are looked for once it is stored again, as by who takes it: of two at least one sees the other.
    const rivals = isLate() ? lease.rivals : undefined
    const seen = await beatOnce(lease, count, rivals, over)
    const [rival] = seen ?? []
    if (rival !== undefined) return lose(rival)
    if (seen !== undefined) renew(at)
    earliest = clock.monotonic() + beatMilliseconds / 4
    next = seen === undefined ? earliest : Math.max(at.monotonic + beatMilliseconds, earliest)
  }
}

/** Whom it sees; `undefined` where it failed. One that hangs is given up in time for another, and when the lease is over nothing is stored any more. */
async function beatOnce(
  lease: BeatingLease,
  count: number,
  rivals: LeaseToHold['rivals'] | undefined,
  over: AbortSignal,
): Promise<readonly Rival[] | undefined> {
  let seen: readonly Rival[] = []
  const isDone = await doneWithin(lease.clock, lease.patienceMilliseconds, async (late) => {
    const signal = AbortSignal.any([late, over])
    await storeAgain(lease, count, signal)
    if (rivals !== undefined) seen = await rivals({ signal })
  })
  return isDone ? seen : undefined
}

/** Where an object may not be replaced, each heartbeat is one of its own. */
async function storeAgain(lease: BeatingLease, count: number, signal: AbortSignal): Promise<void> {
  const { keys, job, owner } = lease
  const last = [...keys].at(-1) ?? leaseKey(job, owner)
  try {
    await store(lease, last, count, signal)
  } catch (error) {
    if (!BackupError.is(error) || error.code !== 'ACCESS_DENIED') throw error
    const next = leaseKey(job, owner)
    keys.add(next)
    await store(lease, next, count, signal)
  }
}

async function store({ uploader, owner, stored }: BeatingLease, key: string, count: number, signal: AbortSignal): Promise<void> {
  const upload = uploader.upload(key, heartbeat(owner, count), { signal })
  const settled: Promise<void> = upload.then(forget, forget)
  stored.add(settled)
  function forget(): void {
    stored.delete(settled)
  }
  await upload
}

function lostError(job: string, destination: string): BackupError {
  return new BackupError(`the lease of job "${job}" in ${destination} was lost, since it could not be renewed in time`, {
    code: 'CONFLICT',
    retryable: true,
    hint: 'The run was stopped, since another machine may begin one now; see why the store could not be reached, or why this process was suspended.',
  })
}

function takenError(job: string, destination: string, who: string): BackupError {
  return new BackupError(`the lease of job "${job}" in ${destination} was taken over by ${who} while this one could not renew it`, {
    code: 'CONFLICT',
    retryable: true,
    hint: 'The run was stopped, since the other works on the job now; see why this machine slept or stood still, or why its clock was set.',
  })
}
