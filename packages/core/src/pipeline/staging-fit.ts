import type { Repository, Staging } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'

/** Throws `UNSUPPORTED` where the repository cannot take files that lie nowhere. */
export function assertFits(staging: Staging, repository: Repository): void {
  if (staging.streams !== true || repository.supports.streams === true) return
  throw new BackupError(`${repository.destination} takes files only, and this staging keeps none`, {
    code: 'UNSUPPORTED',
    hint: 'Use a staging directory, or a repository that takes streams, such as restic.',
  })
}
