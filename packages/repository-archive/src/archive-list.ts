import { type Backup, BackupError, type BackupFilter, encodeSegment, type OperationOptions, throwIfAborted } from '@backup-planet/core'
import { type ArchiveContext, below } from './archive-context.ts'
import { compareFolders, folderOfKey, folderTime, jobPrefix, manifestName } from './archive-layout.ts'
import { downloadManifest } from './archive-manifest.ts'

/** A folder in the store that could be a backup of ours. Of its objects only sums are kept: with the format `files` there may be millions. */
export interface StoredFolder {
  readonly folder: string
  /** As the store lists it; `undefined` where the folder holds no manifest, and so is no backup. */
  readonly manifestBytes: number | undefined
  /** Of all its objects. */
  readonly bytes: number
  /** Of its newest object, in milliseconds since 1970. */
  readonly newest: number
}

/** What a folder holds, by key relative to the folder. */
export type FolderObjects = ReadonlyMap<string, { readonly size: number }>

/** Folders that could be backups of ours, oldest first, committed or not. */
export async function storedFolders(context: ArchiveContext, filter: BackupFilter, options: OperationOptions): Promise<StoredFolder[]> {
  throwIfAborted(options.signal, 'listing the backups')
  const folders = new Map<string, StoredFolder>()
  const end = filter.id === undefined ? '' : `-${encodeSegment(filter.id)}`
  const since = filter.beganSince === undefined ? '' : folderTime(filter.beganSince)
  for await (const { key, size, modifiedAt } of context.uploader.list(
    filter.job === undefined ? '' : jobPrefix(filter.job),
    below(options),
  )) {
    const folder = folderOfKey(key)
    if (folder === undefined || !folder.endsWith(end) || folder.slice(folder.indexOf('/') + 1) < since) continue
    const before = folders.get(folder)
    folders.set(folder, {
      folder,
      manifestBytes: key === `${folder}/${manifestName}` ? size : before?.manifestBytes,
      bytes: (before?.bytes ?? 0) + size,
      newest: Math.max(before?.newest ?? Number.NEGATIVE_INFINITY, Date.parse(modifiedAt)),
    })
  }
  return [...folders.values()].sort((left, right) => compareFolders(left.folder, right.folder))
}

export async function objectsOf(context: ArchiveContext, folder: string, options: OperationOptions): Promise<FolderObjects> {
  const objects = new Map<string, { readonly size: number }>()
  for await (const { key, size } of context.uploader.list(`${folder}/`, below(options))) objects.set(key.slice(folder.length + 1), { size })
  return objects
}

export function isCommitted(folder: StoredFolder): boolean {
  return folder.manifestBytes !== undefined
}

/** The manifests of these folders in order, a few downloads ahead; a damaged one is an error value. */
export async function* readManifests(
  context: ArchiveContext,
  folders: readonly StoredFolder[],
  options: OperationOptions,
): AsyncIterable<
  { readonly folder: StoredFolder; readonly backup: Backup } | { readonly folder: StoredFolder; readonly error: BackupError }
> {
  const ahead = Math.max(1, context.uploader.supports.concurrency)
  const pending: Promise<Backup>[] = []
  let begun = 0
  try {
    for (const folder of folders) {
      while (begun < folders.length && pending.length < ahead) {
        const next = folders[begun++]
        if (next === undefined) break
        const reading = downloadManifest(context.uploader, next.folder, next.manifestBytes ?? 0, options)
        reading.catch(() => undefined)
        pending.push(reading)
      }
      try {
        const backup = await pending.shift()
        if (backup !== undefined) yield { folder, backup }
      } catch (error) {
        if (!BackupError.is(error) || !['CORRUPTED', 'UNSUPPORTED', 'INVALID_INPUT'].includes(error.code)) {
          if (isGone(error)) continue
          throw error
        }
        yield { folder, error }
      }
    }
  } finally {
    await Promise.allSettled(pending)
  }
}

/** Backups oldest first, by the time in their folder names. */
export async function* listBackups(context: ArchiveContext, filter: BackupFilter, options: OperationOptions): AsyncIterable<Backup> {
  const folders = (await storedFolders(context, filter, options)).filter(isCommitted)
  for await (const read of readManifests(context, folders, options)) {
    if ('error' in read) {
      options.onProgress?.({ type: 'problem', problem: { severity: 'warning', ...unreadable(read.error) } })
    } else if ((filter.id === undefined || read.backup.id === filter.id) && (filter.job === undefined || read.backup.job === filter.job)) {
      yield read.backup
    }
  }
}

export function unreadable(error: BackupError) {
  return {
    code: error.code,
    message: `this backup is left out: ${error.message}`,
    hint: error.hint ?? 'Run verify to learn what else is damaged.',
  }
}

/** Removed between listing and reading. */
function isGone(error: unknown): boolean {
  return BackupError.is(error) && error.code === 'NOT_FOUND'
}
