import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { dirname } from 'node:path'
import { describeBytes, freeBytes, type Problem } from '@backup-planet/core'

/**
 * Whether the folder for files on their way can be used, or created where it does not exist, and whether its disk has more
 * free than the reserve of `minimumFree` bytes. Changes nothing.
 */
export async function stagingProblems(
  directory: string,
  minimumFree: number,
  free: (directory: string) => Promise<number> = freeBytes,
): Promise<readonly Problem[]> {
  try {
    await access(directory, constants.W_OK | constants.X_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const parent = dirname(directory)
    if (code === 'ENOENT' && parent !== directory) return stagingProblems(parent, minimumFree, free)
    return [
      {
        severity: 'error',
        code: code === 'ENOENT' ? 'NOT_FOUND' : 'ACCESS_DENIED',
        message: `the staging folder ${directory} cannot be written (${code ?? 'unknown reason'})`,
        hint: `Let the user that runs backup-planet write to it, or set staging.directory to another folder.`,
      },
    ]
  }
  const bytes = await free(directory)
  if (bytes > minimumFree) return []
  return [
    {
      severity: 'error',
      code: 'OUT_OF_SPACE',
      message: `the disk of the staging folder ${directory} has ${describeBytes(bytes)} free, and ${describeBytes(minimumFree)} must stay free`,
      hint: 'Free disk space there, set staging.directory to a folder on a larger disk, or lower staging.minimumFree.',
    },
  ]
}
