import { join } from 'node:path'
import type { OperationOptions, StagedRun, Staging } from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { encodeSegment } from '../naming/path-segment.ts'
import { MemoryJobLock } from './memory-job-lock.ts'
import { emptyStage, isSealed, type KeptStage, oldestFirst, removeFiles, stateOf } from './memory-kept-stage.ts'
import { type MemoryStage, openMemoryStage } from './memory-stage.ts'

export interface MemoryStagingSettings {
  /**
   * Bytes that the files of all stages of one job may take together, at least 2; no single file may be larger than half of it.
   * As good as endless when left out.
   */
  readonly budgetBytes?: number
  /** A directory of the staging's own, needed for agents whose application writes its own files: these lie there, all others in memory. */
  readonly directory?: string
}

export interface MemoryStaging extends Staging {
  begin(run: StagedRun, options?: OperationOptions): Promise<MemoryStage>
  resumable(job: string, options?: OperationOptions): AsyncIterable<MemoryStage>
  /**
   * Kills the process that has this staging: whatever it is at fails with `ABORTED`, and neither its stages nor their disposal changes
   * anything any more. Gives the staging as the next process finds it: sealed stages with what was not released of them, half-filled
   * ones for `begin` to remove, and no lock.
   */
  crash(): MemoryStaging
}

/**
 * A staging in memory that keeps every promise of the contract: a budget with back-pressure, one run of a job at a time, and sealed
 * stages that outlive their process, as `crash` shows. Its stages tell what was done with them, and lie when they are told to.
 *
 * Throws TypeError for a budget that is none. `begin` throws `CONFLICT` while a stage of the job is open, `OUT_OF_SPACE` when unsent
 * stages of the job take the whole budget, and `ALREADY_EXISTS` for the id of one of them; `resumable` throws `CONFLICT` likewise.
 */
export function createMemoryStaging(settings: MemoryStagingSettings = {}): MemoryStaging {
  const { budgetBytes = Number.MAX_SAFE_INTEGER, directory } = settings
  if (!Number.isSafeInteger(budgetBytes) || budgetBytes < 2) throw new TypeError(`a budget of ${budgetBytes} bytes is none`)
  return stagingOn(new Set(), { budgetBytes, directory })
}

interface Place {
  readonly budgetBytes: number
  readonly directory: string | undefined
}

/** The staging of one process; `stages` outlives it. */
function stagingOn(stages: Set<KeptStage>, place: Place): MemoryStaging {
  const { budgetBytes, directory } = place
  const lock = new MemoryJobLock()
  const followed = new Set<string>()
  const process = new AbortController()
  const stagesOf = (job: string) => [...stages].filter(({ run }) => run.job === job).sort(oldestFirst)

  function assertAlive(): void {
    if (process.signal.aborted) throw new TypeError('this staging has crashed: go on with the one that crash() gave')
  }

  function open(kept: KeptStage, budget: number, letGo: () => void, abandonedRuns: readonly string[] = []): MemoryStage {
    assertAlive()
    const forget = () => stages.delete(kept)
    return openMemoryStage({ kept, budget, abandonedRuns, killed: process.signal, forget, letGo })
  }

  async function removeHalfFilled(job: string): Promise<string[]> {
    const halfFilled = stagesOf(job).filter((kept) => !isSealed(kept))
    for (const kept of halfFilled) {
      stages.delete(kept)
      await removeFiles(kept)
    }
    return halfFilled.map(({ run }) => run.id)
  }

  return {
    async begin(run, { signal } = {}) {
      assertAlive()
      throwIfAborted(signal, `staging of job "${run.job}"`)
      const letGo = lock.take(run.job)
      try {
        const abandonedRuns = await removeHalfFilled(run.job)
        const unsent = stagesOf(run.job)
        const budget = budgetBytes - unsent.reduce((sum, kept) => sum + stateOf(kept).heldBytes, 0)
        if (budget < 2) throw budgetTaken(run.job, budgetBytes - budget)
        if (unsent.some((kept) => kept.run.id === run.id)) throw alreadyThere(run)
        const kept = emptyStage(run, directory === undefined ? '' : join(directory, encodeSegment(run.job), encodeSegment(run.id)))
        const stage = open(kept, budget, letGo, abandonedRuns)
        stages.add(kept)
        return stage
      } catch (error) {
        letGo()
        throw error
      }
    },

    async *resumable(job, { signal } = {}) {
      assertAlive()
      throwIfAborted(signal, `staging of job "${job}"`)
      if (!stagesOf(job).some(isSealed)) return
      const letGo = lock.take(job)
      try {
        for (const kept of stagesOf(job).filter(isSealed)) {
          throwIfAborted(signal, `staging of job "${job}"`)
          yield open(kept, budgetBytes, lock.share(job))
        }
      } finally {
        letGo()
      }
    },

    async follow(job, { signal } = {}) {
      assertAlive()
      throwIfAborted(signal, `following job "${job}"`)
      if (followed.has(job)) throw alreadyFollowed(job)
      followed.add(job)
      return { [Symbol.asyncDispose]: async () => void followed.delete(job) }
    },

    crash() {
      assertAlive()
      process.abort()
      return stagingOn(stages, place)
    },
  }
}

function budgetTaken(job: string, unsentBytes: number): BackupError {
  return new BackupError(`the staging budget of job "${job}" is used up by ${unsentBytes} bytes of earlier runs that were never sent`, {
    code: 'OUT_OF_SPACE',
    hint: 'Send them with the next run once the repository can be reached, or raise budgetBytes.',
  })
}

function alreadyThere({ job, id }: StagedRun): BackupError {
  return new BackupError(`stage ${id} of job "${job}" exists already`, { code: 'ALREADY_EXISTS', hint: 'Begin the run under a new id.' })
}

function alreadyFollowed(job: string): BackupError {
  return new BackupError(`job "${job}" is already being followed by this process`, {
    code: 'CONFLICT',
    hint: 'A job is followed once; let that go on, or end it first.',
  })
}
