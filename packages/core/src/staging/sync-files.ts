import { open } from 'node:fs/promises'
import path from 'node:path'
import { syncFolder } from '../disk/sync-folder.ts'
import type { LocalFile } from './staged-file.ts'

/** Makes the remaining files and every folder above them durable. A file that is released meanwhile does not matter. */
export async function syncFiles(directory: string, remaining: () => readonly LocalFile[]): Promise<void> {
  const folders = new Set<string>([directory])
  for (const file of remaining()) {
    if (file.gone) continue
    try {
      // Windows flushes only what is open for writing.
      const handle = await open(file.facts.path, 'r+')
      try {
        await handle.datasync()
      } finally {
        await handle.close()
      }
    } catch (error) {
      if (!file.gone) throw error
    }
    for (let folder = path.dirname(file.facts.path); folder.length > directory.length; folder = path.dirname(folder)) folders.add(folder)
  }
  for (const folder of folders) await syncFolder(folder)
}
