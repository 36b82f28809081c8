import { hostname } from 'node:os'
import {
  type Backup,
  BackupError,
  type CaptureFacts,
  canonicalJson,
  type ItemFacts,
  type ItemFailure,
  type Json,
  type Manifest,
  type ManifestItem,
  type OperationOptions,
  type StoreRequest,
  throwIfAborted,
} from '@backup-planet/core'
import { discard } from '@backup-planet/core/memory'
import { guideName, itemPath, manifestName, snapshotTags, sourcePath } from '../backups/backup-tree.ts'
import { restoreGuideText } from '../backups/restore-guide.ts'
import { withSnapshot } from '../backups/snapshot-catalog.ts'
import { mostWholeFileBytes } from '../backups/whole-file.ts'
import { type SnapshotRecord, snapshotJson } from '../format/snapshot-record.ts'
import type { StorageId } from '../format/storage-id.ts'
import { userName } from '../process-identity.ts'
import type { OpenRepository } from '../repository-access.ts'
import type { HeldLock } from '../repository-lock.ts'
import { writeSealedJson } from '../repository-objects.ts'
import type { ResticSession } from '../restic-session.ts'
import type { BlobWriter } from './blob-writer.ts'
import { saveTrees, type TreeFile } from './snapshot-tree.ts'
import type { StoredFile } from './store-notes.ts'

export interface CommitParts {
  readonly session: ResticSession
  readonly repository: OpenRepository
  readonly request: StoreRequest
  readonly lock: HeldLock
  readonly writer: BlobWriter
  readonly facts: CaptureFacts
  readonly items: readonly {
    readonly item: string
    readonly facts: ItemFacts | undefined
    readonly failure: ItemFailure | undefined
    readonly files: readonly StoredFile[]
  }[]
}

/**
 * Everything beside the files, then packs, index, and the snapshot last (restic, doc/design.rst, "Read and Write Ordering"). Nothing is
 * committed unless our lock stood until then.
 */
export async function commitSnapshot(parts: CommitParts, options: OperationOptions): Promise<Backup> {
  const { writer, repository, lock, session } = parts
  const manifest = manifestOf(parts)
  const text = canonicalJson(manifest as unknown as Json)
  const tree = await saveContents(parts, manifest, text)
  await writer.finish(options)
  const record = snapshotOf(manifest, tree)
  await lock.assertHeld(options)
  throwIfAborted(options.signal, 'storing the backup')
  const snapshot = await writeSealedJson(repository, 'snapshots', snapshotJson(record), options)
  session.snapshots.set(snapshot, record)
  await (await session.cache(options)).write(snapshot, text)
  // Readers of this session look for the new blobs where they are now.
  session.forgetIndex()
  return withSnapshot(manifest, snapshot)
}

const pieceBytes = 4 * 1024 ** 2

async function saveContents({ writer, items, facts, repository }: CommitParts, manifest: Manifest, text: string): Promise<StorageId> {
  const saveFile = async (name: string, content: Buffer): Promise<TreeFile> => {
    if (content.byteLength > mostWholeFileBytes) throw tooManyFiles(name, content.byteLength)
    const ids: StorageId[] = []
    for (let at = 0; at < content.byteLength; at += pieceBytes) {
      ids.push((await writer.saveBytes('data', content.subarray(at, at + pieceBytes))).id)
    }
    const file = { size: content.byteLength, content: ids }
    discard(content)
    return { path: [name], file }
  }
  const beside = [
    await saveFile(manifestName, Buffer.from(text, 'utf8')),
    await saveFile(guideName, Buffer.from(restoreGuideText(manifest, repository.uploader.destination, facts.restoreGuide), 'utf8')),
  ]
  const whole = items.filter(({ failure }) => failure === undefined)
  const folders = [sourcePath(manifest), ...whole.map(({ item }) => itemPath(manifest, item))]
  const files = treeFiles(manifest, whole, beside)
  return saveTrees({ files, folders, modifiedAt: manifest.consistentAt }, async (tree) => (await writer.saveBytes('tree', tree)).id)
}

function* treeFiles(manifest: Manifest, items: CommitParts['items'], beside: readonly TreeFile[]): Generator<TreeFile, void> {
  for (const { item, files } of items) {
    for (const file of files) yield { path: [...itemPath(manifest, item), ...file.name.split('/')], file }
  }
  yield* beside
}

/** A backup that could be committed and not be listed again must not be committed. */
function tooManyFiles(name: string, bytes: number): BackupError {
  return new BackupError(`${name} would have ${bytes} bytes, more than the ${mostWholeFileBytes} that can be read again`, {
    code: 'UNSUPPORTED',
    hint: 'One backup holds about a million files at most: split the job into several with fewer items each.',
  })
}

function snapshotOf(manifest: Manifest, tree: StorageId): SnapshotRecord {
  return {
    time: manifest.consistentAt,
    tree,
    paths: [`/${sourcePath(manifest).join('/')}`],
    hostname: hostname(),
    username: userName(),
    ...(process.getuid === undefined ? {} : { uid: process.getuid() }),
    ...(process.getgid === undefined ? {} : { gid: process.getgid() }),
    tags: snapshotTags(manifest),
  }
}

function manifestOf({ request, facts, items }: CommitParts): Manifest {
  const { run, agent } = request
  return {
    format: 'backup-planet/manifest/1',
    id: run.id,
    job: run.job,
    application: facts.application,
    agent: { version: agent.version },
    source: facts.source,
    kind: facts.kind,
    status: items.some(({ failure }) => failure !== undefined) ? 'partial' : 'complete',
    beganAt: run.beganAt,
    ...(run.limitedTo === undefined ? {} : { limitedTo: run.limitedTo }),
    consistentAt: facts.consistentAt,
    endedAt: new Date().toISOString(),
    ...(facts.from === undefined ? {} : { from: facts.from }),
    ...(facts.position === undefined ? {} : { position: facts.position }),
    ...(facts.covers === undefined ? {} : { covers: facts.covers }),
    items: items.map(manifestItem),
    facts: facts.facts,
    storage: { format: 'restic/2' },
  }
}

function manifestItem({ item, facts, failure, files }: CommitParts['items'][number]): ManifestItem {
  if (failure !== undefined) return { item, facts: facts?.facts ?? {}, failure }
  return {
    item,
    ...(facts?.from === undefined ? {} : { from: facts.from }),
    ...(facts?.to === undefined ? {} : { to: facts.to }),
    ...(facts?.bytes === undefined ? {} : { bytes: facts.bytes }),
    facts: facts?.facts ?? {},
    files: files.map(({ name, size, sha256 }) => ({ name, size, sha256 })),
  }
}
