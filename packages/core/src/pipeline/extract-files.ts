import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, realpath, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Agent, Backup, OperationOptions, Problem, Repository, RestoredFileFacts } from '../contracts/index.ts'
import { syncFolder } from '../disk/sync-folder.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { type RunOptions, type RunReporter, reportRun } from '../events/run-reporter.ts'
import { encodeSegment } from '../naming/path-segment.ts'
import { describeBytes } from '../sizes/describe-bytes.ts'
import { diskError, freeBytes } from '../staging/disk-errors.ts'
import { writeNewFile } from '../staging/file-writer.ts'
import { createParents, itemFilePath } from '../staging/stage-paths.ts'
import { assertAsStored, failureOf, type IncomingFile, readFiles, restorableFiles } from './backup-files.ts'
import { chainGuide } from './chain-guide.ts'
import type { ChosenChain } from './chosen-chain.ts'
import { assertItems } from './item-assertion.ts'

interface ExtractFilesParts {
  /** All that did not fail when left out. */
  readonly items?: readonly string[]
  /** Created where it does not exist; must be empty. */
  readonly directory: string
}

/** The files of one backup, or of all that a goal needs. */
export type ExtractFilesRequest = ExtractFilesParts &
  (
    | { readonly repository: Repository; readonly backup: Backup }
    | {
        readonly chain: ChosenChain
        /** Says how its logs are applied by hand, where it can. */
        readonly agent?: Pick<Agent, 'replayGuide'>
      }
  )

export interface ExtractFilesReport {
  readonly directory: string
  readonly files: number
  readonly bytes: number
  /** Items that failed when they were backed up, and so have no files. */
  readonly leftOut: readonly string[]
  readonly problems: readonly Problem[]
}

/**
 * Writes the files of one backup as `<directory>/<item>/<name>` (items encoded by `encodeSegment`), and `RESTORE.md` where the
 * repository keeps it; those of a chain of several in one folder a backup, `01-full-<id>`, `02-log-<id>` and so on in the order in which they are
 * applied, with a `RESTORE.md` above them that says so. Of a log come all items, whichever are asked for. A file appears under its name only when it is whole and verified (killed in that very moment, it may be
 * empty); nothing is replaced and no link followed. Throws `ALREADY_EXISTS` for a directory that is not empty,
 * `CONFLICT` for one that is a file, `OUT_OF_SPACE` beforehand, `CORRUPTED`, `NOT_FOUND`, `INVALID_INPUT`.
 */
export function extractFiles(request: ExtractFilesRequest, options: RunOptions = {}): Promise<ExtractFilesReport> {
  return reportRun(options, async (reporter) => {
    const result = await run(request, reporter, options)
    return { result, outcome: result.leftOut.length === 0 ? 'done' : 'partial' }
  })
}

interface Place {
  readonly backup: Backup
  readonly repository: Repository
  /** Below the directory; empty for the directory itself. */
  readonly folder: string
}

async function run(request: ExtractFilesRequest, reporter: RunReporter, { signal }: RunOptions): Promise<ExtractFilesReport> {
  const { items } = request
  const operation: OperationOptions = { signal, onProgress: reporter.onProgress }
  const places = placesOf(request)
  const { job, id, application, kind } = (places.at(-1) as Place).backup
  reporter.emit({ type: 'started', action: 'files', job, id, application, kind })
  throwIfAborted(signal, 'extracting files')
  const bases = places.flatMap(({ backup }) => (places.length > 1 && backup.kind === 'log' ? [] : [backup]))
  assertItems(items ?? [], bases)
  const failed = new Set<string>()
  for (const { backup } of places) {
    for (const item of failedIn(backup, items)) {
      failed.add(item)
      reporter.problem(problemOfLeftOut(backup, item))
    }
  }

  const wanted: { readonly place: Place; readonly files: readonly RestoredFileFacts[] }[] = []
  for (const place of places) {
    const all = await restorableFiles(place.repository, place.backup, operation)
    wanted.push({ place, files: all.filter(({ item }) => isWanted(place, item, items, places.length > 1)) })
  }
  const files = wanted.flatMap((one) => one.files)
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  reporter.expect('read', bytes)
  const directory = await emptyDirectory(path.resolve(request.directory))
  const free = await freeBytes(directory)
  if (free < bytes) {
    throw new BackupError(`the files take ${describeBytes(bytes)}, and the disk of ${directory} has ${describeBytes(free)} free`, {
      code: 'OUT_OF_SPACE',
      hint: 'Free disk space there, choose a directory on a larger disk, or fewer items.',
    })
  }
  for (const { place, files: ofPlace } of wanted) {
    for await (const file of readFiles(place.repository, place.backup, ofPlace, operation)) await extract(directory, place, file, signal)
    await writeGuide(place, directory, reporter, operation)
  }
  if ('chain' in request && places.length > 1) {
    const folders = places.map(({ folder }) => folder)
    const guide = Buffer.from(chainGuide(request.chain, folders, request.agent, items))
    await writeVerified(directory, path.join(directory, 'RESTORE.md'), once(guide), undefined, signal)
  }
  return { directory, files: files.length, bytes, leftOut: [...failed], problems: reporter.problems }
}

function placesOf(request: ExtractFilesRequest): Place[] {
  if ('backup' in request) return [{ backup: request.backup, repository: request.repository, folder: '' }]
  const { chosen } = request.chain
  const width = Math.max(2, String(chosen.length).length)
  return chosen.map(({ backup, from }, index) => {
    const folder = `${String(index + 1).padStart(width, '0')}-${backup.kind}-${encodeSegment(backup.id)}`
    return { backup, repository: from.repository, folder: chosen.length === 1 ? '' : folder }
  })
}

/** A log is needed as a whole, whatever is restored from it. */
function isWanted({ backup }: Place, item: string, items: readonly string[] | undefined, inChain: boolean): boolean {
  return items === undefined || items.includes(item) || (inChain && backup.kind === 'log')
}

function failedIn(backup: Backup, items: readonly string[] | undefined): string[] {
  return backup.items.flatMap(({ item, failure }) => (items === undefined && failure !== undefined ? [item] : []))
}

async function emptyDirectory(directory: string): Promise<string> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const real = await realpath(directory)
    if ((await readdir(real)).length === 0) return real
  } catch (error) {
    throw diskError(error, 'write', directory)
  }
  throw new BackupError(`${directory} is not empty`, {
    code: 'ALREADY_EXISTS',
    hint: 'Choose a new or empty directory; nothing is replaced.',
  })
}

async function extract(
  directory: string,
  { folder }: Place,
  { facts, content }: IncomingFile,
  signal: AbortSignal | undefined,
): Promise<void> {
  const target = itemFilePath(path.join(directory, folder), facts.item, facts.name)
  await writeVerified(directory, target, content, facts, signal)
}

/** Of two names that a disk takes for one, such as `Case` and `case`, the second must not replace the first. */
async function takeName(target: string): Promise<void> {
  try {
    await (await open(target, 'wx', 0o600)).close()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new BackupError(`${target} exists already`, {
      code: 'ALREADY_EXISTS',
      hint: 'Extract into an empty directory on a disk that tells upper from lower case.',
    })
  }
}

async function writeVerified(
  directory: string,
  target: string,
  content: AsyncIterable<Uint8Array>,
  facts: RestoredFileFacts | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  await createParents(directory, target)
  const temporary = path.join(path.dirname(target), `.${randomBytes(8).toString('hex')}.part`)
  const written = await writeNewFile(temporary, content, { signal, durable: true })
  try {
    if (facts !== undefined) assertAsStored(facts, written)
    await takeName(target)
    await rename(temporary, target)
  } catch (error) {
    await rm(temporary, { force: true })
    throw diskError(error, 'write', target)
  }
  await syncFolder(path.dirname(target))
}

async function writeGuide(
  { repository, backup, folder }: Place,
  directory: string,
  reporter: RunReporter,
  options: OperationOptions,
): Promise<void> {
  try {
    const guide = await repository.readGuide?.(backup, options)
    if (guide === undefined) return
    await writeVerified(directory, path.join(directory, folder, 'RESTORE.md'), once(Buffer.from(guide)), undefined, options.signal)
  } catch (error) {
    throwIfAborted(options.signal, 'extracting files')
    reporter.problem({
      severity: 'warning',
      code: BackupError.is(error) ? error.code : 'UNKNOWN',
      message: `RESTORE.md could not be written: ${error instanceof Error ? error.message : String(error)}`,
      hint: 'All files are there and whole; only the guide is missing.',
    })
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield bytes
}

function problemOfLeftOut(backup: Backup, item: string): Problem {
  return {
    severity: 'warning',
    code: 'NOT_FOUND',
    message: `item "${item}" failed in backup ${backup.id} and is left out: ${failureOf(backup, item)}`,
    hint: 'Take the files of this item from a backup in which it did not fail.',
    item,
  }
}
