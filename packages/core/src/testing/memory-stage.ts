import type { CaptureFacts, ItemFacts, RunStage, StagedRun } from '../contracts/index.ts'
import { itemFilePath } from '../staging/stage-paths.ts'
import { emptyStage, type KeptStage, removeFiles } from './memory-kept-stage.ts'
import { MemoryStageCore } from './memory-stage-core.ts'
import { drainingSide } from './memory-stage-draining.ts'
import { fillingSide } from './memory-stage-filling.ts'

/** A stage of a memory staging, with what tests want to see of it. */
export interface MemoryStage extends RunStage {
  /** `item/name` of everything that a drainer released since the stage was begun or resumed, in order. */
  readonly released: readonly string[]
  /** `item/name` of everything that a drainer opened since the stage was begun or resumed, in order. */
  readonly opened: readonly string[]
  readonly sealedItems: ReadonlyMap<string, ItemFacts>
  readonly failedItems: ReadonlySet<string>
  /** Those of the capture, once it is sealed. */
  readonly facts: CaptureFacts | undefined
  /** As if a writer waited for room until the next file goes: the drain gives `pressure` once it has given all, while any file takes room. */
  press(): void
  /**
   * Changes what a written file holds, as a disk that lies would: `open` gives it unnoticed, so that its reader must notice. Throws
   * TypeError for a file that is not there, and for an adopted one: change that where it lies.
   */
  damage(item: string, name: string, change: (bytes: Buffer) => Buffer): void
}

export interface MemoryStageSettings {
  readonly run?: Partial<StagedRun>
  /** A directory of the stage's own, removed with it; needed for agents whose application writes its own files. */
  readonly directory?: string
}

/** One stage of a memory staging by itself, with more room than there is. Where budget, resuming or crashes matter, use `createMemoryStaging`. */
export function createMemoryStage({ run, directory = '' }: MemoryStageSettings = {}): MemoryStage {
  const begun: StagedRun = { job: 'job', id: '20260101T000000Z-memory', beganAt: '2026-01-01T00:00:00.000Z', ...run }
  return openMemoryStage({ kept: emptyStage(begun, directory), budget: Number.MAX_SAFE_INTEGER })
}

export interface MemoryStageParts {
  readonly kept: KeptStage
  /** In bytes. */
  readonly budget: number
  readonly abandonedRuns?: readonly string[]
  /** Cuts the stage off from what it keeps, as a kill of its process does. */
  readonly killed?: AbortSignal
  /** Called once when the stage is removed, before anything of it is: what is cut half-way must not be found. */
  readonly forget?: () => void
  /** Called once, when the stage is closed and what had to be removed is gone. */
  readonly letGo?: () => void
}

/** Begins with what is kept of a stage, or goes on with it. */
export function openMemoryStage({ kept, budget, abandonedRuns = [], killed, forget, letGo }: MemoryStageParts): MemoryStage {
  const core = new MemoryStageCore(kept, budget)
  killed?.addEventListener('abort', () => core.close('its process was killed'), { once: true })

  async function close(isRemoved: boolean): Promise<void> {
    if (core.closed) return
    core.close(isRemoved ? 'it was removed' : 'it was let go')
    if (isRemoved) forget?.()
    try {
      if (isRemoved) await removeFiles(kept)
    } finally {
      letGo?.()
    }
  }

  return {
    run: kept.run,
    abandonedRuns,
    stage: fillingSide(core),
    contents: drainingSide(core),
    released: core.released,
    opened: core.opened,
    sealedItems: core.sealedItems,
    failedItems: core.failedItems,
    get facts() {
      return core.facts
    },
    get sealed() {
      return core.state.sealed
    },
    press: () => core.press(),
    damage(item, name, change) {
      const path = itemFilePath(kept.directory, item, name)
      const bytes = kept.contents.get(path)
      if (bytes === undefined) throw new TypeError(`${item}/${name} is not in memory`)
      kept.contents.set(path, change(bytes))
    },
    stopDraining: (cause) => core.room.stop(cause),
    stopFilling(cause) {
      if (!core.state.sealed) core.fail(cause)
    },
    remove: () => close(true),
    [Symbol.asyncDispose]: () => close(!core.state.sealed),
  }
}
