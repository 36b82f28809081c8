import { constants } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, realpath, stat, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ByteRange, OperationOptions, RemoteObject, Reopenable, Uploader } from '../contracts/index.ts'
import { abortError, BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { assertSafePath } from '../naming/safe-path.ts'
import { clampRange } from './byte-range.ts'
import { checkedContent } from './checked-content.ts'
import { classifyFileError, fileError, isErrno } from './directory-errors.ts'
import { assertNoLink, entriesOf, isPartName, openPart, pruneFolders, removeParts, renameOver, syncFolders } from './directory-tree.ts'
import { unlessAborted } from './unless-aborted.ts'

export interface DirectoryUploaderSettings {
  /** Absolute path. May itself be a symbolic link; below it none is followed. */
  readonly directory: string
  /**
   * Whether the first upload creates the directory. Set to `false` where it is on a disk that may not be mounted:
   * then its absence is an error, and backups never land on the disk below the mount point. `true` when left out.
   */
  readonly createDirectory?: boolean
}

export interface DirectoryUploader extends Uploader {
  /**
   * Removes what uploads that were killed left half-written, when nothing was written to it for `olderThanSeconds`
   * (3600 when left out). Happens by itself before the first upload. Returns how many were removed.
   */
  removeAbandonedParts(request?: { readonly olderThanSeconds?: number }): Promise<number>
}

/** Bytes of one read. */
const readBytes = 256 * 1024
const abandonedAfterSeconds = 3600

/**
 * Keeps objects as plain files below a directory: key = relative path. An object is written beside its place as
 * `.<name>.<random>.part`, forced to disk, renamed, and the folders are forced to disk. Files are 0600, folders 0700.
 * Folders that a removal leaves empty are removed. A key cannot be an object and a folder of others at once: `CONFLICT`.
 */
export function createDirectoryUploader(settings: DirectoryUploaderSettings): DirectoryUploader {
  if (settings.directory === '' || settings.directory.includes('\0')) {
    throw new BackupError(`directory ${JSON.stringify(settings.directory)} is no path`, {
      code: 'INVALID_SETTINGS',
      hint: 'Give the absolute path of the directory that shall hold the backups.',
    })
  }
  const directory = resolve(settings.directory)
  const createDirectory = settings.createDirectory ?? true
  let firstUpload: Promise<unknown> | undefined

  /** The directory with its own links resolved; `undefined` when it does not exist and may be created. Never anything but a directory. */
  async function findRoot(): Promise<string | undefined> {
    try {
      const root = await realpath(directory)
      if ((await stat(root)).isDirectory()) return root
    } catch (error) {
      if (createDirectory && isErrno(error, 'ENOENT')) return undefined
      if (!isErrno(error, 'ENOTDIR')) throw error
    }
    throw notADirectory(directory)
  }

  async function makeRoot(): Promise<string> {
    const created = createDirectory
      ? await mkdir(directory, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
          throw isErrno(error, 'EEXIST', 'ENOTDIR') ? notADirectory(directory) : error
        })
      : undefined
    const root = await findRoot()
    if (root === undefined) throw notADirectory(directory)
    if (created !== undefined) await syncFolders(dirname(created), root)
    return root
  }

  /** Where an object is, checked for links on the way; `undefined` when there is no such object. */
  async function locate(key: string): Promise<{ root: string; path: string } | undefined> {
    const root = await findRoot()
    if (root === undefined) return undefined
    const path = join(root, ...key.split('/'))
    try {
      await assertNoLink(dirname(path))
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
      throw error
    }
    return { root, path }
  }

  async function store(key: string, content: Reopenable, signal: AbortSignal | undefined): Promise<RemoteObject> {
    const what = `upload of ${key}`
    const root = await makeRoot()
    firstUpload ??= removeParts(root, abandonedAfterSeconds).catch(() => undefined)
    await unlessAborted(firstUpload, what, signal)
    const folders = key.split('/')
    const name = folders.pop() ?? ''
    const folder = join(root, ...folders)
    const part = await openPart(root, folders, name)
    let modified: Date
    const checked = checkedContent(content, what, { signal })
    try {
      try {
        for await (const chunk of checked) await writeFully(part.handle, chunk)
        await part.handle.sync()
        const written = await part.handle.stat()
        if (written.size !== checked.facts().size) throw shortFile(what, written.size, checked.facts().size)
        modified = written.mtime
      } finally {
        await part.handle.close()
      }
      if (signal?.aborted) throw abortError(signal, what)
      await assertNoLink(folder)
      await renameOver(part.path, join(folder, name))
    } catch (error) {
      await unlink(part.path).catch(() => undefined)
      await pruneFolders(root, folder)
      throw error
    }
    await syncFolders(root, folder)
    return { key, ...checked.facts(), modifiedAt: modified.toISOString() }
  }

  async function* read(key: string, range: ByteRange | undefined, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void> {
    const what = `download of ${key}`
    const place = await locate(key)
    if (place === undefined) throw notFound(key)
    const found = await lstat(place.path).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw notFound(key)
      throw error
    })
    if (!found.isFile()) throw notFound(key)
    const handle = await open(place.path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0)).catch((error: unknown) => {
      throw isErrno(error, 'ENOENT') ? notFound(key) : error
    })
    try {
      let { begin, end } = clampRange(range, (await handle.stat()).size)
      while (begin < end) {
        throwIfAborted(signal, what)
        const buffer = Buffer.allocUnsafeSlow(Math.min(readBytes, end - begin))
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, begin)
        if (bytesRead === 0) throw shortFile(what, begin, end)
        begin += bytesRead
        yield buffer.subarray(0, bytesRead)
      }
    } finally {
      await handle.close()
    }
    throwIfAborted(signal, what)
  }

  async function* walk(folder: string, above: string, prefix: string, signal: AbortSignal | undefined): AsyncGenerator<RemoteObject, void> {
    for await (const entry of entriesOf(folder)) {
      throwIfAborted(signal, `list of ${prefix}`)
      const key = above + entry.name
      if (entry.isFolder) {
        if (`${key}/`.startsWith(prefix) || prefix.startsWith(`${key}/`)) yield* walk(entry.path, `${key}/`, prefix, signal)
      } else if (key.startsWith(prefix) && !isPartName(entry.name)) {
        const found = await lstat(entry.path).catch(ignoreMissing)
        if (found?.isFile()) yield { key, size: found.size, modifiedAt: found.mtime.toISOString() }
      }
    }
  }

  return {
    contract: 'uploader/1',
    destination: pathToFileURL(directory).href,
    supports: { atomicReplace: true, concurrency: 4, rangeRead: true, resume: false },

    async upload(key: string, content: Reopenable, options: OperationOptions = {}) {
      throwIfAborted(options.signal, `upload of ${key}`)
      assertKey(key)
      return await store(key, content, options.signal).catch((error: unknown) => {
        throw fileError(error, `upload of ${key}`, directory)
      })
    },

    async *download(key: string, range?: ByteRange, options: OperationOptions = {}) {
      throwIfAborted(options.signal, `download of ${key}`)
      assertKey(key)
      try {
        yield* read(key, range, options.signal)
      } catch (error) {
        throw fileError(error, `download of ${key}`, directory)
      }
    },

    async stat(key: string, options: OperationOptions = {}) {
      throwIfAborted(options.signal, `stat of ${key}`)
      assertKey(key)
      try {
        const place = await locate(key)
        const found = place === undefined ? undefined : await lstat(place.path).catch(ignoreMissing)
        return found?.isFile() ? { key, size: found.size, modifiedAt: found.mtime.toISOString() } : undefined
      } catch (error) {
        throw fileError(error, `stat of ${key}`, directory)
      }
    },

    async *list(prefix: string, options: OperationOptions = {}) {
      throwIfAborted(options.signal, `list of ${prefix}`)
      try {
        const root = await findRoot()
        if (root !== undefined) yield* walk(root, '', prefix, options.signal)
      } catch (error) {
        throw fileError(error, `list of ${prefix}`, directory)
      }
    },

    async remove(key: string, options: OperationOptions = {}) {
      throwIfAborted(options.signal, `removal of ${key}`)
      assertKey(key)
      try {
        const place = await locate(key)
        const found = place === undefined ? undefined : await lstat(place.path).catch(ignoreMissing)
        if (place === undefined || !found?.isFile()) return
        await unlink(place.path).catch(ignoreMissing)
        await syncFolders(place.root, await pruneFolders(place.root, dirname(place.path)))
      } catch (error) {
        throw fileError(error, `removal of ${key}`, directory)
      }
    },

    async removeAbandonedParts({ olderThanSeconds = abandonedAfterSeconds } = {}) {
      const root = await findRoot()
      return root === undefined ? 0 : await removeParts(root, olderThanSeconds)
    },

    classify: classifyFileError,

    async [Symbol.asyncDispose]() {},
  }
}

/** Names that Windows takes for a device, for another stream of a file, or changes silently. */
const unfitForWindows = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)|[<>:"|?*\p{Cc}]|[ .]$/iu

function assertKey(key: string): void {
  assertSafePath(key, 'key')
  const segments = key.split('/')
  if (isPartName(segments.at(-1) ?? '')) throw refused(key, 'such names are given to unfinished uploads')
  if (process.platform === 'win32' && segments.some((segment) => unfitForWindows.test(segment))) {
    throw refused(key, 'Windows cannot keep this name as it is')
  }
}

function refused(key: string, reason: string): BackupError {
  return new BackupError(`key ${JSON.stringify(key)} is refused: ${reason}`, {
    code: 'INVALID_INPUT',
    hint: 'Nothing was changed. Use another name; repositories of this project encode theirs so that they fit everywhere.',
  })
}

function notADirectory(directory: string): BackupError {
  return new BackupError(`${directory} is not a directory`, {
    code: 'CONFLICT',
    hint: 'Give a directory as the destination; a file lies there, or on the way to it.',
  })
}

function notFound(key: string): BackupError {
  return new BackupError(`object ${key} does not exist`, {
    code: 'NOT_FOUND',
    hint: 'Check the destination and its prefix; if they are right, the object was removed or never stored.',
  })
}

function shortFile(what: string, found: number, expected: number): BackupError {
  return new BackupError(`${what}: the file has ${found} bytes instead of ${expected}`, {
    code: 'CORRUPTED',
    hint: 'Another program changed the file meanwhile, or its disk is damaged: check both and try again.',
  })
}

function ignoreMissing(error: unknown): undefined {
  if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
  throw error
}

async function writeFully(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  let offset = 0
  while (offset < chunk.byteLength) offset += (await handle.write(chunk, offset, chunk.byteLength - offset)).bytesWritten
}
