import { type OperationOptions, throwIfAborted } from '@backup-planet/core'
import type { TreeNode } from '../format/tree-blob.ts'
import { inlineBytes, plainLength, type WantedBlob } from '../read/blob-reader.ts'
import { type WalkedNode, walkTree } from '../read/tree-walk.ts'
import { damaged } from '../restic-errors.ts'
import type { ResticSession } from '../restic-session.ts'
import { type BlobWorkers, createBlobWorkers, createInlineBlobWorkers } from '../workers/blob-workers.ts'
import { ContentWriting } from './content-writing.ts'
import { linkTarget, possibleName } from './entry-names.ts'
import { createFolder, createLink, emptyDirectory, fileFacts, finishFolder } from './extracted-entries.ts'
import { ofFile } from './extraction-errors.ts'
import { PathSelection, shownPath } from './path-selection.ts'
import type { PlannedFile } from './planned-content.ts'
import { snapshotById } from './snapshot-listing.ts'

export interface ExtractSnapshotRequest {
  /** Created (0700) where it does not exist; must be empty. */
  readonly directory: string
  /** Paths in the snapshot, as bytes where they are no UTF-8; each stands for itself and all below it. Everything when left out. */
  readonly include?: readonly (string | Uint8Array)[]
}

export interface ExtractSnapshotReport {
  readonly files: number
  /** Of the files. */
  readonly bytes: number
  /** Those on the way to what was wanted as well. */
  readonly folders: number
  readonly links: number
  /** Devices, pipes and sockets, which are not created. */
  readonly leftOut: readonly { readonly path: string; readonly type: string }[]
}

/**
 * Writes what is in a snapshot below a directory, at the paths that it has in the snapshot, with permission bits and times (to a
 * microsecond), and without owners: everything belongs to who runs this, and hard links become files of their own. Nothing is
 * written outside of the directory whatever names and links say: links are made last, and nothing is written through one.
 *
 * Throws `ALREADY_EXISTS` for a directory that is not empty and for names that its disk takes for one, `CONFLICT` when it is none,
 * `NOT_FOUND` for a snapshot or path that there is not (nothing is written then), `CORRUPTED`, `UNSUPPORTED` for a name that this
 * system cannot have, `OUT_OF_SPACE`, `ACCESS_DENIED`. What was written until then stays, and every file of it is whole. Nothing is
 * forced to disk.
 */
export async function extractSnapshot(
  session: ResticSession,
  id: string,
  request: ExtractSnapshotRequest,
  options: OperationOptions,
): Promise<ExtractSnapshotReport> {
  throwIfAborted(options.signal, during)
  const snapshot = await snapshotById(session, id, options)
  const { tree } = snapshot.record
  const selection = new PathSelection(request.include)
  const found: (readonly Buffer[])[] = []
  if (request.include !== undefined) {
    for await (const { path } of walkTree(session, tree, options, (folder) => selection.leadsTo(folder))) found.push(path)
    selection.assertAllFound(found, snapshot.id)
  }
  const repository = await session.open(options)
  const data = { key: repository.key, memory: undefined, compressionLevel: 0 }
  await using threads = createBlobWorkers(data, session.settings.threads)
  await using inline = createInlineBlobWorkers(data)
  const directory = Buffer.from(await emptyDirectory(request.directory))
  const counts = new WholeFiles(options)
  await using writing = new ContentWriting({
    session,
    repository,
    workers: [threads, inline],
    options,
    onWhole: (file) => counts.add(file),
  })
  const extraction = new Extraction({ session, threads, inline, writing, directory, options })
  for await (const walked of walkTree(session, tree, options, (folder) => selection.reaches(folder))) {
    throwIfAborted(options.signal, during)
    const wanted = walked.node.type === 'dir' ? selection.reaches(walked.path) : selection.selects(walked.path)
    if (wanted) await extraction.take(walked)
  }
  const others = await extraction.finish()
  return { ...counts.report(), ...others }
}

const during = 'extracting the snapshot'
/** Files are written in batches, one while the next is collected: a snapshot of millions is never in memory as a whole. */
const batchFiles = 2048
const batchBytes = 256 * 1024 ** 2
/** Those of several blobs are open while they are written, and a process may have few files open. */
const batchOpenFiles = 64
/** What creating a file costs, in bytes that are opened in the same time. */
const fileCostBytes = 16 * 1024

interface ExtractionParts {
  readonly session: ResticSession
  readonly threads: BlobWorkers
  readonly inline: BlobWorkers
  readonly writing: ContentWriting
  readonly directory: Buffer
  readonly options: OperationOptions
}

interface Target {
  readonly target: Buffer
  readonly node: TreeNode
}

/** Counts the files that are whole, and tells of them. */
class WholeFiles {
  readonly #onProgress: OperationOptions['onProgress']
  #files = 0
  #bytes = 0

  constructor({ onProgress }: OperationOptions) {
    this.#onProgress = onProgress
  }

  add({ size }: PlannedFile): void {
    this.#files++
    this.#bytes += size
    this.#onProgress?.({ type: 'bytes', phase: 'read', bytes: size })
  }

  report(): Pick<ExtractSnapshotReport, 'files' | 'bytes'> {
    return { files: this.#files, bytes: this.#bytes }
  }
}

/** Takes the entries of a snapshot in their order: folders are made at once, files in batches, links at the end. */
class Extraction {
  readonly #parts: ExtractionParts
  readonly #folders: Target[] = []
  readonly #links: (Target & { readonly to: Buffer })[] = []
  readonly #leftOut: { readonly path: string; readonly type: string }[] = []
  #batch: PlannedFile[] = []
  #batchBytes = 0
  #batchOpenFiles = 0
  #files = 0
  #beginning: Promise<void> = Promise.resolve()

  constructor(parts: ExtractionParts) {
    this.#parts = parts
  }

  async take({ path, node }: WalkedNode): Promise<void> {
    const target = this.#targetOf(path)
    switch (node.type) {
      case 'dir':
        await createFolder(target)
        this.#folders.push({ target, node })
        return
      case 'file':
        return this.#takeFile(path, target, node)
      case 'symlink':
        this.#links.push({ target, node, to: linkTarget(node, shownPath(path)) })
        return
      default:
        this.#leftOut.push({ path: shownPath(path), type: node.type })
    }
  }

  /** The rest of the files, then the links, and last the folders from the innermost out. */
  async finish(): Promise<Pick<ExtractSnapshotReport, 'folders' | 'links' | 'leftOut'>> {
    await this.#beginBatch()
    await this.#beginning
    await this.#parts.writing.written()
    for (const { target, node, to } of this.#links) {
      throwIfAborted(this.#parts.options.signal, during)
      await createLink(target, to, node)
    }
    for (const { target, node } of this.#folders.toReversed()) await finishFolder(target, node)
    return { folders: this.#folders.length, links: this.#links.length, leftOut: this.#leftOut }
  }

  #targetOf(path: readonly Buffer[]): Buffer {
    return Buffer.concat([this.#parts.directory, ...path.flatMap((name) => [slash, possibleName(name, () => shownPath(path))])])
  }

  async #takeFile(path: readonly Buffer[], target: Buffer, node: TreeNode): Promise<void> {
    const shown = () => shownPath(path)
    const blobs = await this.#locate(node, shown)
    this.#batch.push({ number: this.#files++, path: target.toString('latin1'), shown, size: node.size, facts: fileFacts(node), blobs })
    this.#batchBytes += node.size
    if (blobs.length > 1) this.#batchOpenFiles++
    const isFull = this.#batch.length >= batchFiles || this.#batchBytes >= batchBytes || this.#batchOpenFiles >= batchOpenFiles
    if (isFull) await this.#beginBatch()
  }

  async #locate(node: TreeNode, shown: () => string): Promise<WantedBlob[]> {
    const { session, options } = this.#parts
    const blobs: WantedBlob[] = []
    let size = 0
    for (const id of node.content) {
      const location = await session.locate('data', id, options).catch((error: unknown) => Promise.reject(ofFile(error, shown())))
      blobs.push({ id, location })
      size += plainLength(location)
    }
    if (size === node.size) return blobs
    throw damaged(`file ${JSON.stringify(shown())}`, `its blobs have ${size} bytes, and its tree says ${node.size}`)
  }

  /** Begins with the files that were collected, once all before them have begun. Throws what broke those. */
  async #beginBatch(): Promise<void> {
    const { threads, inline, writing } = this.#parts
    const files = this.#batch
    const workers = this.#batchBytes + files.length * fileCostBytes > inlineBytes ? threads : inline
    this.#batch = []
    this.#batchBytes = 0
    this.#batchOpenFiles = 0
    await this.#beginning
    this.#beginning = writing.begin(files, workers)
    this.#beginning.catch(() => undefined)
  }
}

const slash = Buffer.from('/')
