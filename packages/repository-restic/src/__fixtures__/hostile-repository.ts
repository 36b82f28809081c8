import { createMemoryUploader, type MemoryUploader } from '@backup-planet/core/testing'
import { seal } from '../crypto/sealed-bytes.ts'
import { encodePackHeader, type PackedBlob } from '../format/pack-header.ts'
import { snapshotJson } from '../format/snapshot-record.ts'
import { type StorageId, storageIdOf } from '../format/storage-id.ts'
import { type OpenRepository, openRepository } from '../repository-access.ts'
import { objectKey, putObject, writeNamedObject, writeSealedJson } from '../repository-objects.ts'
import { type Contents, emptyRepository, openUploader, password, storeContents } from './small-repository.ts'

/** A blob as somebody who knows the password can put it into a pack. */
export interface ForgedBlob {
  readonly type: 'data' | 'tree'
  readonly bytes: Uint8Array
  /** What lies in the pack, before it is sealed; `bytes` when left out. */
  readonly stored?: Uint8Array
  readonly uncompressedLength?: number
}

export interface ForgedPack {
  readonly id: StorageId
  readonly key: string
  readonly blobs: readonly PackedBlob[]
}

/** Writes whatever it is told into a repository that also holds the good backup `run-good`. */
export interface HostileRepository {
  readonly uploader: MemoryUploader
  readonly opened: OpenRepository
  pack(blobs: readonly ForgedBlob[], more?: { readonly header?: Uint8Array; readonly headerLength?: number }): Promise<ForgedPack>
  index(json: unknown): Promise<StorageId>
  /** An index that says of these packs what is so. */
  indexOf(...packs: readonly ForgedPack[]): Promise<StorageId>
  /** A sealed object with any plaintext. */
  sealed(kind: 'index' | 'snapshots' | 'locks', plaintext: Uint8Array): Promise<StorageId>
  snapshot(tree: StorageId, tags?: readonly string[]): Promise<StorageId>
}

export const goodContents: Contents = { shop: { 'good.sql': Buffer.from('all is well') } }

export async function hostileRepository(): Promise<HostileRepository> {
  const uploader = createMemoryUploader({ objects: await emptyRepository() })
  await storeContents(openUploader(uploader), 'run-good', goodContents)
  const opened = await openRepository(uploader, password, {})
  const writeIndex = (json: unknown) => writeSealedJson(opened, 'index', JSON.stringify(json), {})
  return {
    uploader,
    opened,
    async pack(forged, { header, headerLength } = {}) {
      const pieces: Buffer[] = []
      const blobs: PackedBlob[] = []
      let offset = 0
      for (const { type, bytes, stored = bytes, uncompressedLength = 0 } of forged) {
        const sealed = seal(opened.key, stored)
        blobs.push({ type, id: storageIdOf(bytes), offset, length: sealed.byteLength, uncompressedLength })
        pieces.push(sealed)
        offset += sealed.byteLength
      }
      const sealedHeader = seal(opened.key, header ?? encodePackHeader(blobs))
      const length = Buffer.alloc(4)
      length.writeUInt32LE(headerLength ?? sealedHeader.byteLength)
      const bytes = Buffer.concat([...pieces, sealedHeader, length])
      const id = storageIdOf(bytes)
      await putObject(uploader, objectKey('data', id), bytes, id, {})
      return { id, key: objectKey('data', id), blobs }
    },
    index: writeIndex,
    indexOf: (...packs) => writeIndex({ packs: packs.map(({ id, blobs }) => ({ id, blobs: blobs.map(indexEntry) })) }),
    sealed: (kind, plaintext) => writeNamedObject(uploader, kind, seal(opened.key, plaintext), {}),
    snapshot: (tree, tags = ['id=run-bad', 'job=job', 'kind=full', 'application=memory']) =>
      writeSealedJson(opened, 'snapshots', snapshotJson({ time: '2026-01-02T00:00:00Z', tree, paths: ['/'], tags }), {}),
  }
}

export function indexEntry({ id, type, offset, length, uncompressedLength }: PackedBlob): Readonly<Record<string, unknown>> {
  return { id, type, offset, length, ...(uncompressedLength === 0 ? {} : { uncompressed_length: uncompressedLength }) }
}

/** The manifest that a backup `run-bad` would have, of one item `shop` with these files. */
export function forgedManifest(files: readonly { readonly name: string; readonly size: number }[], more: object = {}): Buffer {
  const manifest = {
    format: 'backup-planet/manifest/1',
    id: 'run-bad',
    job: 'job',
    application: 'memory',
    agent: { version: '1.0.0' },
    source: { id: 'server-1', name: 'server', version: '1.0' },
    kind: 'full',
    status: 'complete',
    beganAt: '2026-01-02T00:00:00.000Z',
    consistentAt: '2026-01-02T00:00:00.000Z',
    endedAt: '2026-01-02T00:00:00.000Z',
    items: [{ item: 'shop', facts: {}, files: files.map((file) => ({ ...file, sha256: '0'.repeat(64) })) }],
    facts: {},
    storage: { format: 'restic/2' },
    ...more,
  }
  return Buffer.from(JSON.stringify(manifest))
}

export function treeBytes(nodes: readonly object[]): Buffer {
  return Buffer.from(`${JSON.stringify({ nodes })}\n`)
}

export function fileNode(name: string, bytes: Uint8Array, more: object = {}): object {
  return { name, type: 'file', mode: 384, size: bytes.byteLength, content: [storageIdOf(bytes)], ...more }
}

export function folderNode(name: string, tree: Uint8Array): object {
  return { name, type: 'dir', mode: 2147484096, content: null, subtree: storageIdOf(tree) }
}

/** A backup `run-bad` whose item `shop` has this tree, and a manifest that names these files. */
export async function forgeBackup(
  hostile: HostileRepository,
  shop: Uint8Array,
  { files = [], contents = [], manifest = forgedManifest(files), root = [] }: ForgedBackup = {},
): Promise<void> {
  const server = treeBytes([folderNode('shop', shop)])
  const application = treeBytes([folderNode('server', server)])
  const top = treeBytes([folderNode('memory', application), fileNode('manifest.json', manifest), ...root])
  const trees = [shop, server, application, top].map((bytes) => ({ type: 'tree', bytes }) as const)
  const data = [manifest, ...contents].map((bytes) => ({ type: 'data', bytes }) as const)
  await hostile.indexOf(await hostile.pack(trees), await hostile.pack(data))
  await hostile.snapshot(storageIdOf(top))
}

export interface ForgedBackup {
  readonly files?: readonly { readonly name: string; readonly size: number }[]
  readonly contents?: readonly Uint8Array[]
  readonly manifest?: Buffer
  /** More entries beside the application and the manifest. */
  readonly root?: readonly object[]
}
