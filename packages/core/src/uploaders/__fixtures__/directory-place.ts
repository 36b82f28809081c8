import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { UploaderHarness } from '../../conformance/uploader-harness.ts'
import type { Uploader } from '../../contracts/index.ts'
import { createDirectoryUploader } from '../directory-uploader.ts'

/** An empty folder for one check of the uploader contract, with something around the uploader that is checked. */
export async function directoryPlace(around: (uploader: Uploader) => Uploader = (uploader) => uploader): Promise<UploaderHarness> {
  const directory = await mkdtemp(join(tmpdir(), 'directory-uploader-'))
  const place = join(directory, 'new', 'place')
  return {
    uploader: around(createDirectoryUploader({ directory: place })),
    another: () => createDirectoryUploader({ directory: place }),
    async everythingStored() {
      const entries = await readdir(place, { recursive: true, withFileTypes: true }).catch(() => [])
      const files = entries
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name).slice(place.length + 1))
      const folders = entries
        .filter((entry) => entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name).slice(place.length + 1))
      return [...files, ...folders.filter((folder) => !files.some((file) => file.startsWith(`${folder}/`)))]
    },
    dispose: () => rm(directory, { recursive: true, force: true }),
  }
}
