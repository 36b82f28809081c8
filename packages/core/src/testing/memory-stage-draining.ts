import { rm } from 'node:fs/promises'
import type { ByteRange, Json, OperationOptions, StageContents, StagedFile, StageEvent } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { type LocalFile, readUnchanged } from '../staging/staged-file.ts'
import { clampRange } from '../uploaders/byte-range.ts'
import { abortable } from '../uploaders/checked-content.ts'
import { chunksOf } from './chunks-of.ts'
import type { MemoryStageCore } from './memory-stage-core.ts'

/** What a drainer did, as `item/name`, in order. */
export interface Drained {
  readonly opened: string[]
  readonly released: string[]
}

/** The repository's side of a memory stage; writes down in `drained` what is done with it. */
export function drainingSide(core: MemoryStageCore, drained: Drained): StageContents {
  const notes: Json[] = [...core.state.notes]
  return {
    budget: core.room.budget,
    get sealed() {
      return core.state.sealed
    },
    notes,
    async note(note) {
      core.keep({ type: 'note', note })
      notes.push(structuredClone(note))
    },
    drain: (options) => drain(core, drained, options),
  }
}

async function* drain(core: MemoryStageCore, drained: Drained, options: OperationOptions = {}): AsyncGenerator<StageEvent, void> {
  try {
    for await (const entry of abortable(core.log.follow(), `drain of stage ${core.kept.run.id}`, options)) {
      if (entry.type !== 'file') yield entry
      else if (!entry.local.gone) yield { type: 'file', file: stagedFile(core, entry.local, drained) }
      if (entry.type === 'sealed') return
    }
  } finally {
    core.room.stop(nobodyDrains())
  }
}

function stagedFile(core: MemoryStageCore, local: LocalFile, { opened, released }: Drained): StagedFile {
  const { item, name, size, sha256, path } = local.facts
  const label = `${item}/${name}`
  return {
    item,
    name,
    size,
    sha256,
    open(range) {
      opened.push(label)
      if (local.gone) throw new BackupError(`staged file ${label} was released`, { code: 'NOT_FOUND' })
      return contentOf(local, core.kept.contents, range)
    },
    async release() {
      if (core.closed || !local.claimRemoval()) return
      core.keep({ type: 'released', item, name })
      released.push(label)
      if (!core.kept.contents.delete(path)) await rm(path, { force: true })
      core.room.free(size)
    },
  }
}

/** From memory as it is there, damaged or not; what is not there was adopted, and lies on the disk, where a change is noticed. */
function contentOf(local: LocalFile, written: ReadonlyMap<string, Buffer>, range: ByteRange | undefined): AsyncIterable<Uint8Array> {
  const bytes = written.get(local.facts.path)
  if (bytes === undefined) return readUnchanged(local.facts, range)
  const { begin, end } = clampRange(range, bytes.length)
  return chunksOf(bytes.subarray(begin, end), [10_000])
}

function nobodyDrains(): BackupError {
  return new BackupError('the staging budget is used up and nobody sends what is staged', {
    code: 'OUT_OF_SPACE',
    hint: 'Look for the error that ended the upload first; raise budgetBytes if captures must go on without it.',
  })
}
