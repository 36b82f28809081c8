import { type Backup, BackupError, type Problem } from '@backup-planet/core'
import { type InstanceFacts, instanceFacts, instanceItem, instanceOf } from './physical-layout.ts'

/** A physical full and what is put over it. */
export interface PhysicalChain {
  readonly full: PhysicalBackup
  readonly differential?: PhysicalBackup
  /** What follows and is no copy of files. */
  readonly later: readonly Backup[]
}

export interface PhysicalBackup {
  readonly backup: Backup
  readonly facts: InstanceFacts
  readonly bytes: number
}

/** Takes apart what a restore is to be made from. Throws `INVALID_INPUT` without a usable full. */
export function physicalChain(backups: readonly Backup[]): PhysicalChain {
  const full = backups.findLast(({ kind }) => kind === 'full')
  if (full === undefined) {
    throw new BackupError('there is no full backup to restore from', {
      code: 'INVALID_INPUT',
      hint: 'Choose a full backup, or a later one together with its full.',
    })
  }
  const after = backups.slice(backups.indexOf(full) + 1)
  const differential = after.findLast(({ kind }) => kind === 'differential')
  const later = differential === undefined ? after : after.slice(after.indexOf(differential) + 1)
  return { full: physicalBackup(full), ...(differential === undefined ? {} : { differential: physicalBackup(differential) }), later }
}

function physicalBackup(backup: Backup): PhysicalBackup {
  const facts = instanceFacts(backup)
  const bytes = instanceOf(backup)?.bytes
  if (facts !== undefined) return { backup, facts, bytes: bytes ?? 0 }
  throw new BackupError(`backup ${backup.id} holds no ${instanceItem} that could be restored`, {
    code: 'INVALID_INPUT',
    hint: 'Choose another backup.',
  })
}

/** Why the parts do not go together. */
export function chainProblems({ full, differential, later }: PhysicalChain): readonly Problem[] {
  const problems: Problem[] = []
  if (differential !== undefined && differential.facts.fromLsn !== full.facts.toLsn) {
    problems.push({
      severity: 'error',
      code: 'INVALID_INPUT',
      message: `backup ${differential.backup.id} follows LSN ${differential.facts.fromLsn}, and backup ${full.backup.id} ends at ${full.facts.toLsn}`,
      hint: `Restore backup ${full.backup.id} alone, or choose another one.`,
    })
  }
  const other = later.find(({ kind }) => kind !== 'log')
  if (other !== undefined) {
    problems.push({
      severity: 'error',
      code: 'UNSUPPORTED',
      message: `the ${other.kind} backup ${other.id} cannot be applied to a data directory`,
      hint: `Restore backup ${(differential ?? full).backup.id} alone, or together with log backups.`,
    })
  }
  return problems
}
