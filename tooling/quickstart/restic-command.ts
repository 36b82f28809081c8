import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** What restic itself says of a repository; `undefined` where restic is not installed. */
export async function resticSnapshots(repository: string, passwordFile: string): Promise<string | undefined> {
  const words = ['-r', repository, '--password-file', passwordFile, '--no-cache', '--no-lock', 'snapshots', '--compact']
  try {
    return (await promisify(execFile)('restic', words)).stdout.trimEnd()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
