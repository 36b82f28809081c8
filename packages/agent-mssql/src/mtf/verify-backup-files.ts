import type { BackupFileFacts } from './backup-file-facts.ts'
import type { BackupFileFinding } from './backup-file-finding.ts'
import type { BackupFileSource } from './backup-file-source.ts'
import { type InspectOptions, inspectBackupFile } from './inspect-backup-file.ts'

export interface NamedBackupFile {
  /** For findings. */
  readonly name: string
  readonly source: BackupFileSource
}

interface ReadBackupFile {
  readonly name: string
  readonly facts: BackupFileFacts
}

/** All that is wrong with one backup file; of a striped backup also that the other stripes are missing. Throws what `inspectBackupFile` does. */
export function verifyBackupFile(file: NamedBackupFile, options: InspectOptions = {}): Promise<readonly BackupFileFinding[]> {
  return verifyBackupFiles([file], options)
}

/** All that is wrong with the files of one or several backups, and which stripes are missing or do not belong together. */
export async function verifyBackupFiles(
  files: readonly NamedBackupFile[],
  options: InspectOptions = {},
): Promise<readonly BackupFileFinding[]> {
  const findings: BackupFileFinding[] = []
  const read: ReadBackupFile[] = []
  for (const { name, source } of files) {
    const inspection = await inspectBackupFile(source, options)
    findings.push(...inspection.findings.map((finding) => ({ ...finding, file: name })))
    if (inspection.facts !== undefined && inspection.format === 'tape') read.push({ name, facts: inspection.facts })
  }
  for (const media of Map.groupBy(read, mediaOf).values()) findings.push(...missingStripes(media), ...strayStripes(media))
  return findings
}

/** A file that names no media set is one by itself. */
function mediaOf({ name, facts }: ReadBackupFile): string {
  return facts.media.mediaSetId ?? `file ${name}`
}

function missingStripes(files: readonly ReadBackupFile[]): readonly BackupFileFinding[] {
  const [first] = files
  if (first === undefined) return []
  const { stripes, mediaSetId } = first.facts.media
  const present = new Set(files.map(({ facts }) => facts.media.stripe))
  const missing = Array.from({ length: stripes }, (_, index) => index + 1).filter((stripe) => !present.has(stripe))
  return missing.map((stripe) => ({
    severity: 'error',
    code: 'NOT_FOUND',
    message: `stripe ${stripe} of ${stripes} of media set ${mediaSetId ?? 'without number'} is not among the files`,
    hint: 'Add the file: a striped backup restores only from all of its files.',
  }))
}

/** Stripes of one medium that were written by different backups do not restore. */
function strayStripes([first, ...others]: readonly ReadBackupFile[]): readonly BackupFileFinding[] {
  if (first === undefined) return []
  return others
    .filter(({ facts }) => facts.media.stripes !== first.facts.media.stripes || setsOf(facts) !== setsOf(first.facts))
    .map(({ name }) => ({
      severity: 'error',
      code: 'INCONSISTENT',
      file: name,
      message: `${name} and ${first.name} are of one media set and do not hold the same backups`,
      hint: 'Use the files that one BACKUP wrote: one of these was replaced or is incomplete.',
    }))
}

function setsOf({ sets }: BackupFileFacts): string {
  return sets.map(({ position, setGuid }) => `${position} ${setGuid ?? ''}`).join('\n')
}
