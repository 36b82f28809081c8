import { BackupError } from '@backup-planet/core'

const verifyHint =
  'Run verify with readData to see which backups are hit; the others restore. A copy of the same file from elsewhere, put in its place, mends it.'

/** Bytes of the repository are not what they must be; `key` names the object as it lies in the store. */
export function damaged(key: string, reason: string, cause?: unknown): BackupError {
  return new BackupError(`${key}: ${reason}`, { code: 'CORRUPTED', hint: verifyHint, cause })
}

/** A record that decrypts and says something that no program of good will writes. */
export function hostile(what: string, reason: string): BackupError {
  return new BackupError(`${what}: ${reason}`, {
    code: 'CORRUPTED',
    hint: 'It was refused. Who knows the password of this repository wrote it: find out who, and change the password.',
  })
}

/** @param damaged what is wrong with one that could not be tried */
export function wrongPassword(
  destination: string,
  { keys, tried, damaged: failure }: { readonly keys: number; readonly tried: number; readonly damaged?: BackupError | undefined },
): BackupError {
  const others = keys === tried ? '' : `; not tried: ${keys - tried}${failure === undefined ? '' : ` (${failure.message})`}`
  return new BackupError(`the password opens none of ${tried} keys of ${destination}${others}`, {
    code: 'WRONG_CREDENTIALS',
    hint:
      keys === tried
        ? 'Give the password of one of the keys of this repository; without it nobody can read the backups.'
        : 'Give the password of one of the keys of this repository. If it is right, its key is among those that were not tried: put back the file of that key below keys/, and remove the files there that are no keys of yours.',
  })
}

export function notInitialized(destination: string): BackupError {
  return new BackupError(`there is no restic repository in ${destination}`, {
    code: 'NOT_FOUND',
    hint: 'Check the destination. If it is right and new, create the repository with: backup-planet init, or restic init.',
  })
}

export function noBackup(id: string, destination: string): BackupError {
  return new BackupError(`backup ${id} is not in ${destination}`, {
    code: 'NOT_FOUND',
    hint: 'List the backups to see what there is; this one was removed, or never committed.',
  })
}

/** Something of the repository is damaged or missing, as opposed to a store that does not answer. */
export function isDamage(error: unknown): error is BackupError {
  return BackupError.is(error) && (error.code === 'CORRUPTED' || error.code === 'NOT_FOUND')
}
