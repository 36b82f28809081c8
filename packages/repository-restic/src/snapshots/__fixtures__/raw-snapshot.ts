import { createMemoryUploader, type MemoryUploader } from '@backup-planet/core/testing'
import { seal } from '../../crypto/sealed-bytes.ts'
import type { PackedBlob } from '../../format/pack-header.ts'
import { snapshotJson } from '../../format/snapshot-record.ts'
import { type StorageId, storageIdOf } from '../../format/storage-id.ts'
import { initializeRepository, type OpenRepository, openRepository } from '../../repository-access.ts'
import { writeSealedJson } from '../../repository-objects.ts'
import { createResticRepository, type ResticRepository } from '../../restic-repository.ts'
import { IndexWriter } from '../../write/index-writer.ts'
import { sealPack, uploadPack } from '../../write/pack-upload.ts'

const password = 'correct horse'

/** An entry of a tree as it stands in the JSON, or with the content of its file or folder. */
export type RawNode = Readonly<Record<string, unknown>> & { readonly bytes?: Uint8Array; readonly nodes?: readonly RawNode[] }

export interface RawRepository {
  readonly uploader: MemoryUploader
  readonly repository: ResticRepository
  /** Stores exactly these trees, whatever they say, in a pack of their own, and a snapshot of them. */
  snapshot(nodes: readonly RawNode[], record?: { readonly time?: string; readonly tags?: readonly string[] }): Promise<StorageId>
}

/** A repository in memory for snapshots that neither we nor restic would write. */
export async function createRawRepository(): Promise<RawRepository> {
  const uploader = createMemoryUploader()
  await initializeRepository(uploader, { password, cost: { N: 2, r: 1, p: 1 } }, {})
  const opened = await openRepository(uploader, password, {})
  return {
    uploader,
    repository: createResticRepository({ uploader, password, cacheDirectory: false, threads: 1 }),
    async snapshot(nodes, { time = '2026-01-02T03:04:05.123456789+02:00', tags } = {}) {
      const pack = new RawPack(opened)
      const tree = pack.addTree(nodes)
      await pack.store()
      const record = { time, tree, paths: ['/data'], hostname: 'host', username: 'root', ...(tags === undefined ? {} : { tags }) }
      return writeSealedJson(opened, 'snapshots', snapshotJson(record), {})
    },
  }
}

class RawPack {
  readonly #repository: OpenRepository
  readonly #blobs: PackedBlob[] = []
  readonly #pieces: Uint8Array[] = []
  #bytes = 0

  constructor(repository: OpenRepository) {
    this.#repository = repository
  }

  addTree(nodes: readonly RawNode[]): StorageId {
    const entries = nodes.map(({ bytes, nodes: below, ...node }) => ({
      ...(bytes === undefined ? {} : { type: 'file', size: bytes.byteLength, content: [this.#add('data', bytes)] }),
      ...(below === undefined ? {} : { type: 'dir', subtree: this.addTree(below) }),
      ...node,
    }))
    return this.#add('tree', Buffer.from(JSON.stringify({ nodes: entries })))
  }

  async store(): Promise<void> {
    const pack = sealPack(this.#repository.key, this.#blobs, Buffer.concat(this.#pieces))
    await uploadPack(this.#repository.uploader, pack, {})
    const index = new IndexWriter(this.#repository)
    index.add(pack)
    await index.write({})
  }

  #add(type: 'data' | 'tree', bytes: Uint8Array): StorageId {
    const id = storageIdOf(bytes)
    if (this.#blobs.some((blob) => blob.type === type && blob.id === id)) return id
    const sealed = seal(this.#repository.key, bytes)
    this.#blobs.push({ type, id, offset: this.#bytes, length: sealed.byteLength, uncompressedLength: 0 })
    this.#pieces.push(sealed)
    this.#bytes += sealed.byteLength
    return id
  }
}
