import { access, constants, opendir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/**
 * The first directory that keeps this process from renaming an old data directory and removing everything in it; `undefined` where nothing does. Files are removed with the rights on the
 * directory that they are in (unlink(2)).
 */
export async function keptFromRemoval(directory: string, mountedBelow: readonly string[]): Promise<string | undefined> {
  if (mountedBelow[0] !== undefined) return mountedBelow[0]
  if (await isSticky(directory)) return dirname(directory)
  return await firstUnwritable(directory)
}

/** In a directory with the sticky bit, such as /tmp, only its owner, that of the entry and root rename an entry. */
async function isSticky(directory: string): Promise<boolean> {
  const uid = process.getuid?.() ?? 0
  const above = await stat(dirname(directory))
  return uid !== 0 && (above.mode & 0o1000) !== 0 && above.uid !== uid && (await stat(directory)).uid !== uid
}

async function firstUnwritable(directory: string): Promise<string | undefined> {
  try {
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK)
    for await (const entry of await opendir(directory)) {
      const found = entry.isDirectory() ? await firstUnwritable(join(directory, entry.name)) : undefined
      if (found !== undefined) return found
    }
    return undefined
  } catch {
    return directory
  }
}
