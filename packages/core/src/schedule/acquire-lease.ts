import type { OperationOptions, Uploader } from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { currentOwner, type ProcessOwner } from '../staging/process-owner.ts'
import { giveBack } from './give-back.ts'
import { type HeldLease, holdLease } from './held-lease.ts'
import { leaseConflict } from './lease-conflict.ts'
import { findRivals, freeLeaseKey, heartbeat, type LeaseObservations, type LookForRivals, nameOf, type Rival } from './lease-objects.ts'
import { momentOf, mostSince, type ScheduleClock, systemClock } from './schedule-clock.ts'

export interface LeaseRequest {
  readonly job: string
  /** A lease whose heartbeat does not change for so long is taken over; the same for everybody who takes leases of the job. 300, five minutes, when left out. */
  readonly staleSeconds?: number
  /** For so long the end of another's lease is waited for. 0 when left out. */
  readonly waitSeconds?: number
  /** Kept from attempt to attempt, so that a lease that was left behind is found stale although no attempt lasts as long. */
  readonly observed?: LeaseObservations
  readonly clock?: ScheduleClock
  readonly owner?: ProcessOwner
  /** From 0 up to 1. */
  readonly random?: () => number
}

/** How long two that begin in the same instant may go on stepping back for each other, whatever the wait. */
const tieMilliseconds = 5000

/**
 * Takes the one lease of a job in a store, across machines. It saves work: two machines do not make one backup twice. It keeps no data safe, which the
 * repository's own rules do, since a process that was suspended can find that its lease was lost only once it goes on.
 *
 * Every taker first stores an object of its own and looks at the others afterwards, so of two at least one sees the other; who sees another that may be held
 * withdraws, and tries again after a random wait. The holder stores it again and again, and lets go when it could not for two thirds of the time after
 * which others take it over. After a heartbeat that came so late, such as once the machine has slept, it looks for others again.
 *
 * Throws `CONFLICT` while somebody else holds it, naming him, which `isLeaseConflict` tells from any other, and what the store fails with.
 */
export async function acquireLease(uploader: Uploader, request: LeaseRequest, options: OperationOptions = {}): Promise<HeldLease> {
  const { job, staleSeconds = 300, waitSeconds = 0, observed = new Map(), clock = systemClock, random = Math.random } = request
  const { signal } = options
  throwIfAborted(signal, `taking the lease of job "${job}"`)
  const owner = request.owner ?? (await currentOwner())
  const staleMilliseconds = staleSeconds * 1000
  const look = (own: ReadonlySet<string>): LookForRivals => ({
    uploader,
    job,
    own,
    observed,
    staleMilliseconds,
    monotonic: clock.monotonic,
  })
  const began = clock.monotonic()
  for (;;) {
    let rivals = await findRivals(look(new Set()), { signal })
    const tied = rivals.length === 0
    if (tied) {
      const claim = await stake({ uploader, job, owner, observed, clock, staleMilliseconds, look }, options)
      if ('release' in claim) return claim
      rivals = claim.rivals
    }
    const patience = tied ? Math.max(waitSeconds * 1000, tieMilliseconds) : waitSeconds * 1000
    const wait = tied ? random() * 500 + 50 : Math.min(staleMilliseconds / 6, 5000) * (0.5 + random())
    if (clock.monotonic() - began + wait > patience) throw leaseConflict(job, nameOf(rivals[0]))
    await clock.wait(wait, signal)
    throwIfAborted(signal, `taking the lease of job "${job}"`)
  }
}

interface Stake {
  readonly uploader: Uploader
  readonly job: string
  readonly owner: ProcessOwner
  readonly observed: LeaseObservations
  readonly clock: ScheduleClock
  readonly staleMilliseconds: number
  readonly look: (own: ReadonlySet<string>) => LookForRivals
}

/** Holds the lease, or has withdrawn from it for these. */
async function stake(parts: Stake, { signal }: OperationOptions): Promise<HeldLease | { readonly rivals: readonly Rival[] }> {
  const { uploader, job, owner, observed, clock, staleMilliseconds, look } = parts
  const key = freeLeaseKey(job, owner, observed)
  const keys = new Set([key])
  const held = {
    uploader,
    job,
    keys,
    owner,
    observed,
    clock,
    lastsMilliseconds: (staleMilliseconds * 2) / 3,
    beatMilliseconds: staleMilliseconds / 5,
    patienceMilliseconds: (staleMilliseconds * 3) / 20,
    rivals: (options: OperationOptions) => findRivals(look(keys), options),
  }
  const storedAt = momentOf(clock)
  const withdraw = () => giveBack(key, held, { storedAt, lastsMilliseconds: held.lastsMilliseconds })
  try {
    await uploader.upload(key, heartbeat(owner, 0), { signal })
    const rivals = await findRivals(look(keys), { signal })
    if (rivals.length === 0 && mostSince(clock, storedAt) < held.lastsMilliseconds) return holdLease(held, storedAt)
    if (rivals.length === 0) throw tooSlow(uploader)
    await withdraw()
    return { rivals }
  } catch (error) {
    await withdraw()
    throw error
  }
}

function tooSlow({ destination }: Uploader): BackupError {
  return new BackupError(`${destination} takes too long to store and to list a lease`, {
    code: 'TIMED_OUT',
    hint: 'Try again when the store answers faster.',
  })
}
