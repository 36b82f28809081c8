import { open } from 'node:fs/promises'

/**
 * Makes what was created, renamed or removed in a folder survive a power cut. Windows does this by itself and refuses to be asked, and
 * so do some network and FUSE file systems that know no fsync of folders.
 */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } catch (error) {
    if (!unsupported.has((error as NodeJS.ErrnoException).code ?? '')) throw error
  } finally {
    await handle.close()
  }
}

const unsupported: ReadonlySet<string> = new Set(['EINVAL', 'ENOTSUP', 'ENOSYS'])
