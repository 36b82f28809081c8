import { randomInt } from 'node:crypto'
import { open, readdir, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { OperationOptions } from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { currentOwner, isSameOwner, ownedName, ownerInName, ownerState, type ProcessOwner } from './process-owner.ts'

const runs = 'lock'
/** The lock of a run that stores what was followed. */
const followedRuns = 'storing'
const follows = 'follow'
const refreshSeconds = 60
/** A process of another host, boot or container cannot be asked; it refreshes its lock every minute. */
const foreignStaleSeconds = 30 * 60

/** Who follows a job stores for moments only: for so long a run waits for one of them. */
const followerPatienceMilliseconds = 60_000

/** Held while any stage of a job is filled or drained. Every holder lets go once; the last one frees the job. */
export interface JobLock {
  share(): JobLock
  release(): Promise<void>
}

/**
 * Takes the one lock of a job folder. Every taker first creates a file with a name of its own and looks at the others
 * afterwards, so of two takers at least one sees the other, and removing a dead taker's file can never hit a living one.
 * Locks of killed processes are taken over at once. Throws `CONFLICT` while another one is held, in this process or elsewhere; only for one of
 * somebody who follows the job it waits.
 *
 * @param options.followed it is for what was followed, and held for moments only
 */
export async function acquireJobLock(
  folder: string,
  job: string,
  { signal, followed = false }: OperationOptions & { readonly followed?: boolean } = {},
): Promise<JobLock> {
  const deadline = performance.now() + followerPatienceMilliseconds
  for (;;) {
    try {
      return await acquire(folder, followed ? followedRuns : runs, (holder, own) => conflict(job, path.join(folder, holder), own))
    } catch (error) {
      if (!BackupError.is(error) || error.code !== 'CONFLICT' || performance.now() > deadline || !(await endsSoon(folder))) throw error
    }
    throwIfAborted(signal, `staging of job "${job}"`)
    await delay(randomInt(20, 120))
  }
}

/** Claims a job for who follows its logs, beside the lock of its runs. Throws `CONFLICT` while somebody else does, in this process or elsewhere. */
export function acquireFollowLock(folder: string, job: string): Promise<JobLock> {
  return acquire(folder, follows, (holder, own) => alreadyFollowed(job, path.join(folder, holder), own))
}

/**
 * Whether the lock of the job is held now for what was followed, or by nobody any more. Of another process that follows the job any run is taken to be
 * short, such as the one with which following begins; what this process runs beside following is known not to be.
 */
async function endsSoon(folder: string): Promise<boolean> {
  const names = await readdir(folder)
  const holders = names.flatMap((name) => ownerInName(runs, name) ?? [])
  const followedHolders = names.some((name) => ownerInName(followedRuns, name) !== undefined)
  if (followedHolders || holders.length === 0) return true
  const own = await currentOwner()
  const followers = names.flatMap((name) => ownerInName(follows, name) ?? []).filter((follower) => !isSameOwner(follower, own))
  return followers.some((follower) => holders.some((holder) => isSameOwner(holder, follower)))
}

/** Which locks stand in the way of one. */
const rivals: Readonly<Record<string, readonly string[]>> = {
  [runs]: [runs, followedRuns],
  [followedRuns]: [runs, followedRuns],
  [follows]: [follows],
}

function ownerOf(prefixes: readonly string[], name: string): ProcessOwner | undefined {
  for (const prefix of prefixes) {
    const owner = ownerInName(prefix, name)
    if (owner !== undefined) return owner
  }
  return undefined
}

async function acquire(folder: string, prefix: string, conflictWith: (holder: string, own: boolean) => BackupError): Promise<JobLock> {
  const owner = await currentOwner()
  const prefixes = rivals[prefix] ?? [prefix]
  for (let attempt = 1; ; attempt++) {
    const file = path.join(folder, ownedName(prefix, owner))
    await (await open(file, 'wx', 0o600)).close()
    let holder: string | undefined
    try {
      holder = await findHolder(folder, prefixes, path.basename(file))
    } catch (error) {
      await rm(file, { force: true })
      throw error
    }
    if (holder === undefined) return heldLock(file)
    await rm(file, { force: true })
    const holderOwner = ownerOf(prefixes, holder)
    const own = holderOwner !== undefined && isSameOwner(holderOwner, owner)
    // Two that begin in the same instant both step back; the random pause lets one of them win.
    if (own || attempt === 4) throw conflictWith(holder, own)
    await delay(randomInt(20, 120))
  }
}

async function findHolder(folder: string, prefixes: readonly string[], ownName: string): Promise<string | undefined> {
  for (const name of await readdir(folder)) {
    const owner = ownerOf(prefixes, name)
    if (owner === undefined || name === ownName) continue
    const file = path.join(folder, name)
    const state = await ownerState(owner)
    if (state === 'alive') return name
    if (state === 'unknown') {
      const refreshed = await stat(file).catch(() => undefined)
      const taken = await stat(path.join(folder, ownName))
      if (refreshed !== undefined && taken.mtimeMs - refreshed.mtimeMs < foreignStaleSeconds * 1000) return name
    }
    await rm(file, { force: true })
  }
  return undefined
}

function heldLock(file: string): JobLock {
  let holders = 0
  // Written, so that it is the clock of the disk that dates it: hosts that share the disk need not agree on the time.
  const timer = setInterval(() => void writeFile(file, '.', { flag: 'r+' }).catch(() => undefined), refreshSeconds * 1000)
  timer.unref()
  const share = (): JobLock => {
    holders++
    let released = false
    return {
      share,
      async release() {
        if (released) return
        released = true
        if (--holders > 0) return
        clearInterval(timer)
        await rm(file, { force: true })
      },
    }
  }
  return share()
}

function conflict(job: string, file: string, own: boolean): BackupError {
  const owner = ownerOf([runs, followedRuns], path.basename(file))
  return new BackupError(
    own
      ? `job "${job}" is already being backed up by this process`
      : `job "${job}" is being backed up by process ${owner?.pid} on host ${owner?.host}`,
    {
      code: 'CONFLICT',
      retryable: true,
      hint: own
        ? 'Wait until the running backup of this job has ended, or abort it.'
        : `Wait until that process has ended. If host ${owner?.host} no longer runs it, remove ${file} and try again.`,
    },
  )
}

function alreadyFollowed(job: string, file: string, own: boolean): BackupError {
  const owner = ownerInName(follows, path.basename(file))
  const who = own ? 'this process' : `process ${owner?.pid} on host ${owner?.host}`
  return new BackupError(`job "${job}" is already being followed by ${who}`, {
    code: 'CONFLICT',
    hint: own
      ? 'A job is followed once; let that go on, or end it first.'
      : `A job is followed once; let that process go on, or end it first. If host ${owner?.host} no longer runs it, remove ${file}.`,
  })
}
