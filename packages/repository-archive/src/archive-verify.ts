import { type Backup, BackupError, type Finding, type OperationOptions, throwIfAborted, type VerifyRequest } from '@backup-planet/core'
import { type ArchiveContext, below } from './archive-context.ts'
import type { ArchiveContents } from './archive-inventory.ts'
import { jobIdentityKey, manifestName } from './archive-layout.ts'
import { type FolderObjects, isCommitted, objectsOf, readManifests, type StoredFolder, storedFolders } from './archive-list.ts'
import { ArchiveReader } from './archive-reader.ts'
import { type ArchiveStorage, type StoredObject, storageOf, storedObjects } from './archive-storage.ts'
import { checked } from './checked-content.ts'

const useAnother = 'Keep this backup as it is, restore from another one, and take a new full backup now.'

/** Changes nothing. Presence and size of everything always; every byte with `readData`. */
export async function* verifyBackups(context: ArchiveContext, request: VerifyRequest, options: OperationOptions): AsyncIterable<Finding> {
  throwIfAborted(options.signal, 'verifying')
  const filter = { ...(request.job === undefined ? {} : { job: request.job }), ...(request.id === undefined ? {} : { id: request.id }) }
  const folders = await storedFolders(context, filter, options)
  for (const folder of folders.filter((candidate) => !isCommitted(candidate))) yield unfinished(folder)
  yield* verifyJobs(context, folders, options)
  for await (const read of readManifests(context, folders.filter(isCommitted), options)) {
    if ('error' in read) {
      yield {
        severity: 'error',
        key: `${read.folder.folder}/${manifestName}`,
        code: read.error.code,
        message: read.error.message,
        hint: useAnother,
      }
    } else if (request.id === undefined || read.backup.id === request.id)
      yield* verifyBackup(context, read.backup, request.readData === true, options)
  }
}

/** What no backup needs, and the next one does. */
async function* verifyJobs(context: ArchiveContext, folders: readonly StoredFolder[], options: OperationOptions): AsyncIterable<Finding> {
  for (const segment of new Set(folders.map(({ folder }) => folder.slice(0, folder.indexOf('/'))))) {
    const problem = await failureOf(() => context.keys.checkJob(segment, options), options)
    if (problem === undefined) continue
    yield {
      severity: problem.code === 'WRONG_CREDENTIALS' ? 'warning' : 'error',
      key: jobIdentityKey(segment),
      code: problem.code,
      message: problem.message,
      hint: problem.hint ?? useAnother,
    }
  }
}

async function* verifyBackup(
  context: ArchiveContext,
  backup: Backup,
  readData: boolean,
  options: OperationOptions,
): AsyncIterable<Finding> {
  const storage = storageOf(backup)
  const at = (key: string) => ({ backup: backup.id, key: `${storage.folder}/${key}` })
  const objects = await objectsOf(context, storage.folder, options)
  let errors = 0
  for (const object of storedObjects(storage)) {
    const found = objects.get(object.key)
    if (found?.size === object.size) continue
    errors++
    yield found === undefined
      ? { severity: 'error', ...at(object.key), code: 'NOT_FOUND', message: `object ${object.key} is missing`, hint: useAnother }
      : {
          severity: 'error',
          ...at(object.key),
          code: 'CORRUPTED',
          message: `object ${object.key} has ${found.size} of ${object.size} bytes`,
          hint: useAnother,
        }
  }
  for (const key of strangers(storage, objects)) {
    yield {
      severity: 'warning',
      ...at(key),
      message: `object ${key} belongs to nothing in this backup`,
      hint: 'It only costs space, and goes when this backup is removed.',
    }
  }
  let filesRead = false
  if (readData) {
    for await (const finding of verifyData(context, backup, storage, objects, options)) {
      if (finding === 'files-read') filesRead = true
      else {
        if (finding.severity === 'error') errors++
        yield finding
      }
    }
  }
  if (errors > 0) return
  const depth = !readData
    ? 'every object is there with its size'
    : filesRead
      ? 'every byte of every file is as it was staged'
      : 'every byte of every object is as it was stored'
  yield { severity: 'ok', backup: backup.id, message: `backup ${backup.id}: ${depth}` }
}

/** Every object is downloaded once. Where this host holds the keys, its files are compared in the same pass. */
async function* verifyData(
  context: ArchiveContext,
  backup: Backup,
  storage: ArchiveStorage,
  objects: FolderObjects,
  options: OperationOptions,
): AsyncIterable<Finding | 'files-read'> {
  const at = (key: string) => ({ backup: backup.id, key: `${storage.folder}/${key}` })
  const wanting = (key: string, problem: BackupError): Finding => ({
    severity: 'error',
    ...at(key),
    code: problem.code,
    message: problem.message,
    hint: useAnother,
  })
  const complete = (object: StoredObject) => objects.get(object.key)?.size === object.size
  const onBytes = (bytes: number) => options.onProgress?.({ type: 'bytes', phase: 'verify', bytes })

  const reader = new ArchiveReader(context, backup, { signal: options.signal })
  let contents: readonly ArchiveContents[] | undefined
  let unreadable = await failureOf(async () => {
    contents = await reader.contents()
  }, options)
  const archives = new Set<StoredObject>(storage.archives)
  for (const object of storedObjects(storage).filter((candidate) => !archives.has(candidate))) {
    const needed = object === storage.inventory || object === storage.identity
    // Its lists have been read from it, and with that every byte.
    if (object === storage.inventory && contents !== undefined) onBytes(object.size)
    else if (complete(object)) {
      const problem = await failureOf(() => readObject(context, storage, object, onBytes, options), options)
      if (problem !== undefined) yield wanting(object.key, problem)
      if (problem !== undefined && needed) unreadable = undefined
    } else if (needed) unreadable = undefined
  }
  if (unreadable?.code === 'WRONG_CREDENTIALS') {
    // Without any key that is how it shall be; with one, nobody here could restore from this backup.
    yield {
      severity: context.keys.none ? 'warning' : 'error',
      backup: backup.id,
      code: unreadable.code,
      message: `the files of backup ${backup.id} could not be decrypted, only its objects were compared`,
      ...(unreadable.hint === undefined ? {} : { hint: unreadable.hint }),
    }
  } else if (unreadable !== undefined) {
    yield { severity: 'error', backup: backup.id, code: unreadable.code, message: unreadable.message, hint: useAnother }
  }
  const files = new Map(contents?.map((archive) => [archive.archive.key, archive]))
  for (const object of storage.archives.filter(complete)) {
    const archive = files.get(object.key)
    const problem = await failureOf(
      () => (archive === undefined ? readObject(context, storage, object, onBytes, options) : reader.verify(archive, onBytes)),
      options,
    )
    if (problem !== undefined) yield wanting(object.key, problem)
  }
  if (contents !== undefined) yield 'files-read'
}

async function readObject(
  context: ArchiveContext,
  storage: ArchiveStorage,
  object: StoredObject,
  onBytes: (bytes: number) => void,
  options: OperationOptions,
): Promise<void> {
  const content = context.uploader.download(`${storage.folder}/${object.key}`, undefined, below(options))
  for await (const chunk of checked(content, object, `object ${object.key}`)) onBytes(chunk.byteLength)
}

/** What is wrong with the data. Anything that is wrong with the way to it is thrown. */
async function failureOf(work: () => Promise<void>, options: OperationOptions): Promise<BackupError | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    throwIfAborted(options.signal, 'verifying')
    if (BackupError.is(error) && ['CORRUPTED', 'NOT_FOUND', 'WRONG_CREDENTIALS', 'UNSUPPORTED'].includes(error.code)) return error
    throw error
  }
}

function* strangers(storage: ArchiveStorage, objects: FolderObjects): Iterable<string> {
  const known = new Set([manifestName, ...storedObjects(storage).map((object) => object.key)])
  for (const key of objects.keys()) if (!known.has(key)) yield key
}

function unfinished({ folder, bytes }: StoredFolder): Finding {
  return {
    severity: 'warning',
    key: folder,
    message: `${folder} holds ${bytes} bytes of a run that is not committed`,
    hint: 'Leave it when that run is still going on or will be resumed; otherwise remove this folder.',
  }
}
