import type { BackupFileFacts, BackupSetFacts, DatabaseBackupFacts } from './backup-file-facts.ts'
import type { BackupFileFinding } from './backup-file-finding.ts'
import { captureKindOf } from './backup-kind.ts'
import { quotedText } from './quoted-text.ts'

/** What no backup changes between its beginning and its end. */
const constants = [
  'kind',
  'database',
  'server',
  'softwareVersion',
  'databaseVersion',
  'createdAt',
  'startedAt',
  'databaseBackupLsn',
  'databaseBackupGuid',
  'differentialBaseLsn',
  'differentialBaseGuid',
  'familyGuid',
  'bindingId',
  'recoveryForkId',
] as const satisfies readonly (keyof DatabaseBackupFacts)[]

const checkOnServer = 'Compare it with RESTORE HEADERONLY on a server before you rely on it, and take another backup if you can.'

/**
 * The checksums of the format cover its headers, not the names, times and LSNs: what contradicts itself is told here.
 *
 * @param begun what the set said of its backup before the data
 */
export function doubtsOfSet(set: BackupSetFacts, begun: DatabaseBackupFacts | undefined): readonly BackupFileFinding[] {
  const { backup, position, offset } = set
  if (backup === undefined) return []
  const doubts: string[] = []
  if (set.isFinal && begun !== undefined) {
    const different = constants.filter((name) => begun[name] !== backup[name])
    for (const name of different) doubts.push(`says ${name} ${shown(begun[name])} at its beginning and ${shown(backup[name])} at its end`)
  }
  if (set.isDifferential !== (captureKindOf(backup.kind) === 'differential')) {
    doubts.push(`is ${set.isDifferential ? 'a' : 'no'} differential by its header and of kind ${backup.kind} by its description`)
  }
  if (backup.firstLsn > backup.lastLsn) doubts.push(`begins at LSN ${backup.firstLsn} and ends before it at ${backup.lastLsn}`)
  if (backup.kind === 'I' && (backup.differentialBaseLsn === undefined || backup.differentialBaseGuid === undefined)) {
    doubts.push('is a differential without a base')
  }
  return doubts.map((doubt) => ({
    severity: 'warning',
    code: 'CORRUPTED',
    offset,
    message: `set ${position} ${doubt}`,
    hint: checkOnServer,
  }))
}

function shown(fact: string | number | bigint | undefined): string {
  if (fact === undefined) return 'none'
  return typeof fact === 'string' ? quotedText(fact) : String(fact)
}

/** What SQL Server itself said of a set that an operator should not overlook. */
export function warningsOfSet({ backup, position, offset }: BackupSetFacts): readonly BackupFileFinding[] {
  if (!backup?.isDamaged) return []
  return [
    {
      severity: 'warning',
      code: 'CORRUPTED',
      offset,
      message: `set ${position} was taken of ${quotedText(backup.database)} although the database was damaged`,
      hint: 'Run DBCC CHECKDB on the database, repair it and take a full backup; this one needs RESTORE WITH CONTINUE_AFTER_ERROR.',
    },
  ]
}

/** A set without the blocks of SQL Server was written by another program, or cut and followed by another set. */
export function missingDescriptions({ sets, media }: BackupFileFacts): readonly BackupFileFinding[] {
  const bySqlServer = media.software.includes('SQL Server') || sets.some(({ backup }) => backup !== undefined)
  if (!bySqlServer) {
    const what = media.software === '' ? 'another program' : quotedText(media.software)
    return [
      {
        severity: 'error',
        code: 'INVALID_INPUT',
        offset: 0,
        message: `no backup file of SQL Server: it was written by ${what}`,
        hint: 'Name a file that BACKUP DATABASE or BACKUP LOG wrote.',
      },
    ]
  }
  return sets
    .filter(({ isFinal }) => !isFinal)
    .map(({ position, offset }) => ({
      severity: 'error',
      code: 'CORRUPTED',
      offset,
      message: `set ${position} has no description at its end (block MSLS)`,
      hint: 'Take the backup again: this one was broken off.',
    }))
}
