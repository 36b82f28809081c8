import { randomInt } from 'node:crypto'
import { open, readdir, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { BackupError } from '../errors/backup-error.ts'
import { currentOwner, ownedName, ownerInName, ownerState } from './process-owner.ts'

const prefix = 'lock'
const refreshSeconds = 60
/** A process of another host cannot be asked; it refreshes its lock every minute. */
const foreignStaleSeconds = 30 * 60

/** Held while any stage of a job is filled or drained. Every holder lets go once; the last one frees the job. */
export interface JobLock {
  share(): JobLock
  release(): Promise<void>
}

/**
 * Takes the one lock of a job folder. Every taker first creates a file with a name of its own and looks at the others
 * afterwards, so of two takers at least one sees the other, and removing a dead taker's file can never hit a living one.
 * Locks of killed processes are taken over at once. Throws `CONFLICT` while another one is held, in this process or elsewhere.
 */
export async function acquireJobLock(folder: string, job: string): Promise<JobLock> {
  const owner = await currentOwner()
  for (let attempt = 1; ; attempt++) {
    const file = path.join(folder, ownedName(prefix, owner))
    await (await open(file, 'wx', 0o600)).close()
    let holder: string | undefined
    try {
      holder = await findHolder(folder, path.basename(file))
    } catch (error) {
      await rm(file, { force: true })
      throw error
    }
    if (holder === undefined) return heldLock(file)
    await rm(file, { force: true })
    const holderOwner = ownerInName(prefix, holder)
    const own = holderOwner?.pid === owner.pid && holderOwner.host === owner.host
    // Two that begin in the same instant both step back; the random pause lets one of them win.
    if (own || attempt === 4) throw conflict(job, path.join(folder, holder), own)
    await delay(randomInt(20, 120))
  }
}

async function findHolder(folder: string, ownName: string): Promise<string | undefined> {
  for (const name of await readdir(folder)) {
    const owner = ownerInName(prefix, name)
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
  const owner = ownerInName(prefix, path.basename(file))
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
