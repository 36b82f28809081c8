import { randomBytes } from 'node:crypto'
import { lstat, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { StagedRun } from '../contracts/index.ts'
import { syncFolder } from '../disk/sync-folder.ts'
import { BackupError } from '../errors/backup-error.ts'
import { encodeSegment } from '../naming/path-segment.ts'
import { type JournalContent, type JournalRecord, journalLine, journalName, readJournal } from './stage-journal.ts'

export const itemsFolder = 'items'
/** No encoded name holds a `~` in this place, so these are always ours. */
const doomed = 'removed~'
const unborn = 'new~'

export interface OpenableStage {
  readonly folder: string
  readonly journal: JournalContent
  readonly run: StagedRun
}

export interface FoundStage {
  readonly folder: string
  readonly journal: JournalContent
  /** Left out where the journal was torn before its first line was whole. */
  readonly run: StagedRun | undefined
  readonly sealed: boolean
}

/** Creates the folder of a stage with its journal; it appears under its name only when both are there. */
export async function createStageFolder(jobFolder: string, run: StagedRun): Promise<OpenableStage> {
  const folder = path.join(jobFolder, encodeSegment(run.id))
  if (await exists(folder)) {
    throw new BackupError(`stage ${run.id} of job "${run.job}" exists already in ${folder}`, {
      code: 'ALREADY_EXISTS',
      hint: 'Begin the run under a new id.',
    })
  }
  const temporary = path.join(jobFolder, `${unborn}${randomBytes(8).toString('hex')}`)
  await mkdir(path.join(temporary, itemsFolder), { recursive: true, mode: 0o700 })
  const { job, id, beganAt, limitedTo } = run
  const begun: JournalRecord = {
    type: 'begun',
    format: 'backup-planet/stage/1',
    run: { job, id, beganAt, ...(limitedTo === undefined ? {} : { limitedTo }) },
  }
  const line = journalLine(begun)
  await writeFile(path.join(temporary, journalName), line, { flag: 'wx', mode: 0o600, flush: true })
  await rename(temporary, folder)
  await syncFolder(jobFolder)
  return { folder, run, journal: { records: [begun], bytes: Buffer.byteLength(line) } }
}

/** Makes the stage disappear at once, then frees its space: a removal that is cut must not leave half a sealed stage. */
export async function removeStageFolder(folder: string): Promise<void> {
  const grave = path.join(path.dirname(folder), `${doomed}${randomBytes(8).toString('hex')}`)
  try {
    await rename(folder, grave)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  await rm(grave, { recursive: true, force: true, maxRetries: 3 })
}

/** Removes what removals and beginnings that were cut have left. Only while the job is locked. */
export async function removeRemains(jobFolder: string): Promise<void> {
  for (const name of await readdir(jobFolder)) {
    if (!name.startsWith(doomed) && !name.startsWith(unborn)) continue
    await rm(path.join(jobFolder, name), { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Every folder that holds a journal, in the order of the runs. Folders of others are left out, whatever they hold. */
export async function findStages(jobFolder: string): Promise<FoundStage[]> {
  const found: FoundStage[] = []
  for (const name of await namesIn(jobFolder)) {
    if (name.startsWith(doomed) || name.startsWith(unborn)) continue
    const folder = path.join(jobFolder, name)
    const journal = await readJournal(folder)
    if (journal === undefined) continue
    const [first] = journal.records
    found.push({
      folder,
      journal,
      run: first?.type === 'begun' ? first.run : undefined,
      sealed: journal.records.some((record) => record.type === 'sealed'),
    })
  }
  const order = (stage: FoundStage) => `${stage.run?.beganAt ?? ''} ${stage.run?.id ?? ''}`
  return found.sort((a, b) => (order(a) < order(b) ? -1 : 1))
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

async function exists(place: string): Promise<boolean> {
  return lstat(place).then(
    () => true,
    (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    },
  )
}
