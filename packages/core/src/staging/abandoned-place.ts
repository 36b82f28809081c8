import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ownerState, type ProcessOwner } from './process-owner.ts'

/** Longer than any restore or drill goes on without writing. */
const silentMilliseconds = 7 * 86_400_000

/**
 * Whether what a process left at `path` is nobody's any more: the process is dead; or it cannot be asked, such as one of a container or boot before, and nothing at
 * the path or below it was changed for a week.
 */
export async function isAbandoned(path: string, owner: ProcessOwner): Promise<boolean> {
  const state = await ownerState(owner)
  if (state !== 'unknown') return state === 'dead'
  const since = Date.now() - silentMilliseconds
  const below = await readdir(path, { recursive: true }).catch(() => [])
  for (const name of ['', ...below]) {
    const facts = await lstat(join(path, name)).catch(() => undefined)
    if (facts !== undefined && facts.mtimeMs > since) return false
  }
  return true
}
