import type { Backup, OperationOptions, Position, Repository } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { canonicalJson } from '../manifest/canonical-json.ts'

/**
 * What must be restored to get to `backup`: its full first, `backup` last. Each step back goes to the newest complete
 * backup that ends where the later one begins. Positions of which none fits exactly are for the agent to order: then it is the
 * newest full of the same history and everything complete after it, and the agent names the gap if there is one.
 * Throws `NOT_FOUND` when there is no full to begin with.
 */
export function chainTo(backup: Backup, backups: readonly Backup[]): Backup[] {
  const earlier = backups
    .filter((other) => other.id !== backup.id && other.job === backup.job && continuesChain(other) && other.endedAt <= backup.endedAt)
    .sort((a, b) => (a.endedAt < b.endedAt ? -1 : 1))
  return exactChain(backup, earlier) ?? wideChain(backup, earlier)
}

/**
 * What a log or differential of this job may continue from, oldest first. Without file lists and storage, which may be megabytes a backup:
 * hundreds of them must fit into memory.
 */
export async function readChain(repository: Repository, job: string, options: OperationOptions = {}): Promise<Backup[]> {
  const chain: Backup[] = []
  for await (const backup of repository.list({ job }, options)) if (continuesChain(backup)) chain.push(withoutFiles(backup))
  return chain
}

function withoutFiles(backup: Backup): Backup {
  return { ...backup, items: backup.items.map(({ files: _, ...item }) => item), storage: {} }
}

/** Whether a later log or differential may build on it: everything that the job captures is in it. */
function continuesChain(backup: Backup): boolean {
  return backup.status === 'complete' && backup.limitedTo === undefined
}

function exactChain(backup: Backup, earlier: readonly Backup[]): Backup[] | undefined {
  const chain = [backup]
  for (let first = backup; first.kind !== 'full'; first = chain[0] as Backup) {
    const { from, kind } = first
    if (from === undefined) return undefined
    const before = earlier.findLast(
      (candidate) => !chain.includes(candidate) && samePosition(candidate.position, from) && (kind === 'log' || candidate.kind === 'full'),
    )
    if (before === undefined) return undefined
    chain.unshift(before)
  }
  return chain
}

function wideChain(backup: Backup, earlier: readonly Backup[]): Backup[] {
  const history = (candidate: Backup) => (candidate.position ?? candidate.from)?.chain
  const wanted = history(backup)
  const related = earlier.filter((candidate) => wanted === undefined || history(candidate) === undefined || history(candidate) === wanted)
  const full = related.findLastIndex(({ kind }) => kind === 'full')
  if (full < 0) {
    throw new BackupError(`the ${backup.kind} backup ${backup.id} needs a full backup, and the repository holds none that it follows`, {
      code: 'NOT_FOUND',
      hint: 'Choose a full backup, or a later one that follows a full backup which is still there; list shows them.',
    })
  }
  return [...related.slice(full), backup]
}

function samePosition(a: Position | undefined, b: Position): boolean {
  return a !== undefined && canonicalJson(a) === canonicalJson(b)
}
