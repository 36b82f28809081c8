import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Problem } from '@backup-planet/core'

/** Whether the folder for files on their way can be used, or created where it does not exist. Changes nothing. */
export async function stagingProblems(directory: string): Promise<readonly Problem[]> {
  try {
    await access(directory, constants.W_OK | constants.X_OK)
    return []
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const parent = dirname(directory)
    if (code === 'ENOENT' && parent !== directory) return stagingProblems(parent)
    return [
      {
        severity: 'error',
        code: code === 'ENOENT' ? 'NOT_FOUND' : 'ACCESS_DENIED',
        message: `the staging folder ${directory} cannot be written (${code ?? 'unknown reason'})`,
        hint: `Let the user that runs backup-planet write to it, or set staging.directory to another folder.`,
      },
    ]
  }
}
