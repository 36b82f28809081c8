import { Readable } from 'node:stream'
import { createInflateRaw } from 'node:zlib'
import { BackupError, type ByteRange } from '@backup-planet/core'
import { ZipArchive } from 'archiver'
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader } from 'yauzl'
import { through } from './byte-streams.ts'
import { corrupted } from './checked-content.ts'
import { isCompressed } from './compression.ts'
import type { PackedFile, UnpackedFile } from './tar-format.ts'

/** Half of what plain zip can say: incompressible content grows a little, and zip64 must be chosen before an entry is written. */
const zip64FromBytes = 2 ** 31
const readAheadBytes = 256 * 1024

/** A zip that is the same bytes whenever it is made; entries that are compressed already are stored as they are. */
export async function* zipOf(
  files: readonly PackedFile[],
  modifiedAt: Date,
  level: number,
  zip64From = zip64FromBytes,
): AsyncIterable<Uint8Array> {
  const forceZip64 = files.length > 0xfffe || files.some((file) => file.size >= zip64From)
  const archive = new ZipArchive({ zlib: { level }, forceZip64 })
  const output = archive as unknown as Readable
  let failure: unknown
  const fail = (error: unknown) => {
    failure ??= error
    output.destroy(error instanceof Error ? error : new Error(String(error)))
  }
  let wake: (() => void) | undefined
  archive.on('entry', () => wake?.())
  archive.on('close', () => wake?.())
  archive.on('error', fail)
  archive.on('warning', fail)
  const filling = (async () => {
    for (const file of files) {
      const entered = new Promise<void>((resolve) => {
        wake = resolve
      })
      const source = Readable.from(exactly(file), { objectMode: false })
      source.once('error', fail)
      archive.append(source, { name: zipName(file.name), date: modifiedAt, mode: 0o600, store: isCompressed(file.name) })
      if (!output.destroyed) await entered
      if (output.destroyed) {
        source.destroy()
        return
      }
    }
    await archive.finalize()
  })()
  filling.catch(fail)
  try {
    for await (const chunk of output) yield chunk as Uint8Array
    await filling
    if (failure !== undefined) throw failure
  } catch (error) {
    throw failure ?? error
  } finally {
    archive.abort()
    output.destroy()
  }
}

/**
 * The files of a zip in the order of its directory, read in ranges. Throws `CORRUPTED` for anything but plain files; what a
 * name may be is the caller's to say. Contents must be read before going on.
 */
export async function* unzip(
  read: (range: ByteRange) => AsyncIterable<Uint8Array>,
  size: number,
  what: string,
): AsyncIterable<UnpackedFile> {
  const reader = new RangeReader(read, size)
  try {
    const zip = await fromRandomAccessReaderPromise(reader, size, {
      lazyEntries: true,
      autoClose: false,
      // Names are taken as they were written: as CP437, a tab would become a circle.
      decodeStrings: false,
      validateEntrySizes: true,
    })
    for await (const entry of zip.eachEntry()) {
      const name = entryName(entry, what)
      assertPlainFile(entry, name, what)
      yield { name: name.startsWith('./') ? name.slice(2) : name, size: entry.uncompressedSize, content: described(contentOf(entry), what) }
    }

    async function* contentOf(entry: Entry): AsyncIterable<Uint8Array> {
      const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true })
      const end = fileDataStart + entry.compressedSize
      if (end > size) throw corrupted(`${what} ends inside a file`)
      if (entry.compressedSize === 0) return
      const raw = read({ begin: fileDataStart, end })
      yield* entry.compressionMethod === 0 ? raw : through(raw, createInflateRaw())
    }
  } catch (error) {
    throw reader.failure ?? asCorrupted(error, what)
  }
}

/** archiver drops `name:` at the beginning of a file name, as if it were a drive; behind `./` it leaves it alone. */
function zipName(name: string): string {
  return /^\w+:/.test(name) ? `./${name}` : name
}

async function* exactly(file: PackedFile): AsyncIterable<Uint8Array> {
  let size = 0
  for await (const chunk of file.open()) {
    size += chunk.byteLength
    if (size > file.size) break
    yield chunk
  }
  if (size !== file.size) throw corrupted(`file ${JSON.stringify(file.name)} does not have the ${file.size} bytes that were staged`)
}

function entryName(entry: Entry, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(entry.fileNameRaw)
  } catch (error) {
    throw corrupted(`${what} holds a name that is not UTF-8`, error)
  }
}

function assertPlainFile(entry: Entry, entered: string, what: string): void {
  const name = JSON.stringify(entered)
  const unixType = entry.versionMadeBy >>> 8 === 3 ? (entry.externalFileAttributes >>> 16) & 0o170000 : 0
  if (entered.endsWith('/') || (unixType !== 0 && unixType !== 0o100000)) throw corrupted(`${what} holds ${name}, which is not a file`)
  if (entry.isEncrypted() || (entry.compressionMethod !== 0 && entry.compressionMethod !== 8)) {
    throw corrupted(`${what} holds ${name} in a way that was never written (method ${entry.compressionMethod})`)
  }
}

async function* described(content: AsyncIterable<Uint8Array>, what: string): AsyncIterable<Uint8Array> {
  try {
    yield* content
  } catch (error) {
    throw asCorrupted(error, what)
  }
}

function asCorrupted(error: unknown, what: string): unknown {
  if (BackupError.is(error) || error instanceof TypeError) return error
  return corrupted(`${what} is not a whole zip (${error instanceof Error ? error.message : String(error)})`, error)
}

/** Reads the many small structures of a zip through one window, so that a directory costs a request per 256 KiB. */
class RangeReader extends RandomAccessReader {
  failure: unknown
  readonly #read: (range: ByteRange) => AsyncIterable<Uint8Array>
  readonly #size: number
  #window: Buffer = Buffer.alloc(0)
  #windowBegin = 0

  constructor(read: (range: ByteRange) => AsyncIterable<Uint8Array>, size: number) {
    super()
    this.#read = read
    this.#size = size
  }

  override read(buffer: Buffer, offset: number, length: number, position: number, callback: (error: Error | null) => void): void {
    this.#bytes(position, length).then(
      (bytes) => {
        bytes.copy(buffer, offset)
        callback(null)
      },
      (error: unknown) => {
        this.failure ??= BackupError.is(error) ? error : undefined
        callback(error instanceof Error ? error : new Error(String(error)))
      },
    )
  }

  async #bytes(position: number, length: number): Promise<Buffer> {
    if (position < this.#windowBegin || position + length > this.#windowBegin + this.#window.byteLength) {
      const end = Math.min(this.#size, position + Math.max(length, readAheadBytes))
      const chunks: Uint8Array[] = []
      if (position < end) for await (const chunk of this.#read({ begin: position, end })) chunks.push(chunk)
      this.#window = Buffer.concat(chunks)
      this.#windowBegin = position
    }
    const from = position - this.#windowBegin
    if (from + length > this.#window.byteLength) throw new Error(`unexpected end at byte ${this.#windowBegin + this.#window.byteLength}`)
    return this.#window.subarray(from, from + length)
  }
}
