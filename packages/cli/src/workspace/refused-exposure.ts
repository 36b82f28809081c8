import { BackupError } from '@backup-planet/core'
import type { Workspace } from './workspace.ts'

/** A job runs unattended for years: whoever can read the file has the server and the backups. */
export function refuseExposure({ configuration: { exposure } }: Workspace): void {
  if (exposure !== undefined) throw new BackupError(exposure.message, { code: 'INVALID_SETTINGS', hint: exposure.hint })
}
