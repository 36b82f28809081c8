import type { ByteRange, StagedFile } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { type LocalFile, readUnchanged } from '../staging/staged-file.ts'
import { clampRange } from '../uploaders/byte-range.ts'
import { chunksOf } from './chunks-of.ts'

export interface MemoryStagedFileParts {
  readonly local: LocalFile
  /** Written files by their paths; a file that is not among them was adopted. */
  readonly written: ReadonlyMap<string, Buffer>
  readonly onOpen: () => void
  readonly release: () => Promise<void>
}

/** A file of a memory stage, as who drains it gets it. */
export function memoryStagedFile({ local, written, onOpen, release }: MemoryStagedFileParts): StagedFile {
  const { item, name, size, sha256 } = local.facts
  return {
    item,
    name,
    size,
    sha256,
    open(range) {
      onOpen()
      if (local.gone) throw new BackupError(`staged file ${item}/${name} was released`, { code: 'NOT_FOUND' })
      return contentOf(local, written, range)
    },
    release,
  }
}

/** From memory as it is there, damaged or not; what is not there was adopted, and lies on the disk, where a change is noticed. */
function contentOf(local: LocalFile, written: ReadonlyMap<string, Buffer>, range: ByteRange | undefined): AsyncIterable<Uint8Array> {
  const bytes = written.get(local.facts.path)
  if (bytes === undefined) return readUnchanged(local.facts, range)
  const { begin, end } = clampRange(range, bytes.length)
  return chunksOf(bytes.subarray(begin, end), [10_000])
}
