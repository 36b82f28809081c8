import type { Json, StageContents } from '../contracts/index.ts'
import type { MemoryStageCore } from './memory-stage-core.ts'

/** The repository's side of a memory stage. */
export function drainingSide(core: MemoryStageCore): StageContents {
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
    drain: (options) => core.events.drain(options),
  }
}
