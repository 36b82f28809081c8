import { BackupError } from '@backup-planet/core'

/** The command line itself cannot be followed; nothing was done. Ends with exit code 2. */
export class UsageError extends BackupError {
  constructor(message: string, hint: string) {
    super(message, { code: 'INVALID_INPUT', hint })
  }
}
