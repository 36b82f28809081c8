import { type Backup, BackupError, nearest, type OperationOptions, type Problem, type Progress, type Repository } from '@backup-planet/core'
import { UsageError } from '../usage-error.ts'

/**
 * The backup that is named, by its whole identity or by a beginning or end of it that fits only one. Throws a `UsageError` when none is, and why
 * where its record cannot be read.
 */
export async function selectBackup(repository: Repository, job: string, id: string, options: OperationOptions): Promise<Backup> {
  const backups: Backup[] = []
  const unreadable: Problem[] = []
  const onProgress = (progress: Progress): void => {
    if (progress.type === 'problem') unreadable.push(progress.problem)
    options.onProgress?.(progress)
  }
  for await (const backup of repository.list({ job }, { ...options, onProgress })) backups.push(backup)
  assertReadable(backups, { job, unreadable })
  return backupNamed(id, { job, unreadable }, backups)
}

interface Unreadable {
  readonly job: string
  /** Of records that cannot be read. */
  readonly unreadable: readonly Problem[]
}

/** Throws `NOT_FOUND` where there is no backup, or why none can be read. */
export function assertReadable(backups: readonly Backup[], { job, unreadable }: Unreadable): void {
  const [damaged] = unreadable
  if (backups.length > 0) return
  if (damaged !== undefined) {
    throw new BackupError(`none of the ${unreadable.length} backups of job ${job} can be read: ${damaged.message}`, {
      code: damaged.code,
      hint: damaged.hint,
    })
  }
  throw new BackupError(`there is no backup of job ${job}`, {
    code: 'NOT_FOUND',
    hint: `Make one first with "backup-planet run ${job}", or look whether the destination of its repository is the right one.`,
  })
}

/** The pure half of `selectBackup`. */
export function backupNamed(wanted: string, { job, unreadable }: Unreadable, backups: readonly Backup[]): Backup {
  refuseUnreadable(wanted, job, backups, unreadable)
  return byIdentity(distinct(backups), job, wanted)
}

/** Each once, of several repositories that have it. */
function distinct(backups: readonly Backup[]): readonly Backup[] {
  return [...new Map(backups.map((backup) => [backup.id, backup])).values()]
}

/** Who names a backup whose record is damaged does not want to hear of another one. */
function refuseUnreadable(wanted: string, job: string, backups: readonly Backup[], unreadable: readonly Problem[]): void {
  const meant = wanted.length < 4 ? undefined : unreadable.find(({ message }) => message.includes(wanted))
  if (meant === undefined || backups.some((backup) => isNamed(backup, wanted))) return
  const { code, message, hint } = meant
  throw new BackupError(`backup ${JSON.stringify(wanted)} of job ${job} cannot be read: ${message}`, { code, hint })
}

/** By its whole identity, or by a beginning or end of some length. */
function isNamed({ id }: Backup, wanted: string): boolean {
  return id === wanted || (wanted.length >= 4 && (id.startsWith(wanted) || id.endsWith(wanted)))
}

function byIdentity(backups: readonly Backup[], job: string, id: string): Backup {
  const exact = backups.find((backup) => backup.id === id)
  if (exact !== undefined) return exact
  const similar = backups.filter((backup) => isNamed(backup, id))
  if (similar.length === 1 && similar[0] !== undefined) return similar[0]
  if (similar.length > 1) {
    throw new UsageError(
      `${JSON.stringify(id)} fits ${similar.length} backups of job ${job}`,
      `Give more of it: ${similar.map((backup) => backup.id).join(', ')}.`,
    )
  }
  const closest = nearest(
    id,
    backups.map((backup) => backup.id),
  )
  throw new UsageError(
    `job ${job} has no backup ${JSON.stringify(id)}`,
    `${closest === undefined ? '' : `Did you mean ${closest}? `}Run "backup-planet list ${job}" to see what there is.`,
  )
}
