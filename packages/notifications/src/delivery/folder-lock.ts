import { randomInt } from 'node:crypto'
import { open, readdir, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { currentOwner, ownedName, ownerInName, ownerState } from '@backup-planet/core'

const prefix = 'writing'
/** Held for the time of one small write. */
const patienceMs = 15_000
/** A process of another host, boot or container cannot be asked whether it lives. */
const foreignStaleMs = 60_000

/**
 * Does something while no other process does it in the same folder. Every taker first creates a file with a name of its own and looks
 * at the others afterwards, so of two takers at least one sees the other; those of processes that are dead are removed. Rejects with a system
 * error `EBUSY` when others hold it for too long.
 */
export async function withFolderLock<Result>(folder: string, work: () => Promise<Result>): Promise<Result> {
  const owner = await currentOwner()
  const deadline = performance.now() + patienceMs
  for (;;) {
    const file = join(folder, ownedName(prefix, owner))
    await (await open(file, 'wx', 0o600)).close()
    try {
      if (!(await isHeldByOthers(folder, basename(file)))) return await work()
    } finally {
      await rm(file, { force: true })
    }
    if (performance.now() > deadline) throw Object.assign(new Error(`${folder} is locked by others`), { code: 'EBUSY', syscall: 'lock' })
    await delay(randomInt(5, 60))
  }
}

async function isHeldByOthers(folder: string, own: string): Promise<boolean> {
  for (const name of await readdir(folder)) {
    const owner = ownerInName(prefix, name)
    if (owner === undefined || name === own) continue
    const file = join(folder, name)
    const state = await ownerState(owner)
    if (state === 'alive') return true
    const written = state === 'unknown' ? await stat(file).catch(() => undefined) : undefined
    if (written !== undefined && Date.now() - written.mtimeMs < foreignStaleMs) return true
    await rm(file, { force: true })
  }
  return false
}
