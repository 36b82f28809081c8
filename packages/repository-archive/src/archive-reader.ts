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
import { decrypted } from './age-content.ts'
import { type ArchiveContext, below } from './archive-context.ts'
import { type ArchiveContents, archiveContents, type Inventory, inventoryOfManifest, parseInventory } from './archive-inventory.ts'
import { largestManifest } from './archive-manifest.ts'
import { type ArchiveStorage, type StoredArchive, type StoredObject, storageOf } from './archive-storage.ts'
import { once } from './byte-streams.ts'
import { checked, collectAtMost, collectStored, corrupted, limited, sliced } from './checked-content.ts'
import { decompressed } from './compression.ts'
import { type SpooledContent, spool } from './spooled-content.ts'
import { tarSizeLimit, type UnpackedFile, untar } from './tar-format.ts'
import { unzip } from './zip-format.ts'

/** A file on its way out of an archive, checked against the inventory while it is read. */
export interface ExtractedFile extends RepositoryFile {
  readonly sha256: string
}

/** Longer than any `RESTORE.md`. */
const largestGuide = 64 * 2 ** 20

/** Reads the archives of one backup. Nothing that is not in the backup's inventory ever comes out. */
export class ArchiveReader {
  readonly #context: ArchiveContext
  readonly #backup: Backup
  readonly #storage: ArchiveStorage
  readonly #options: OperationOptions
  #inventory: Inventory | undefined
  #identities: readonly string[] | undefined

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

  /** `RESTORE.md`. */
  async guide(): Promise<string> {
    const { guide } = this.#storage
    const what = `${guide.key} of backup ${this.#backup.id}`
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(await collectStored(this.#download(guide), guide, largestGuide, what))
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
    const { archive } = contents
    if (!whole && archive.format === 'files' && !archive.encrypted && this.#context.uploader.supports.rangeRead) {
      if (archive.size !== wanted.size) throw corrupted(`object ${archive.key} holds ${archive.size} of ${wanted.size} bytes`)
      if (begin < end) yield* this.#download(archive, { begin, end })
      return
    }
    for await (const extracted of this.extract(contents, [wanted])) {
      yield* whole ? extracted.content : sliced(extracted.content, begin, end)
      return
    }
  }

  /**
   * Every file of an archive, and every byte of its object, read in one pass. Throws `CORRUPTED` unless both are what was stored.
   *
   * @param onBytes is told of the bytes of the object
   */
  async verify(contents: ArchiveContents, onBytes: (bytes: number) => void): Promise<void> {
    const { archive } = contents
    const object = checked(this.#download(archive), archive, `object ${archive.key}`)[Symbol.asyncIterator]()
    const counted = async function* () {
      // By hand, so that who stops early does not end the object: its hash is known only at its end.
      for (let next = await object.next(); next.done !== true; next = await object.next()) {
        onBytes(next.value.byteLength)
        yield next.value
      }
    }
    try {
      for await (const file of this.extract(contents, contents.files, counted())) for await (const _ of file.content);
      for await (const _ of counted());
    } finally {
      await object.return?.()
    }
  }

  /**
   * Throws `CORRUPTED` for whatever is in the archive and not in the inventory, or not as there.
   *
   * @param object the content of the archive's object; downloaded as far as needed when left out
   */
  async *extract(
    contents: ArchiveContents,
    selected: readonly ManifestFile[],
    object?: AsyncIterable<Uint8Array>,
  ): AsyncIterable<ExtractedFile> {
    const { archive } = contents
    const what = `archive ${archive.key} of backup ${this.#backup.id}`
    const files = new Map(contents.files.map((file) => [file.name, file]))
    const remaining = new Set(selected.map((file) => file.name))
    const seen = new Set<string>()
    for await (const unpacked of this.#unpacked(contents, what, object)) {
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

  async *#unpacked(contents: ArchiveContents, what: string, object?: AsyncIterable<Uint8Array>): AsyncIterable<UnpackedFile> {
    const { archive, files } = contents
    if (archive.format === 'zip' && object === undefined && !archive.encrypted && this.#context.uploader.supports.rangeRead) {
      yield* unzip((range) => this.#download(archive, range), archive.size, what)
      return
    }
    // What goes onto the disk as a whole is checked as a whole, and cannot grow beyond what was stored.
    const download = () => (archive.format === 'zip' ? checked(this.#download(archive), archive, what) : this.#download(archive))
    const plain = await this.#plain(archive, object ?? download(), what)
    if (archive.format === 'zip') {
      await using copy: SpooledContent = await spool(plain, this.#context.settings.temporaryDirectory, what)
      yield* unzip((range) => copy.read(range), copy.size, what)
      return
    }
    const [only] = files
    if (archive.format === 'files') {
      if (only !== undefined) yield { name: only.name, size: only.size, content: plain }
      return
    }
    yield* untar(limited(decompressed(plain, archive.format, what), tarSizeLimit(files), what), what)
  }

  /** Comes after the inventory, so the keys have been tried. */
  async #plain(archive: StoredArchive, object: AsyncIterable<Uint8Array>, what: string): Promise<AsyncIterable<Uint8Array>> {
    return archive.encrypted ? decrypted(object, { identities: await this.#keys(), proven: true }, what) : object
  }

  async #keys(): Promise<readonly string[]> {
    this.#identities ??= await this.#context.keys.forReading(this.#storage, this.#options)
    return this.#identities
  }

  #download({ key }: StoredObject, range?: ByteRange): AsyncIterable<Uint8Array> {
    return this.#context.uploader.download(`${this.#storage.folder}/${key}`, range, below(this.#options))
  }

  async #readInventory(): Promise<Inventory> {
    const { inventory } = this.#storage
    if (inventory === undefined) return inventoryOfManifest(this.#backup, this.#storage)
    const what = `inventory of backup ${this.#backup.id}`
    const identities = await this.#keys()
    // Checked as a whole first, so that a damaged header is not taken for a wrong key.
    const object = await collectStored(this.#download(inventory), inventory, largestManifest, what)
    return parseInventory(await collectAtMost(decrypted(once(object), { identities, proven: false }, what), largestManifest, what), what)
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
