import {
  abortError,
  type Backup,
  BackupError,
  type ByteRange,
  clampRange,
  type ManifestFile,
  type OperationOptions,
  type RepositoryFile,
} from '@backup-planet/core'
import { type DecryptedObject, decrypted, openDecrypted } from './age-file.ts'
import { type ArchiveContext, below } from './archive-context.ts'
import { type ArchiveContents, archiveContents, type Inventory, inventoryOfManifest, parseInventory } from './archive-inventory.ts'
import { type ArchiveStorage, type StoredArchive, storageOf } from './archive-storage.ts'
import { collect } from './byte-streams.ts'
import { checked, corrupted, limited, sliced } from './checked-content.ts'
import { decompressed } from './compression.ts'
import { tarSizeLimit, type UnpackedFile, untar } from './tar-format.ts'
import { unzip } from './zip-format.ts'

/** A file on its way out of an archive, checked against the inventory while it is read. */
export interface ExtractedFile extends RepositoryFile {
  readonly sha256: string
}

/** Reads the archives of one backup. Nothing that is not in the backup's inventory ever comes out. */
export class ArchiveReader {
  readonly #context: ArchiveContext
  readonly #backup: Backup
  readonly #storage: ArchiveStorage
  readonly #options: OperationOptions
  #inventory: Inventory | undefined

  constructor(context: ArchiveContext, backup: Backup, options: OperationOptions) {
    this.#context = context
    this.#backup = backup
    this.#storage = storageOf(backup)
    this.#options = options
  }

  /** Throws `WRONG_CREDENTIALS` where this host cannot decrypt it. */
  async inventory(): Promise<Inventory> {
    this.#inventory ??= await this.#readInventory()
    return this.#inventory
  }

  async contents(): Promise<readonly ArchiveContents[]> {
    return archiveContents(this.#backup, this.#storage, await this.inventory())
  }

  async *read(select: (file: { readonly item: string; readonly name: string }) => boolean): AsyncIterable<ExtractedFile> {
    for (const contents of await this.contents()) {
      const selected = contents.files.filter(({ name }) => select({ item: contents.archive.item, name }))
      if (selected.length > 0) yield* this.extract(contents, selected)
    }
  }

  async *open(file: { readonly item: string; readonly name: string }, range: ByteRange | undefined): AsyncIterable<Uint8Array> {
    const contents = (await this.contents()).find(
      ({ archive, files }) => archive.item === file.item && files.some(({ name }) => name === file.name),
    )
    const wanted = contents?.files.find(({ name }) => name === file.name)
    if (contents === undefined || wanted === undefined) {
      throw new BackupError(`backup ${this.#backup.id} holds no file ${JSON.stringify(file.name)} of item ${JSON.stringify(file.item)}`, {
        code: 'NOT_FOUND',
        hint: 'List the files of this backup to see what it holds.',
      })
    }
    const { begin, end } = clampRange(range, wanted.size)
    const whole = begin === 0 && end === wanted.size
    if (!whole && contents.archive.format === 'files') {
      const plain = await this.#randomAccess(contents.archive)
      if (plain.size !== wanted.size) throw corrupted(`object ${contents.archive.key} holds ${plain.size} of ${wanted.size} bytes`)
      if (begin < end) yield* plain.read({ begin, end })
      return
    }
    for await (const extracted of this.extract(contents, [wanted])) {
      yield* whole ? extracted.content : sliced(extracted.content, begin, end)
      return
    }
  }

  /** Throws `CORRUPTED` for whatever is in the archive and not in the inventory, or not as there. */
  async *extract(contents: ArchiveContents, selected: readonly ManifestFile[]): AsyncIterable<ExtractedFile> {
    const { archive } = contents
    const what = `archive ${archive.key} of backup ${this.#backup.id}`
    const files = new Map(contents.files.map((file) => [file.name, file]))
    const remaining = new Set(selected.map((file) => file.name))
    const seen = new Set<string>()
    for await (const unpacked of this.#unpacked(contents, what)) {
      const file = files.get(unpacked.name)
      if (file === undefined) throw corrupted(`${what} holds ${abbreviated(unpacked.name)}, which is not in its inventory`)
      if (seen.has(file.name)) throw corrupted(`${what} holds ${abbreviated(file.name)} twice`)
      seen.add(file.name)
      if (unpacked.size !== file.size)
        throw corrupted(`${what} holds ${abbreviated(file.name)} with ${unpacked.size} of ${file.size} bytes`)
      if (!remaining.delete(file.name)) continue
      const content = checked(unpacked.content, file, `file ${abbreviated(file.name)} in ${what}`)
      yield { item: archive.item, name: file.name, size: file.size, sha256: file.sha256, content: this.#counted(content, archive.item) }
      // With everything selected the rest is read too, so that what does not belong there is found.
      if (remaining.size === 0 && selected.length < contents.files.length) return
    }
    const [missing] = remaining
    if (missing !== undefined) throw corrupted(`${what} does not hold ${abbreviated(missing)}`)
  }

  async *#unpacked(contents: ArchiveContents, what: string): AsyncIterable<UnpackedFile> {
    const { archive, files } = contents
    if (archive.format === 'zip') {
      const plain = await this.#randomAccess(archive)
      yield* unzip((range) => plain.read(range), plain.size, what)
      return
    }
    const plain = this.#stream(archive)
    const [only] = files
    if (archive.format === 'files') {
      if (only !== undefined) yield { name: only.name, size: only.size, content: plain }
      return
    }
    yield* untar(limited(decompressed(plain, archive.format, what), tarSizeLimit(files), what), what)
  }

  #stream(archive: StoredArchive): AsyncIterable<Uint8Array> {
    const object = this.#download(archive.key)
    return archive.encrypted ? decrypted(object, this.#context.keys) : object
  }

  async #randomAccess(archive: StoredArchive): Promise<DecryptedObject> {
    const read = (range: ByteRange) => this.#download(archive.key, range)
    if (!archive.encrypted) return { size: archive.size, read }
    return openDecrypted(read, archive.size, this.#context.keys)
  }

  #download(key: string, range?: ByteRange): AsyncIterable<Uint8Array> {
    return this.#context.uploader.download(`${this.#storage.folder}/${key}`, range, below(this.#options))
  }

  async #readInventory(): Promise<Inventory> {
    const { inventory } = this.#storage
    if (inventory === undefined) return inventoryOfManifest(this.#backup, this.#storage)
    const what = `inventory of backup ${this.#backup.id}`
    const object = checked(this.#download(inventory.key), inventory, what)
    return parseInventory(await collect(decrypted(object, this.#context.keys)), what)
  }

  async *#counted(content: AsyncIterable<Uint8Array>, item: string): AsyncIterable<Uint8Array> {
    const { signal, onProgress } = this.#options
    for await (const chunk of content) {
      if (signal?.aborted) throw abortError(signal, 'reading the backup')
      yield chunk
      onProgress?.({ type: 'bytes', phase: 'read', item, bytes: chunk.byteLength })
    }
  }
}

function abbreviated(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name)
}
