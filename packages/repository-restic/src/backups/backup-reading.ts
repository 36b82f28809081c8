import {
  type Backup,
  BackupError,
  type ByteRange,
  clampRange,
  type ManifestFile,
  type ManifestItem,
  type OperationOptions,
  type RepositoryFile,
  throwIfAborted,
} from '@backup-planet/core'
import type { TreeNode } from '../format/tree-blob.ts'
import { inlineBytes, plainLength, ReadAhead, readBlobs, type WantedBlob } from '../read/blob-reader.ts'
import { RecentFolders } from '../read/recent-folders.ts'
import { findNode } from '../read/tree-walk.ts'
import { objectKey } from '../repository-objects.ts'
import { damaged, noBackup } from '../restic-errors.ts'
import type { ResticSession } from '../restic-session.ts'
import { createBlobWorkers, createInlineBlobWorkers } from '../workers/blob-workers.ts'
import { guideName, itemPath } from './backup-tree.ts'
import { type FoundSnapshot, readBackup, snapshotOf } from './snapshot-catalog.ts'
import { readWholeFile } from './whole-file.ts'

/** A committed backup with the snapshot it lies in. Throws `NOT_FOUND` when it is not in the repository any more. */
async function findCommitted(
  session: ResticSession,
  backup: Backup,
  options: OperationOptions,
): Promise<{ readonly snapshot: FoundSnapshot; readonly manifest: Backup }> {
  const snapshot = await snapshotOf(session, backup, options)
  if (snapshot === undefined) throw noBackup(backup.id, session.uploader.destination)
  return { snapshot, manifest: await readBackup(session, snapshot, options) }
}

export async function readInventory(session: ResticSession, backup: Backup, options: OperationOptions): Promise<readonly ManifestItem[]> {
  return (await findCommitted(session, backup, options)).manifest.items
}

export async function readGuide(session: ResticSession, backup: Backup, options: OperationOptions): Promise<string | undefined> {
  const { snapshot } = await findCommitted(session, backup, options)
  const node = await findNode(session, snapshot.record.tree, [guideName], options)
  if (node === undefined) return undefined
  return readWholeFile(session, node, objectKey('snapshots', snapshot.id), options)
}

/** A range of one file; only the blobs that it touches are read. */
export async function* openFile(
  session: ResticSession,
  backup: Backup,
  file: { readonly item: string; readonly name: string },
  range: ByteRange | undefined,
  options: OperationOptions,
): AsyncGenerator<Uint8Array, void> {
  throwIfAborted(options.signal, 'reading the backup')
  const { snapshot, manifest } = await findCommitted(session, backup, options)
  const facts = fileFacts(manifest, file)
  const node = await findNode(session, snapshot.record.tree, [...itemPath(manifest, file.item), ...file.name.split('/')], options)
  if (node === undefined) throw missingInTree(snapshot, file)
  const wanted = await locateContent(session, node, facts, file, options)
  const { begin, end } = clampRange(range, facts.size)
  let at = 0
  const touched: WantedBlob[] = []
  let first = 0
  for (const blob of wanted) {
    const next = at + plainLength(blob.location)
    if (next > begin && at < end) {
      if (touched.length === 0) first = at
      touched.push(blob)
    }
    at = next
  }
  let position = first
  for await (const bytes of readBlobs(session, touched, options)) {
    throwIfAborted(options.signal, 'reading the backup')
    const part = bytes.subarray(Math.max(0, begin - position), end - position)
    position += bytes.byteLength
    if (part.byteLength > 0) yield part
    throwIfAborted(options.signal, 'reading the backup')
  }
}

/** The selected files one behind the other, while those that follow are read already. */
export async function* readFiles(
  session: ResticSession,
  backup: Backup,
  select: (file: { readonly item: string; readonly name: string }) => boolean,
  options: OperationOptions,
): AsyncGenerator<RepositoryFile, void> {
  throwIfAborted(options.signal, 'reading the backup')
  const { snapshot, manifest } = await findCommitted(session, backup, options)
  const files = selectedFiles(manifest, select)
  const repository = await session.open(options)
  const data = { key: repository.key, memory: undefined, compressionLevel: 0 }
  const total = files.reduce((sum, { facts }) => sum + facts.size, 0)
  await using workers = total > inlineBytes ? createBlobWorkers(data, session.settings.threads) : createInlineBlobWorkers(data)
  const blobs = new ReadAhead(repository, workers, options, session).read(locatedContent(session, manifest, snapshot, files, options))
  try {
    for (const { item, facts } of files) {
      throwIfAborted(options.signal, 'reading the backup')
      // The blobs of a file have exactly its size together: see `locateContent`.
      let left = facts.size
      const next = async (): Promise<Uint8Array> => {
        const result = await blobs.next()
        throwIfAborted(options.signal, 'reading the backup')
        if (result.done === true) throw new TypeError('there are fewer blobs than files need')
        left -= result.value.byteLength
        return result.value
      }
      async function* content(): AsyncGenerator<Uint8Array, void> {
        while (left > 0) yield await next()
      }
      yield { item, name: facts.name, size: facts.size, content: content() }
      while (left > 0) await next()
    }
    // Also a file without content has to be in the tree.
    await blobs.next()
  } finally {
    await blobs.return()
  }
}

interface SelectedFile {
  readonly item: string
  readonly facts: ManifestFile
}

function selectedFiles(manifest: Backup, select: (file: { readonly item: string; readonly name: string }) => boolean): SelectedFile[] {
  return manifest.items.flatMap(({ item, files = [] }) =>
    files.filter(({ name }) => select({ item, name })).map((facts): SelectedFile => ({ item, facts })),
  )
}

/** The blobs of the files in turn. One file is looked for at a time, when somebody wants its blobs: a backup may have more than fit into memory. */
async function* locatedContent(
  session: ResticSession,
  manifest: Backup,
  snapshot: FoundSnapshot,
  files: readonly SelectedFile[],
  options: OperationOptions,
): AsyncGenerator<WantedBlob, void> {
  const folders = new RecentFolders(session, options)
  for (const { item, facts } of files) {
    const file = { item, name: facts.name }
    const node = await folders.nodeAt(snapshot.record.tree, [...itemPath(manifest, item), ...facts.name.split('/')])
    if (node === undefined) throw missingInTree(snapshot, file)
    yield* await locateContent(session, node, facts, file, options)
  }
}

/** Where the content of a file lies; throws `CORRUPTED` unless it is exactly as long as the manifest says. */
async function locateContent(
  session: ResticSession,
  node: TreeNode,
  facts: ManifestFile,
  file: { readonly item: string; readonly name: string },
  options: OperationOptions,
): Promise<WantedBlob[]> {
  const wanted: WantedBlob[] = []
  let size = 0
  for (const id of node.content) {
    const location = await session.locate('data', id, options)
    wanted.push({ id, location })
    size += plainLength(location)
  }
  if (size !== facts.size)
    throw damaged(`file ${file.name} of ${file.item}`, `its blobs have ${size} bytes, and the manifest says ${facts.size}`)
  return wanted
}

function missingInTree({ id }: FoundSnapshot, { item, name }: { readonly item: string; readonly name: string }): BackupError {
  return damaged(objectKey('snapshots', id), `${name} of ${item} is in its manifest and not in its tree`)
}

function fileFacts(manifest: Backup, { item, name }: { readonly item: string; readonly name: string }): ManifestFile {
  const found = manifest.items.find((candidate) => candidate.item === item && candidate.failure === undefined)
  const facts = found?.files?.find((candidate) => candidate.name === name)
  if (facts !== undefined) return facts
  throw new BackupError(`file ${JSON.stringify(name)} of ${JSON.stringify(item)} is not in backup ${manifest.id}`, {
    code: 'NOT_FOUND',
    hint: 'List the files of the backup to see what there is.',
  })
}
