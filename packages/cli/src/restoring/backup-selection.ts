import { type Backup, BackupError, nearest, type OperationOptions, type Problem, type Progress, type Repository } from '@backup-planet/core'
import { UsageError } from '../usage-error.ts'

export interface BackupWish {
  /** What is to be brought back; everything when left out. */
  readonly item?: readonly string[] | undefined
  /** The whole identity of a backup, or a beginning or end of it that fits only one. */
  readonly backup?: string | undefined
  /** ISO 8601; local time without a zone. */
  readonly at?: string | undefined
}

/**
 * The backup that is meant; when neither identity nor time is given the newest that holds what is wanted: one that was limited to some
 * items is not meant by whoever wants all. Throws a `UsageError`, or `NOT_FOUND` when there is none at all.
 */
export async function selectBackup(repository: Repository, job: string, wish: BackupWish, options: OperationOptions): Promise<Backup> {
  const backups: Backup[] = []
  const unreadable: Problem[] = []
  const onProgress = (progress: Progress): void => {
    if (progress.type === 'problem') unreadable.push(progress.problem)
    options.onProgress?.(progress)
  }
  for await (const backup of repository.list({ job }, { ...options, onProgress })) backups.push(backup)
  const [damaged] = unreadable
  if (backups.length === 0 && damaged !== undefined) {
    throw new BackupError(`none of the ${unreadable.length} backups of job ${job} can be read: ${damaged.message}`, {
      code: damaged.code,
      hint: damaged.hint,
    })
  }
  if (wish.backup !== undefined) refuseUnreadable(wish.backup, job, backups, unreadable)
  return chooseBackup(backups, job, wish)
}

/** Who names a backup whose record is damaged does not want to hear of another one. */
function refuseUnreadable(wanted: string, job: string, backups: readonly Backup[], unreadable: readonly Problem[]): void {
  const meant = wanted.length < 4 ? undefined : unreadable.find(({ message }) => message.includes(wanted))
  if (meant === undefined || backups.some((backup) => isNamed(backup, wanted))) return
  const { code, message, hint } = meant
  throw new BackupError(`backup ${JSON.stringify(wanted)} of job ${job} cannot be read: ${message}`, { code, hint })
}

/** The pure half of `selectBackup`. */
export function chooseBackup(backups: readonly Backup[], job: string, { backup: id, at, item }: BackupWish): Backup {
  if (id !== undefined && at !== undefined) throw new UsageError('--backup and --at exclude each other', 'Give only one of them.')
  if (backups.length === 0) {
    throw new BackupError(`there is no backup of job ${job}`, {
      code: 'NOT_FOUND',
      hint: `Make one first with "backup-planet run ${job}", or look whether the destination of its repository is the right one.`,
    })
  }
  if (id !== undefined) return byIdentity(backups, job, id)
  const latest = at === undefined ? Number.POSITIVE_INFINITY : parseTime(at)
  const candidates = backups.filter(({ consistentAt }) => Date.parse(consistentAt) <= latest)
  const ordered = candidates.toSorted((a, b) => Date.parse(a.consistentAt) - Date.parse(b.consistentAt))
  const newest = ordered.findLast((backup) => holds(backup, item)) ?? ordered.at(-1)
  if (newest !== undefined) return newest
  const oldest = backups.map(({ consistentAt }) => consistentAt).toSorted()[0] ?? ''
  throw new UsageError(`no backup of job ${job} is as old as ${at}; the oldest is of ${oldest}`, `Use --at ${oldest} or a later time.`)
}

function holds({ items, limitedTo }: Backup, wanted: readonly string[] | undefined): boolean {
  if (wanted === undefined || wanted.length === 0) return limitedTo === undefined
  return wanted.every((name) => items.some(({ item, failure }) => item === name && failure === undefined))
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

const time = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)?(?:Z|[+-]\d{2}:?\d{2})?$/i

/**
 * Milliseconds since 1970 of an ISO 8601 time. A date without time is its last millisecond, so that the day is included, and a time to
 * the second the last of that second: so `list` shows the times of backups.
 */
export function parseTime(text: string): number {
  const dateOnly = /^\d{4}-\d{2}-\d{2}$/.test(text)
  const parsed = time.test(text) ? Date.parse(dateOnly ? `${text}T23:59:59.999` : text.replace(' ', 'T')) : Number.NaN
  const sameDay = new Date(`${text.slice(0, 10)}T00:00:00Z`)
  const exists = !Number.isNaN(sameDay.getTime()) && sameDay.toISOString().startsWith(text.slice(0, 10))
  const toTheSecond = /[T ]\d{2}:\d{2}:\d{2}(?![.\d])/i.test(text)
  if (!Number.isNaN(parsed) && exists) return toTheSecond ? parsed + 999 : parsed
  throw new UsageError(`${JSON.stringify(text)} is no time`, 'Write it like 2026-07-24T02:00:00Z; without the Z it is taken as local time.')
}
