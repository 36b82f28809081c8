import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Stage, StagedFileFacts } from '../contracts/index.ts'
import { throwIfAborted } from '../errors/backup-error.ts'
import { encodeSegment } from '../naming/path-segment.ts'
import { adoptFile } from '../staging/adopt-file.ts'
import type { WrittenFile } from '../staging/file-writer.ts'
import { itemFilePath } from '../staging/stage-paths.ts'
import { LocalFile } from '../staging/staged-file.ts'
import { abortable } from '../uploaders/checked-content.ts'
import { sha256Of } from './chunks-of.ts'
import type { MemoryStageCore } from './memory-stage-core.ts'

/** The agent's side of a memory stage. */
export function fillingSide(core: MemoryStageCore): Stage {
  const { state, kept } = core
  const { directory } = kept
  return {
    directory,
    largestFile: core.room.largestFile,
    async folder(item) {
      assertDirectory(directory)
      state.assertOpen(item)
      const folder = join(directory, encodeSegment(item))
      await mkdir(folder, { recursive: true, mode: 0o700 })
      return folder
    },
    write: (file, content, options = {}) =>
      fill(core, file, options.signal, async (path, grow) => {
        const bytes = await gather(abortable(content, `staging of ${file.item}/${file.name}`, options), grow)
        kept.contents.set(path, bytes)
        return { size: bytes.length, sha256: sha256Of(bytes), modifiedMilliseconds: 0 }
      }),
    adopt: (file, { signal } = {}) =>
      fill(core, file, signal, async (path, before) => {
        assertDirectory(directory)
        return await adoptFile(directory, path, { signal, before })
      }),
    async sealItem(item) {
      state.endItem(item.item)
      core.keep({ type: 'item', facts: item })
      core.append({ type: 'item', item })
    },
    async failItem(item, failure) {
      const files = state.failItem(item, failure)
      core.keep({ type: 'item-failed', item, failure })
      core.append({ type: 'item-failed', item, failure })
      // What the drainer already has stays until it lets go; the rest is of no use to anybody.
      for (const local of files) if (!local.offered) await core.drop(local)
    },
    async seal(facts) {
      state.assertComplete()
      core.keep({ type: 'sealed', facts })
      state.seal()
      core.append({ type: 'sealed', facts })
    },
  }
}

/** What `write` and `adopt` have in common: the name and the room are taken first, and given back when no file comes of it. */
async function fill(
  core: MemoryStageCore,
  { item, name }: { readonly item: string; readonly name: string },
  signal: AbortSignal | undefined,
  take: (path: string, grow: (bytes: number) => Promise<void>) => Promise<WrittenFile>,
): Promise<StagedFileFacts> {
  const { state, room, kept } = core
  throwIfAborted(signal, `staging of ${item}/${name}`)
  const path = itemFilePath(kept.directory, item, name)
  const ended = state.beginFile(item, name)
  const claim = room.begin(`${item}/${name}`)
  try {
    const { modifiedMilliseconds, ...measured } = await take(path, (bytes) => claim.grow(bytes, signal))
    state.assertStillWanted(item)
    const staged = { item, name, ...measured }
    core.keep({ type: 'file', ...staged, modified: modifiedMilliseconds })
    claim.keep()
    const local = new LocalFile({ ...staged, path, modifiedMilliseconds })
    state.addFile(local)
    core.append({ type: 'file', local })
    ended(true)
    return staged
  } catch (error) {
    kept.contents.delete(path)
    claim.abandon()
    ended(false)
    throw error
  }
}

/** A whole content in memory, in copies: its producer may use its chunks again. */
async function gather(content: AsyncIterable<Uint8Array>, before: (bytes: number) => Promise<void>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of content) {
    await before(chunk.byteLength)
    chunks.push(Uint8Array.from(chunk))
  }
  return Buffer.concat(chunks)
}

function assertDirectory(directory: string): void {
  if (directory === '') throw new TypeError('files of an application need a memory stage with a directory, and this one has none')
}
