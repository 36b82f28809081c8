import {
  assertSafePath,
  BackupError,
  type ByteRange,
  clampRange,
  type OperationOptions,
  type RemoteObject,
  type Reopenable,
  throwIfAborted,
  type Uploader,
  unlessAborted,
} from '@backup-planet/core'
import { type AbandonedAfter, removeParts, serverTime, settleAsides } from './abandoned-parts.ts'
import { isUnfinished } from './part-name.ts'
import { breaksThatTell, requestsAtOnce } from './session/requests-at-once.ts'
import { sftpConnections } from './session/sftp-connections.ts'
import { openSftpSession, type SftpSession } from './session/sftp-session.ts'
import { printSftpDestination } from './sftp-destination.ts'
import { classifySftpError, sftpError } from './sftp-errors.ts'
import { resolveSftpSettings, type SftpSettings } from './sftp-settings.ts'
import { assertNoLink, below, ensureRoot, entriesOf, find, ignoreMissing, pruneFolders } from './sftp-tree.ts'
import { connectSsh } from './ssh/ssh-connection.ts'
import { serversOnTheWay } from './ssh/ssh-server.ts'
import { partUploads } from './transfer/part-upload.ts'
import { readWindow } from './transfer/read-window.ts'
import { windowBytes } from './transfer/resume-point.ts'

export interface SftpUploader extends Uploader {
  /**
   * Removes what uploads that were killed left half-written, when nothing was written to it for `olderThanSeconds`. When that is left out:
   * for `abandonedAfterSeconds` of the settings where the next upload of the same content goes on with it, otherwise for an hour.
   * Happens by itself beside the first upload. Returns how many were removed.
   */
  removeAbandonedParts(request?: { readonly olderThanSeconds?: number }, options?: OperationOptions): Promise<number>
}

/** When parts count as abandoned that nobody can go on with. */
const uselessAfterSeconds = 3600
/** Transfers at once on one connection: while one waits for an answer another sends. */
const transfersPerConnection = 2

/**
 * Keeps objects as plain files below a directory of an SFTP server: key = relative path. An object is written beside its place as
 * `.<name>.<16 hex digits>.part`, forced to disk where the server can (`fsync@openssh.com`), and renamed over what is there
 * (`posix-rename@openssh.com`). Files are 0600, folders 0700; folders that a removal leaves empty are removed.
 * Connects with the first operation, and again with the next one after a connection broke.
 */
export function createSftpUploader(settings: SftpSettings): SftpUploader {
  const resolved = resolveSftpSettings(settings)
  const { host, port, user, connections: mostConnections, requests, connectTimeoutSeconds, createDirectory } = resolved
  const root = resolved.path.replace(/(?<=.)\/+$/, '')
  const destination = printSftpDestination({ host, port, user, path: root })
  const uploads = partUploads({ root, destination, verify: resolved.verify })
  const abandonedAfter: AbandonedAfter = { resumableSeconds: resolved.abandonedAfterSeconds, othersSeconds: uselessAfterSeconds }
  const pipelining = requestsAtOnce(requests)
  const connections = sftpConnections(async () => {
    const connection = await connectSsh(await serversOnTheWay(resolved), resolved).catch((error: unknown) => {
      pipelining.unreachable()
      throw error
    })
    try {
      const session = await openSftpSession(connection, {
        requests: pipelining.allowed(),
        where: destination,
        timeoutSeconds: connectTimeoutSeconds,
        onPipelined: pipelining.proven,
      })
      atomicReplace &&= session.abilities.posixRename
      const ended = pipelining.opened()
      session.onLost(() => ended(session.lostDuring() ?? 'idle'))
      return session
    } catch (error) {
      connection.close()
      throw error
    }
  }, mostConnections)
  /** Known for sure only after the first connection; nearly every server can. */
  let atomicReplace = true
  /** For what killed runs have left, beside the first upload. */
  let firstLook: Promise<void> | undefined
  /** Folders where no run that was killed has left an old object aside. */
  const settledFolders = new Set<string>()

  /** Runs `work` on a connection, and names its failures. */
  async function perform<Result>(
    what: string,
    { signal }: OperationOptions,
    work: (session: SftpSession) => Promise<Result>,
  ): Promise<Result> {
    throwIfAborted(signal, what)
    for (let attempt = 1; ; attempt++) {
      const { session, release } = await takeUnlessAborted(what, signal)
      try {
        return await work(session)
      } catch (error) {
        if (error !== session.lost() || !mayTakeFewer(session, attempt)) throw sftpError(error, what, destination)
      } finally {
        release()
      }
    }
  }

  async function takeUnlessAborted(what: string, signal: AbortSignal | undefined): ReturnType<typeof connections.take> {
    const taken = connections.take()
    try {
      return await unlessAborted(taken, what, signal)
    } catch (error) {
      taken.then(({ release }) => release()).catch(() => undefined)
      throw error
    }
  }

  /** What is at a key that no link leads to; `undefined` when there is no such object. */
  async function locate(session: SftpSession, key: string): Promise<{ path: string; size: number; modified: Date } | undefined> {
    const folders = key.split('/')
    const name = folders.pop() ?? ''
    const path = below(folders.reduce(below, root), name)
    const [found] = await Promise.all([find(session, path), assertPlainWay(session, folders)])
    return found?.kind === 'file' || found?.kind === 'unknown' ? { path, size: found.size, modified: found.modified } : undefined
  }

  /** What is removed must not be put back later, out of what a killed run has set aside. */
  async function settleBeside(session: SftpSession, key: string): Promise<void> {
    await uploads.settleLeft(session)
    const folder = key.split('/').slice(0, -1).reduce(below, root)
    if (session.abilities.posixRename || settledFolders.has(folder)) return
    await settleAsides(session, folder, uploads.isWriting)
    settledFolders.add(folder)
  }

  async function lookForParts(session: SftpSession, now: number, signal: AbortSignal | undefined): Promise<void> {
    try {
      await removeParts(session, root, { after: abandonedAfter, now, spared: uploads.isWriting, signal })
    } catch {
      // Of no matter to what is stored; after an abort the next upload looks.
      if (signal?.aborted) firstLook = undefined
    }
  }

  async function assertPlainWay(session: SftpSession, folders: readonly string[]): Promise<void> {
    try {
      await assertNoLink(session, root, folders)
    } catch (error) {
      // A file where a folder should be: then there is no such object, which the object itself tells.
      if (!(BackupError.is(error) && error.code === 'CONFLICT')) throw error
    }
  }

  async function* read(
    session: SftpSession,
    key: string,
    range: ByteRange | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void> {
    const what = `download of ${key}`
    const place = await locate(session, key)
    if (place === undefined) throw notFound(key)
    const handle = await session.open(place.path, 'r')
    try {
      const { begin, end } = clampRange(range, (await session.handleAttributes(handle)).size)
      const blocks = readWindow(session, handle, { begin, end, windowBytes, what })
      for await (const block of blocks) {
        yield block
        throwIfAborted(signal, what)
      }
    } finally {
      // Not waited for: the server may be stalled, and the answer changes nothing.
      if (session.lost() === undefined) session.closeHandle(handle).catch(() => undefined)
    }
  }

  async function* walk(
    session: SftpSession,
    folder: string,
    over: string,
    prefix: string,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<RemoteObject, void> {
    for await (const { name, attributes } of entriesOf(session, folder)) {
      throwIfAborted(signal, `list of ${prefix}`)
      const key = over + name
      if (attributes.kind === 'folder') {
        if (`${key}/`.startsWith(prefix) || prefix.startsWith(`${key}/`))
          yield* walk(session, below(folder, name), `${key}/`, prefix, signal)
      } else if (key.startsWith(prefix) && !isUnfinished(name)) {
        yield { key, size: attributes.size, modifiedAt: attributes.modified.toISOString() }
      }
    }
  }

  /** An operation that gives something again and again holds its connection until it is closed. An abort ends every wait at once. */
  async function* stream<Value>(
    what: string,
    { signal }: OperationOptions,
    open: (session: SftpSession) => AsyncGenerator<Value, void>,
  ): AsyncGenerator<Value, void> {
    throwIfAborted(signal, what)
    let given = false
    for (let attempt = 1; ; attempt++) {
      const { session, release } = await takeUnlessAborted(what, signal)
      const values = open(session)
      try {
        for (;;) {
          const next = await unlessAborted(values.next(), what, signal)
          if (next.done === true) break
          given = true
          yield next.value
        }
        throwIfAborted(signal, what)
        return
      } catch (error) {
        if (given || error !== session.lost() || !mayTakeFewer(session, attempt)) throw sftpError(error, what, destination)
      } finally {
        // Not waited for: it closes files and folders, and the server may be stalled.
        values.return().catch(() => undefined)
        release()
      }
    }
  }

  return {
    contract: 'uploader/1',
    destination,
    supports: {
      get atomicReplace() {
        return atomicReplace
      },
      concurrency: mostConnections * transfersPerConnection,
      rangeRead: true,
      resume: true,
    },

    async upload(key: string, content: Reopenable, options: OperationOptions = {}) {
      const what = `upload of ${key}`
      throwIfAborted(options.signal, what)
      assertKey(key)
      return await perform(what, options, async (session) => {
        await unlessAborted(ensureRoot(session, root, createDirectory), what, options.signal)
        const isFirst = firstLook === undefined
        const object = await uploads.store(session, key, content, options.signal, (now) => {
          firstLook ??= lookForParts(session, now, options.signal)
        })
        // The object is stored, whatever comes of this.
        if (isFirst && firstLook !== undefined) await unlessAborted(firstLook, what, options.signal).catch(() => undefined)
        return object
      })
    },

    async *download(key: string, range?: ByteRange, options: OperationOptions = {}) {
      throwIfAborted(options.signal, `download of ${key}`)
      assertKey(key)
      yield* stream(`download of ${key}`, options, (session) => read(session, key, range, options.signal))
    },

    async stat(key: string, options: OperationOptions = {}) {
      throwIfAborted(options.signal, `stat of ${key}`)
      assertKey(key)
      return await perform(`stat of ${key}`, options, async (session) => {
        const found = await unlessAborted(locate(session, key), `stat of ${key}`, options.signal)
        return found === undefined ? undefined : { key, size: found.size, modifiedAt: found.modified.toISOString() }
      })
    },

    async *list(prefix: string, options: OperationOptions = {}) {
      yield* stream(`list of ${prefix}`, options, (session) => walk(session, root, '', prefix, options.signal))
    },

    async remove(key: string, options: OperationOptions = {}) {
      const what = `removal of ${key}`
      throwIfAborted(options.signal, what)
      assertKey(key)
      await perform(what, options, async (session) => {
        await unlessAborted(settleBeside(session, key), what, options.signal)
        const found = await unlessAborted(locate(session, key), what, options.signal)
        if (found === undefined) return
        await unlessAborted(session.removeFile(found.path).catch(ignoreMissing), what, options.signal)
        await unlessAborted(pruneFolders(session, root, key.split('/').slice(0, -1)), what, options.signal)
      })
    },

    async removeAbandonedParts({ olderThanSeconds } = {}, options: OperationOptions = {}) {
      const what = 'removal of abandoned parts'
      const after =
        olderThanSeconds === undefined ? abandonedAfter : { resumableSeconds: olderThanSeconds, othersSeconds: olderThanSeconds }
      const { signal } = options
      return await perform(what, options, async (session) => {
        const work = async (): Promise<number> => {
          // Without an age no clock is needed, and none can be asked where there is no folder.
          const now = olderThanSeconds === 0 ? 0 : await serverTime(session, root)
          return now === undefined ? 0 : await removeParts(session, root, { after, now, spared: uploads.isWriting, signal })
        }
        return await unlessAborted(work(), what, signal)
      })
    },

    classify: classifySftpError,

    async [Symbol.asyncDispose]() {
      connections.close()
    },
  }
}

/** Whether the server seems to take one request at a time: then the same is tried again until that is known. */
function mayTakeFewer(session: SftpSession, attempt: number): boolean {
  return session.lostDuring() === 'pipelining' && attempt <= breaksThatTell
}

function assertKey(key: string): void {
  assertSafePath(key, 'key')
  if (!isUnfinished(key.slice(key.lastIndexOf('/') + 1))) return
  throw new BackupError(`key ${JSON.stringify(key)} is refused: such names are given to unfinished uploads`, {
    code: 'INVALID_INPUT',
    hint: 'Nothing was changed. Use another name; repositories of this project encode theirs so that they fit everywhere.',
  })
}

function notFound(key: string): BackupError {
  return new BackupError(`object ${key} does not exist`, {
    code: 'NOT_FOUND',
    hint: 'Check the destination and its prefix; if they are right, the object was removed or never stored.',
  })
}
