import { pipeline, Readable } from 'node:stream'
import { BackupError } from '@backup-planet/core'
import { extract, type Pack, pack } from 'tar-stream'
import { corrupted } from './checked-content.ts'

/** A file on its way into an archive. */
export interface PackedFile {
  readonly name: string
  readonly size: number
  open(): AsyncIterable<Uint8Array>
}

/** A file on its way out. */
export interface UnpackedFile {
  readonly name: string
  readonly size: number
  readonly content: AsyncIterable<Uint8Array>
}

/**
 * A POSIX tar (pax headers for long and non-ASCII names) that is the same bytes whenever it is made. Made by tar-stream itself
 * and not through archiver: archiver holds a streamed entry of known size in memory unless it is given `fs.Stats`, and cuts
 * `name:` off a file name.
 */
export async function* tarOf(files: readonly PackedFile[], modifiedAt: Date): AsyncIterable<Uint8Array> {
  const archive = pack()
  const filling = fill(archive, files, modifiedAt)
  let failure: unknown
  filling.catch((error: unknown) => {
    failure = error
    archive.destroy(error instanceof Error ? error : new Error(String(error)))
  })
  try {
    for await (const chunk of archive) yield chunk as Uint8Array
    await filling
  } catch (error) {
    throw failure ?? error
  } finally {
    archive.destroy()
  }
}

/**
 * The files of a tar in its order. Throws `CORRUPTED` for anything but plain files; what a name may be is the caller's to say.
 * A content that is not read to its end is skipped.
 */
export async function* untar(content: AsyncIterable<Uint8Array>, what: string): AsyncIterable<UnpackedFile> {
  const archive = extract()
  const source = Readable.from(content, { objectMode: true, highWaterMark: 2 })
  let failure: Error | undefined
  pipeline(source, archive, (error) => {
    if (error) failure ??= error
  })
  try {
    for await (const entry of archive) {
      const { name, size, type } = entry.header
      if (type !== 'file' && type !== 'contiguous-file')
        throw corrupted(`${what} holds ${JSON.stringify(name)}, which is a ${type}, not a file`)
      yield { name, size, content: entryContent(entry as unknown as AsyncIterable<Uint8Array>) }
      entry.resume()
    }
    if (failure !== undefined) throw failure
  } catch (error) {
    throw described(failure ?? error, what)
  } finally {
    archive.destroy()
    source.destroy()
  }
}

/** Upper bound of the bytes of a tar with these files: headers, pax headers and padding included. */
export function tarSizeLimit(files: readonly { readonly name: string; readonly size: number }[]): number {
  let bytes = 2 ** 20
  for (const file of files) bytes += Math.ceil(file.size / 512) * 512 + 4096 + 2 * Buffer.byteLength(file.name)
  return bytes
}

async function fill(archive: Pack, files: readonly PackedFile[], modifiedAt: Date): Promise<void> {
  for (const file of files) {
    const entry = archive.entry({ name: file.name, size: file.size, mode: 0o600, mtime: modifiedAt, type: 'file' })
    let failure: Error | undefined
    let wake: (() => void) | undefined
    const ended = new Promise<void>((resolve) => {
      entry.once('close', () => resolve())
    })
    entry.on('error', (error: Error) => {
      failure ??= error
    })
    entry.on('drain', () => wake?.())
    entry.on('close', () => wake?.())
    let written = 0
    for await (const chunk of file.open()) {
      written += chunk.byteLength
      if (written > file.size) throw corrupted(`file ${JSON.stringify(file.name)} is longer than the ${file.size} bytes that were staged`)
      if (archive.destroyed || entry.destroyed) return
      if (entry.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))) continue
      await new Promise<void>((resolve) => {
        wake = resolve
        if (archive.destroyed || entry.destroyed) resolve()
      })
    }
    if (written !== file.size)
      throw corrupted(`file ${JSON.stringify(file.name)} has ${written} of the ${file.size} bytes that were staged`)
    entry.end(null)
    await ended
    if (failure !== undefined) throw failure
    if (archive.destroyed) return
  }
  archive.finalize()
}

async function* entryContent(entry: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const iterator = entry[Symbol.asyncIterator]()
  for (;;) {
    const next = await iterator.next()
    if (next.done === true) return
    yield next.value
  }
}

function described(error: unknown, what: string): unknown {
  if (BackupError.is(error)) return error
  if (error instanceof Error && (error.constructor === Error || error instanceof RangeError))
    return corrupted(`${what} is not a whole tar`, error)
  return error
}
