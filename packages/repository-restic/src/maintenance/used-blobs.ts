import { BackupError, type OperationOptions, throwIfAborted } from '@backup-planet/core'
import type { BlobIndex } from '../blob-index/blob-index.ts'
import type { BlobType } from '../format/pack-header.ts'
import type { StorageId } from '../format/storage-id.ts'
import { decodeTree, type TreeNode } from '../format/tree-blob.ts'
import { inlineBytes, plainLength, ReadAhead, type WantedBlob } from '../read/blob-reader.ts'
import type { OpenRepository } from '../repository-access.ts'
import { damaged, hostile } from '../restic-errors.ts'
import { createBlobWorkers, createInlineBlobWorkers } from '../workers/blob-workers.ts'

export interface TreeReading {
  readonly repository: OpenRepository
  readonly index: BlobIndex
  readonly threads: number
}

/** A mark for every blob of an index, in one byte each. */
export class BlobMarks {
  readonly data: Uint8Array
  readonly tree: Uint8Array

  constructor(index: BlobIndex) {
    this.data = new Uint8Array(index.rows('data'))
    this.tree = new Uint8Array(index.rows('tree'))
  }
}

/** So many trees are read together, in the order in which they lie in packs. */
const treesAtOnce = 512

/**
 * Marks every blob that lies below these trees, themselves included. A tree is read once, however many snapshots share it. Throws
 * `CORRUPTED` for a tree that is damaged or missing, and for a blob that is in no index.
 *
 * @param roots ids of the trees of snapshots
 */
export async function markUsedBlobs(
  { repository, index, threads }: TreeReading,
  roots: Iterable<StorageId>,
  options: OperationOptions,
): Promise<BlobMarks> {
  const marks = new BlobMarks(index)
  // Rows of trees that are marked and not read yet.
  const pending: number[] = []
  const idBytes = Buffer.alloc(32)
  const mark = (type: BlobType, id: StorageId): void => {
    idBytes.write(id, 'hex')
    const row = index.row(type, idBytes)
    if (row < 0) throw damaged(`${type} blob ${id}`, 'it is used, and in no index')
    if (type === 'tree' && marks.tree[row] === 0) pending.push(row)
    marks[type][row] = 1
  }
  for (const root of roots) mark('tree', root)
  const data = { key: repository.key, memory: undefined, compressionLevel: 0 }
  await using workers = treeBytes(index) > inlineBytes ? createBlobWorkers(data, threads) : createInlineBlobWorkers(data)
  while (pending.length > 0) {
    throwIfAborted(options.signal, 'finding out what is used')
    const wanted = pending.splice(-treesAtOnce).map((row) => wantedTree(index, row))
    wanted.sort(({ location: left }, { location: right }) => left.packNumber - right.packNumber || left.offset - right.offset)
    let at = 0
    for await (const plaintext of readTrees(new ReadAhead(repository, workers, options), wanted)) {
      for (const { content, subtree } of nodesOf(plaintext, wanted[at++]?.id ?? '')) {
        for (const id of content) mark('data', id)
        if (subtree !== undefined) mark('tree', subtree)
      }
    }
  }
  return marks
}

async function* readTrees(reading: ReadAhead, wanted: readonly WantedBlob[]): AsyncGenerator<Uint8Array, void> {
  try {
    yield* reading.read(wanted)
  } catch (error) {
    throw BackupError.is(error) && error.code === 'NOT_FOUND' ? damaged('a pack with trees is missing', error.message, error) : error
  }
}

function wantedTree(index: BlobIndex, row: number): WantedBlob {
  const location = index.locationAt('tree', row)
  return { id: index.hexId('tree', row), location: { ...location, pack: index.packId(location.packNumber) } }
}

function nodesOf(plaintext: Uint8Array, id: StorageId): TreeNode[] {
  try {
    return decodeTree(plaintext)
  } catch (error) {
    throw hostile(`tree ${id.slice(0, 16)}`, (error as Error).message)
  }
}

function treeBytes(index: BlobIndex): number {
  let bytes = 0
  index.forEach((type, _id, _pack, _offset, length, uncompressedLength) => {
    if (type === 'tree') bytes += plainLength({ length, uncompressedLength })
  })
  return bytes
}
