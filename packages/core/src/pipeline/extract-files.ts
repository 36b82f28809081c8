import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, realpath, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Backup, OperationOptions, Problem, Repository, RestoredFileFacts } from '../contracts/index.ts'
import { syncFolder } from '../disk/sync-folder.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { type RunOptions, type RunReporter, reportRun } from '../events/run-reporter.ts'
import { describeBytes } from '../sizes/describe-bytes.ts'
import { diskError, freeBytes } from '../staging/disk-errors.ts'
import { writeNewFile } from '../staging/file-writer.ts'
import { createParents, itemFilePath } from '../staging/stage-paths.ts'
import { assertAsStored, failureOf, type IncomingFile, readFiles, restorableFiles } from './backup-files.ts'
import { assertItems } from './item-assertion.ts'

export interface ExtractFilesRequest {
  readonly repository: Repository
  readonly backup: Backup
  /** All that did not fail when left out. */
  readonly items?: readonly string[]
  /** Created where it does not exist; must be empty. */
  readonly directory: string
}

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
 * repository keeps it. A file appears under its name only when it is whole and verified (killed in that very moment, it may be
 * empty); nothing is replaced and no link followed. Throws `ALREADY_EXISTS` for a directory that is not empty,
 * `CONFLICT` for one that is a file, `OUT_OF_SPACE` beforehand, `CORRUPTED`, `NOT_FOUND`, `INVALID_INPUT`.
 */
export function extractFiles(request: ExtractFilesRequest, options: RunOptions = {}): Promise<ExtractFilesReport> {
  return reportRun(options, async (reporter) => {
    const result = await run(request, reporter, options)
    return { result, outcome: result.leftOut.length === 0 ? 'done' : 'partial' }
  })
}

async function run(request: ExtractFilesRequest, reporter: RunReporter, { signal }: RunOptions): Promise<ExtractFilesReport> {
  const { repository, backup, items } = request
  const operation: OperationOptions = { signal, onProgress: reporter.onProgress }
  reporter.emit({ type: 'started', action: 'files', job: backup.job, id: backup.id, application: backup.application, kind: backup.kind })
  throwIfAborted(signal, 'extracting files')
  assertItems(items ?? [], [backup])
  const failed = backup.items.flatMap(({ item, failure }) => (items === undefined && failure !== undefined ? [item] : []))
  for (const item of failed) reporter.problem(problemOfLeftOut(backup, item))

  const files = (await restorableFiles(repository, backup, operation)).filter(({ item }) => items === undefined || items.includes(item))
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
  for await (const file of readFiles(repository, backup, files, operation)) await extract(directory, file, signal)
  await writeGuide(request, directory, reporter, operation)
  return { directory, files: files.length, bytes, leftOut: failed, problems: reporter.problems }
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

async function extract(directory: string, { facts, content }: IncomingFile, signal: AbortSignal | undefined): Promise<void> {
  const target = itemFilePath(directory, facts.item, facts.name)
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
  { repository, backup }: ExtractFilesRequest,
  directory: string,
  reporter: RunReporter,
  options: OperationOptions,
): Promise<void> {
  try {
    const guide = await repository.readGuide?.(backup, options)
    if (guide === undefined) return
    await writeVerified(directory, path.join(directory, 'RESTORE.md'), once(Buffer.from(guide)), undefined, options.signal)
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
