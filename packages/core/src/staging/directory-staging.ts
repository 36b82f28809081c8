import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { OperationOptions, RunStage, StagedRun, Staging } from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { encodeSegment } from '../naming/path-segment.ts'
import { describeBytes } from '../sizes/describe-bytes.ts'
import { DirectoryRunStage } from './directory-run-stage.ts'
import { diskError, FreeSpaceGuard, freeBytes } from './disk-errors.ts'
import { acquireFollowLock, acquireJobLock, type JobLock } from './job-lock.ts'
import { minimumFreeByDefault, namedSettings, type StagingSettingNames } from './setting-names.ts'
import { createStageFolder, findStages, type OpenableStage, removeRemains, removeStageFolder } from './stage-folder.ts'
import { StageJournal } from './stage-journal.ts'
import { StageState } from './stage-state.ts'

export interface DirectoryStagingSettings {
  /** Created with mode 0700 where it does not exist. */
  readonly directory: string
  /**
   * Bytes that the files of all stages of one job may take together; no single file may be larger than half of it. The journal
   * beside them, less than 1 KiB a file, is not counted.
   * Files that an application writes itself count from the moment they are adopted.
   * What the disk has free beyond `minimumFreeBytes` when left out.
   */
  readonly budgetBytes?: number | undefined
  /** Always left free on the disk; 512 MiB when left out. */
  readonly minimumFreeBytes?: number | undefined
  /** How much a directory has free; the operating system's answer when left out. */
  readonly freeBytes?: ((directory: string) => Promise<number>) | undefined
  readonly settingNames?: StagingSettingNames | undefined
}

/**
 * Staging on a local disk: `<directory>/<job>/<id>/items/<item>/<name>` with an append-only `stage.journal` beside `items`,
 * so that a sealed stage survives a kill or a power cut and can be sent by the next run.
 *
 * The content given to `write` must not wait for the `write` of another file to go on, or the budget may stop both.
 */
export function createDirectoryStaging(settings: DirectoryStagingSettings): Staging {
  const { budgetBytes, minimumFreeBytes = minimumFreeByDefault } = settings
  const directory = path.resolve(settings.directory)
  const askFree = settings.freeBytes ?? freeBytes
  const names = namedSettings(settings.settingNames)
  if (budgetBytes !== undefined && !(Number.isSafeInteger(budgetBytes) && budgetBytes >= 2)) {
    throw new BackupError(`staging budget of ${budgetBytes} bytes`, {
      code: 'INVALID_SETTINGS',
      hint: `Set ${names.budget} to a whole number of bytes, more than twice the largest file.`,
    })
  }
  const folderOf = (job: string) => path.join(directory, encodeSegment(job))
  const budgetNow = async () => budgetBytes ?? Math.max(2, (await askFree(directory)) - minimumFreeBytes)
  const guard = () => new FreeSpaceGuard(directory, minimumFreeBytes, askFree, names)

  const openStage = async (
    found: OpenableStage,
    lock: JobLock,
    budget: number,
    abandonedRuns: readonly string[] = [],
  ): Promise<RunStage> => {
    const journal = await StageJournal.open(found.folder, found.journal.bytes)
    return new DirectoryRunStage({
      folder: found.folder,
      run: found.run,
      records: found.journal.records,
      journal,
      lock,
      budget,
      abandonedRuns,
      space: guard(),
      budgetName: names.budget,
    })
  }

  return {
    async begin(run: StagedRun, options: OperationOptions = {}): Promise<RunStage> {
      throwIfAborted(options.signal, `staging of job "${run.job}"`)
      const jobFolder = folderOf(run.job)
      try {
        await mkdir(jobFolder, { recursive: true, mode: 0o700 })
        const lock = await acquireJobLock(jobFolder, run.job, { ...options, followed: run.followed === true })
        try {
          await removeRemains(jobFolder)
          let kept = 0
          const abandonedRuns: string[] = []
          for (const stage of await findStages(jobFolder)) {
            if (stage.sealed) kept += StageState.replay(stage.journal.records, stage.folder).heldBytes
            else {
              if (stage.run !== undefined) abandonedRuns.push(stage.run.id)
              await removeStageFolder(stage.folder)
            }
          }
          await guard().require(0, true)
          const budget = (await budgetNow()) - (budgetBytes === undefined ? 0 : kept)
          if (budget < 2) throw budgetTaken(run.job, kept, jobFolder, names.budget)
          throwIfAborted(options.signal, `staging of job "${run.job}"`)
          return await openStage(await createStageFolder(jobFolder, run), lock, budget, abandonedRuns)
        } catch (error) {
          await lock.release()
          throw error
        }
      } catch (error) {
        throw diskError(error, 'write', jobFolder)
      }
    },

    async follow(job: string, options: OperationOptions = {}): Promise<AsyncDisposable> {
      throwIfAborted(options.signal, `following job "${job}"`)
      const jobFolder = folderOf(job)
      try {
        await mkdir(jobFolder, { recursive: true, mode: 0o700 })
        const lock = await acquireFollowLock(jobFolder, job)
        return { [Symbol.asyncDispose]: () => lock.release() }
      } catch (error) {
        throw diskError(error, 'write', jobFolder)
      }
    },

    async *resumable(job: string, options: OperationOptions = {}): AsyncGenerator<RunStage, void, void> {
      throwIfAborted(options.signal, `staging of job "${job}"`)
      const jobFolder = folderOf(job)
      const asDiskError = (error: unknown): never => {
        throw diskError(error, 'open', jobFolder)
      }
      if (!(await findStages(jobFolder).catch(asDiskError)).some((stage) => stage.sealed)) return
      const lock = await acquireJobLock(jobFolder, job, options).catch(asDiskError)
      try {
        for (const stage of await findStages(jobFolder).catch(asDiskError)) {
          throwIfAborted(options.signal, `staging of job "${job}"`)
          const { run } = stage
          if (!stage.sealed || run === undefined) continue
          const share = lock.share()
          yield await openStage({ ...stage, run }, share, await budgetNow()).catch(async (error: unknown) => {
            await share.release()
            return asDiskError(error)
          })
        }
      } finally {
        await lock.release()
      }
    },
  }
}

function budgetTaken(job: string, kept: number, folder: string, budgetName: string): BackupError {
  return new BackupError(`the staging budget of job "${job}" is used up by ${describeBytes(kept)} of earlier runs that were never sent`, {
    code: 'OUT_OF_SPACE',
    hint: `Send them with the next run once the repository can be reached, raise ${budgetName}, or remove ${folder} to give them up.`,
  })
}
