import { BackupError, type OperationOptions, throwIfAborted } from '@backup-planet/core'
import type { TreeNode } from '../format/tree-blob.ts'
import { inlineBytes, plainLength, ReadAhead, type WantedBlob } from '../read/blob-reader.ts'
import { type WalkedNode, walkTree } from '../read/tree-walk.ts'
import type { OpenRepository } from '../repository-access.ts'
import { damaged, hostile, isDamage } from '../restic-errors.ts'
import type { ResticSession } from '../restic-session.ts'
import { type BlobWorkers, createBlobWorkers, createInlineBlobWorkers } from '../workers/blob-workers.ts'
import { discard } from '../workers/discarded-bytes.ts'
import { Allowance } from '../write/allowance.ts'
import { createFolder, createLink, emptyDirectory, finishFolder, writeFileOnce } from './extracted-files.ts'
import { PathSelection, shownPath } from './path-selection.ts'
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
  const extraction = new Extraction({ session, repository, threads, inline, directory, options })
  try {
    for await (const walked of walkTree(session, tree, options, (folder) => selection.reaches(folder))) {
      throwIfAborted(options.signal, during)
      const wanted = walked.node.type === 'dir' ? selection.reaches(walked.path) : selection.selects(walked.path)
      if (wanted) await extraction.take(walked)
    }
    return await extraction.finish()
  } finally {
    await extraction.settled()
  }
}

const during = 'extracting the snapshot'
/** Files are written in batches, one while the next is collected: a snapshot of millions is never in memory as a whole. */
const batchFiles = 2048
const batchBytes = 256 * 1024 ** 2
/** Files up to this are written beside each other: creating one takes longer than filling it. */
const smallBytes = 1024 ** 2
const writtenAtOnce = 16

interface ExtractionParts {
  readonly session: ResticSession
  readonly repository: OpenRepository
  readonly threads: BlobWorkers
  readonly inline: BlobWorkers
  readonly directory: Buffer
  readonly options: OperationOptions
}

interface WaitingFile {
  readonly target: Buffer
  readonly shown: string
  readonly node: TreeNode
  readonly blobs: readonly WantedBlob[]
}

interface Target {
  readonly target: Buffer
  readonly node: TreeNode
}

class Extraction {
  readonly #parts: ExtractionParts
  readonly #folders: Target[] = []
  readonly #links: (Target & { readonly to: Buffer })[] = []
  readonly #leftOut: { readonly path: string; readonly type: string }[] = []
  #batch: WaitingFile[] = []
  #batchBytes = 0
  #writing: Promise<void> = Promise.resolve()
  #files = 0
  #bytes = 0

  constructor(parts: ExtractionParts) {
    this.#parts = parts
  }

  async take({ path, node }: WalkedNode): Promise<void> {
    const shown = shownPath(path)
    const target = Buffer.concat([this.#parts.directory, ...path.flatMap((name) => [slash, possibleName(name, shown)])])
    switch (node.type) {
      case 'dir':
        await createFolder(target)
        this.#folders.push({ target, node })
        return
      case 'file':
        this.#batch.push({ target, shown, node, blobs: await this.#locate(node, shown) })
        this.#batchBytes += node.size
        if (this.#batch.length >= batchFiles || this.#batchBytes >= batchBytes) await this.#beginBatch()
        return
      case 'symlink':
        this.#links.push({ target, node, to: linkTarget(node, shown) })
        return
      default:
        this.#leftOut.push({ path: shown, type: node.type })
    }
  }

  /** The rest of the files, then the links, and last the folders from the innermost out. */
  async finish(): Promise<ExtractSnapshotReport> {
    await this.#beginBatch()
    await this.#writing
    for (const { target, node, to } of this.#links) {
      throwIfAborted(this.#parts.options.signal, during)
      await createLink(target, to, node)
    }
    for (const { target, node } of this.#folders.toReversed()) await finishFolder(target, node)
    return {
      files: this.#files,
      bytes: this.#bytes,
      folders: this.#folders.length,
      links: this.#links.length,
      leftOut: this.#leftOut,
    }
  }

  /** Nothing is written any more. */
  async settled(): Promise<void> {
    await this.#writing.catch(() => undefined)
  }

  async #locate(node: TreeNode, shown: string): Promise<WantedBlob[]> {
    const { session, options } = this.#parts
    const blobs: WantedBlob[] = []
    let size = 0
    for (const id of node.content) {
      const location = await session.locate('data', id, options).catch((error: unknown) => Promise.reject(ofFile(error, shown)))
      blobs.push({ id, location })
      size += plainLength(location)
    }
    if (size === node.size) return blobs
    throw damaged(`file ${JSON.stringify(shown)}`, `its blobs have ${size} bytes, and its tree says ${node.size}`)
  }

  /** Begins with the files that were collected, once those before them are written. Throws what broke those. */
  async #beginBatch(): Promise<void> {
    const files = this.#batch
    const workers = this.#batchBytes > inlineBytes ? this.#parts.threads : this.#parts.inline
    this.#batch = []
    this.#batchBytes = 0
    await this.#writing
    this.#writing = this.#writeBatch(files, workers)
    this.#writing.catch(() => undefined)
  }

  async #writeBatch(files: readonly WaitingFile[], workers: BlobWorkers): Promise<void> {
    const { session, repository, options } = this.#parts
    const plaintexts = new ReadAhead(repository, workers, options, session).read(files.flatMap(({ blobs }) => blobs))
    const writes = new ParallelWrites(writtenAtOnce)
    try {
      for (const file of files) {
        throwIfAborted(options.signal, during)
        await this.#writeFile(file, plaintexts, writes)
      }
    } finally {
      await writes.settled()
      await plaintexts.return()
    }
    writes.throwIfFailed()
  }

  async #writeFile({ target, shown, node, blobs }: WaitingFile, plaintexts: AsyncGenerator<Uint8Array, void>, writes: ParallelWrites) {
    const { signal, onProgress } = this.#parts.options
    const next = async (): Promise<Uint8Array> => {
      const { done, value } = await plaintexts.next().catch((error: unknown) => Promise.reject(ofFile(error, shown)))
      throwIfAborted(signal, during)
      if (done === true) throw new TypeError('there are fewer blobs than files need')
      return value
    }
    async function* content(): AsyncGenerator<Uint8Array, void> {
      for (let left = blobs.length; left > 0; left--) {
        const bytes = await next()
        yield bytes
        // It is written when the next one is asked for.
        discard(bytes)
      }
    }
    const write = async (bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> => {
      await writeFileOnce(target, bytes, node)
      this.#files++
      this.#bytes += node.size
      onProgress?.({ type: 'bytes', phase: 'read', bytes: node.size })
    }
    if (node.size > smallBytes) return write(content())
    const whole: Uint8Array[] = []
    for (let left = blobs.length; left > 0; left--) whole.push(await next())
    await writes.begin(async () => {
      await write(whole)
      for (const bytes of whole) discard(bytes)
    })
  }
}

/** A few at a time. After the first failure nothing begins any more. */
class ParallelWrites {
  readonly #slots: Allowance
  readonly #running = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined

  constructor(atOnce: number) {
    this.#slots = new Allowance(atOnce)
  }

  /** Resolves once the write has begun. Throws what broke an earlier one. */
  async begin(write: () => Promise<void>): Promise<void> {
    await this.#slots.take(1)
    this.throwIfFailed()
    const running = write()
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => {
        this.#slots.give(1)
        this.#running.delete(running)
      })
    this.#running.add(running)
  }

  async settled(): Promise<void> {
    await Promise.all(this.#running)
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}

const slash = Buffer.from('/')

/** Microsoft, "Naming Files, Paths, and Namespaces": characters, endings and devices that cannot be the name of a file. */
const impossibleOnWindows = /[\\:*?"<>|\p{Cc}]|[. ]$|^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/iu

/** Names hold no slash; on Windows other characters lead elsewhere too, or mean something else than a name. */
export function possibleName(name: Buffer, shown: string, platform: NodeJS.Platform = process.platform): Buffer {
  if (platform !== 'win32' || !impossibleOnWindows.test(name.toString('utf8'))) return name
  throw new BackupError(`${JSON.stringify(shown)} cannot be written: Windows has no such names`, {
    code: 'UNSUPPORTED',
    hint: 'Extract the snapshot on another system, or only some of its paths.',
  })
}

function linkTarget({ linkTarget: target }: TreeNode, shown: string): Buffer {
  if (target !== undefined && target.length > 0 && !target.includes(0)) return target
  throw hostile(`link ${JSON.stringify(shown)}`, 'it has no target that a link can have')
}

/** Damage in a pack, told with the file that it hits. */
function ofFile(error: unknown, shown: string): unknown {
  return isDamage(error) ? damaged(`file ${JSON.stringify(shown)}`, error.message, error) : error
}
