import { throwIfAborted } from '@backup-planet/core'
import type { IndexedPack } from '../format/index-file.ts'
import type { StorageId } from '../format/storage-id.ts'
import { IndexWriter } from '../write/index-writer.ts'
import { readIndexFile } from './index-catalog.ts'
import type { MaintenanceWork } from './maintenance-lock.ts'

/**
 * Writes again what index files say of the packs that stay, pack by pack, so that the files can be removed. What was written before an
 * interruption is true beside the old files. Returns the ids of the new ones.
 *
 * @param files ids of the index files to be replaced
 * @param kept what stays of a pack as a file names it; `undefined` when nothing does
 * @param better packs as their headers are, which count more than what the files say; taken before anything is asked of `kept`
 */
export async function writeReplacements(
  { repository, options }: MaintenanceWork,
  files: Iterable<StorageId>,
  kept: (pack: IndexedPack) => IndexedPack | undefined,
  better: AsyncIterable<IndexedPack> = noPacks(),
): Promise<readonly StorageId[]> {
  const writer = new IndexWriter(repository)
  const written = new Set<StorageId>()
  const add = async (pack: IndexedPack): Promise<void> => {
    if (written.has(pack.id)) return
    written.add(pack.id)
    writer.add(pack)
    if (writer.full) await writer.write(options)
  }
  for await (const pack of better) await add(pack)
  for (const file of files) {
    throwIfAborted(options.signal, 'writing the index')
    for (const pack of await readIndexFile(repository, file, options)) {
      const staying = kept(pack)
      if (staying !== undefined) await add(staying)
    }
  }
  await writer.write(options)
  return writer.written
}

async function* noPacks(): AsyncGenerator<IndexedPack, void> {}
