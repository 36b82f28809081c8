import { rm } from 'node:fs/promises'
import path from 'node:path'
import type { ByteRange, OperationOptions, RestoredFile, RestoredFileFacts, RestoredFiles } from '../contracts/index.ts'
import { encodeSegment } from '../naming/path-segment.ts'
import { writeNewFile } from '../staging/file-writer.ts'
import { createParents, itemFilePath } from '../staging/stage-paths.ts'
import { type LocalFileFacts, readUnchanged } from '../staging/staged-file.ts'
import { assertAsStored, type IncomingFile, readFiles } from './backup-files.ts'
import type { ChosenBackup } from './chosen-chain.ts'
import type { ScratchSpace } from './scratch-space.ts'

export interface RestoredFilesParts {
  /** In the order in which they are applied. */
  readonly chosen: readonly ChosenBackup[]
  readonly inventory: readonly RestoredFileFacts[]
  readonly scratch: ScratchSpace
}

/**
 * What a restoring agent sees of the repositories: every file first comes whole into the scratch folder and is compared with
 * the inventory. Files of one `stream` call lie below one folder per backup and item, under their own names.
 */
export function createRestoredFiles(parts: RestoredFilesParts, run: OperationOptions): RestoredFiles {
  const { chosen, inventory, scratch } = parts
  let streams = 0

  async function* stream(
    select: (file: RestoredFileFacts) => boolean,
    options: OperationOptions = {},
  ): AsyncGenerator<RestoredFile, void, void> {
    const signals = [run.signal, options.signal].filter((signal) => signal !== undefined)
    const operation: OperationOptions = { signal: AbortSignal.any(signals), onProgress: run.onProgress }
    const folder = path.join(scratch.folder, String(++streams))
    const wanted = inventory.filter(select)
    for (const { backup, from } of chosen) {
      const files = wanted.filter((file) => file.backup === backup.id)
      for await (const file of readFiles(from.repository, backup, files, operation)) {
        yield await spool(file, path.join(folder, encodeSegment(backup.id)), operation)
      }
    }
  }

  async function spool(incoming: IncomingFile, folder: string, options: OperationOptions): Promise<RestoredFile> {
    const { facts, content } = incoming
    await scratch.take(facts.size, options)
    let file: string | undefined
    try {
      const target = itemFilePath(folder, facts.item, facts.name)
      await createParents(scratch.folder, target)
      const written = await writeNewFile(target, content, { signal: options.signal })
      file = target
      assertAsStored(facts, written)
      return restoredFile(facts, { ...facts, path: target, modifiedMilliseconds: written.modifiedMilliseconds })
    } catch (error) {
      if (file !== undefined) await rm(file, { force: true })
      scratch.give(facts.size)
      throw error
    }
  }

  function restoredFile(facts: RestoredFileFacts, local: LocalFileFacts): RestoredFile {
    let released = false
    return {
      ...facts,
      path: local.path,
      open: (range?: ByteRange) => readUnchanged(local, range),
      async release() {
        if (released) return
        released = true
        await rm(local.path, { force: true })
        scratch.give(facts.size)
      },
    }
  }

  return { inventory, stream }
}
