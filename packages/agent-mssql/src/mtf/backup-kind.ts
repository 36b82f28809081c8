import type { CaptureKind } from '@backup-planet/core'

/**
 * The letters of `msdb.dbo.backupset.type`: `D` database, `I` differential of a database, `L` log, `F` files or filegroups, `G` differential of
 * files, `P` partial, `Q` differential partial.
 */
export const backupKinds = ['D', 'I', 'L', 'F', 'G', 'P', 'Q'] as const
export type BackupKind = (typeof backupKinds)[number]

export function isBackupKind(letter: string): letter is BackupKind {
  return (backupKinds as readonly string[]).includes(letter)
}

/** How it stands in a chain: backups of files and partial ones are complete or differential as those of a database are. */
export function captureKindOf(kind: BackupKind): CaptureKind {
  if (kind === 'L') return 'log'
  return kind === 'I' || kind === 'G' || kind === 'Q' ? 'differential' : 'full'
}
