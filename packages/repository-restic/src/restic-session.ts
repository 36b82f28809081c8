import type { OperationOptions, Uploader } from '@backup-planet/core'
import type { BlobIndex } from './blob-index/blob-index.ts'
import type { BlobType } from './format/pack-header.ts'
import type { SnapshotRecord } from './format/snapshot-record.ts'
import type { StorageId } from './format/storage-id.ts'
import { ManifestCache } from './manifest-cache.ts'
import { type OpenRepository, openRepository } from './repository-access.ts'
import { addUnindexedPacks, findBlob, type LoadedIndex, loadIndex, type PlacedBlob } from './repository-index.ts'
import { listObjects } from './repository-objects.ts'
import { damaged } from './restic-errors.ts'
import type { ResolvedResticSettings } from './restic-settings.ts'
import { SharedWork } from './shared-work.ts'
import { trustedIndex } from './trusted-index.ts'

/** What one repository object knows of its repository: opened once, read once, and read again where something is missing. */
export class ResticSession {
  readonly uploader: Uploader
  readonly settings: ResolvedResticSettings
  /** Snapshots never change under their id. */
  readonly snapshots = new Map<StorageId, SnapshotRecord>()
  #password: string
  #opened: SharedWork<OpenRepository> | undefined
  #index: SharedWork<LoadedIndex> | undefined
  /** By the index that they are added to. */
  readonly #headersRead = new WeakMap<BlobIndex, SharedWork<unknown>>()
  readonly #trusted = new WeakMap<BlobIndex, SharedWork<LoadedIndex>>()

  constructor(uploader: Uploader, settings: ResolvedResticSettings) {
    this.uploader = uploader
    this.settings = settings
    this.#password = settings.password
  }

  /** Asks for the password once; a failure is not kept. */
  open(options: OperationOptions): Promise<OpenRepository> {
    this.#opened ??= new SharedWork(
      (own) => openRepository(this.uploader, this.#password, own),
      (failed) => {
        if (this.#opened === failed) this.#opened = undefined
      },
    )
    return this.#opened.wait(options, 'opening the repository')
  }

  /** The config may have been damaged on its way when it was read: before a write is refused for it, it is read once more. */
  async openForWriting(options: OperationOptions): Promise<OpenRepository> {
    if ((await this.open(options)).configFailure !== undefined) this.forgetKeys()
    return this.open(options)
  }

  /** The password was changed to this one. */
  usePassword(password: string): void {
    this.#password = password
    this.forgetKeys()
  }

  forgetKeys(): void {
    this.#opened = undefined
  }

  /** What was right when it was read may be damaged by now. */
  forgetEverything(): void {
    this.forgetKeys()
    this.forgetIndex()
    this.snapshots.clear()
  }

  async cache(options: OperationOptions): Promise<ManifestCache> {
    const repository = await this.open(options)
    return new ManifestCache(this.settings.cacheDirectory, repository)
  }

  /** What the index files say, read once for all that only reads. */
  index(options: OperationOptions): Promise<LoadedIndex> {
    this.#index ??= this.#sharedIndex(async (own) => loadIndex(await this.open(own), own))
    return this.#index.wait(options, 'reading the index')
  }

  /** Somebody has read the index just now. */
  useIndex(index: LoadedIndex): void {
    this.#index = this.#sharedIndex(() => Promise.resolve(index))
  }

  #sharedIndex(load: (own: OperationOptions) => Promise<LoadedIndex>): SharedWork<LoadedIndex> {
    return new SharedWork(load, (failed) => {
      if (this.#index === failed) this.#index = undefined
    })
  }

  forgetIndex(): void {
    this.#index = undefined
  }

  /** Lets go of an index whose files are others now: somebody wrote or pruned, or the store shows only now what was written before. */
  async refreshIndex(options: OperationOptions): Promise<void> {
    const known = this.#index
    if (known === undefined) return
    const { files } = await known.wait(options, 'reading the index')
    const now = new Set<StorageId>()
    for await (const { id } of listObjects(this.uploader, 'index', options)) now.add(id)
    // Somebody else may have let go of it meanwhile, and read a newer one.
    if (this.#index === known && (now.size !== files.size || [...now].some((id) => !files.has(id)))) this.forgetIndex()
  }

  /**
   * Where a blob lies. One that is missing makes index files be read that came since, and then the headers of packs that no index knows.
   * Throws `CORRUPTED` when it is nowhere.
   */
  async locate(type: BlobType, id: StorageId, options: OperationOptions): Promise<PlacedBlob> {
    const found = findBlob((await this.index(options)).blobs, type, id)
    if (found !== undefined) return found
    await this.refreshIndex(options)
    const { blobs } = await this.index(options)
    const now = findBlob(blobs, type, id) ?? (await this.#locateByHeaders(blobs, type, id, options))
    if (now !== undefined) return now
    throw damaged(`${type} blob ${id}`, 'it is in no index and in no pack')
  }

  /**
   * Where a blob lies now that cannot be read where the index says, because somebody pruned since the index was read, or removed or
   * cut the pack; `undefined` when it lies nowhere else. Throws `CORRUPTED` when it is in no index any more.
   */
  async relocate(id: StorageId, { type, pack }: PlacedBlob, options: OperationOptions): Promise<PlacedBlob | undefined> {
    const known = await this.locate(type, id, options)
    if (known.pack !== pack) return known
    await this.refreshIndex(options)
    const now = await this.locate(type, id, options)
    if (now.pack !== pack) return now
    const found = findBlob((await this.#trustedIndex(options)).blobs, type, id)
    return found === undefined || found.pack === pack ? undefined : found
  }

  /** Made once for each index, and only after damage: where packs are missing it takes as much memory as that. */
  async #trustedIndex(options: OperationOptions): Promise<LoadedIndex> {
    const loaded = await this.index(options)
    const { blobs } = loaded
    const reading = onceFor(this.#trusted, blobs, async (own) => trustedIndex(await this.open(own), loaded, own))
    return reading.wait(options, 'looking for packs that are whole')
  }

  async #locateByHeaders(blobs: BlobIndex, type: BlobType, id: StorageId, options: OperationOptions): Promise<PlacedBlob | undefined> {
    const reading = onceFor(this.#headersRead, blobs, async (own) => addUnindexedPacks(await this.open(own), blobs, own))
    await reading.wait(options, `looking for ${type} blob ${id}`)
    return findBlob(blobs, type, id)
  }
}

/** Work that is done once for an index, however many want it, and again after it has failed. */
function onceFor<Value>(
  begun: WeakMap<BlobIndex, SharedWork<Value>>,
  blobs: BlobIndex,
  work: (options: OperationOptions) => Promise<Value>,
): SharedWork<Value> {
  let found = begun.get(blobs)
  if (found === undefined) {
    found = new SharedWork(work, () => begun.delete(blobs))
    begun.set(blobs, found)
  }
  return found
}
