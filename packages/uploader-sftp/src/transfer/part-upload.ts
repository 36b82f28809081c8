import { createHash } from 'node:crypto'
import {
  BackupError,
  type CheckedContent,
  checkedContent,
  type RemoteObject,
  type Reopenable,
  throwIfAborted,
  unlessAborted,
} from '@backup-planet/core'
import { identityOf, isPartOf, newPartName } from '../part-name.ts'
import { isStatus, type SftpSession } from '../session/sftp-session.ts'
import { SftpFailure, sftpStatus } from '../sftp-errors.ts'
import type { ResolvedSftpSettings } from '../sftp-settings.ts'
import { assertNoLink, below, entriesOf, ignoreMissing, makeFolders, pruneFolders, putInPlace } from '../sftp-tree.ts'
import { remoteHash } from './remote-hash.ts'
import { leastResumedBytes, surelyWritten, windowBytes } from './resume-point.ts'
import { writeWindow } from './write-window.ts'

export interface PartUploads {
  /** Writes content beside its place and puts it there. `onOpen` hears what time it is on the server. */
  store(
    session: SftpSession,
    key: string,
    content: Reopenable,
    signal: AbortSignal | undefined,
    onOpen: (now: number) => void,
  ): Promise<RemoteObject>
  isWriting(path: string): boolean
}

export interface PartUploadsSettings {
  readonly root: string
  readonly destination: string
  readonly verify: ResolvedSftpSettings['verify']
}

/** Where an object is to be. */
interface Target {
  readonly key: string
  readonly folders: readonly string[]
  readonly folder: string
  readonly name: string
  readonly path: string
  /** Of content whose upload may be gone on with. */
  readonly identity: string | undefined
}

interface Part {
  readonly path: string
  readonly handle: Buffer
  /** Servers give the handle of a closed file to another one: it must not be closed twice. */
  isClosed: boolean
  /** Bytes that an earlier upload wrote, with their hash as the server has them. */
  readonly kept: { readonly bytes: number; readonly sha256: string } | undefined
}

/** The kept beginning of a part is not that of the content. */
class OtherBeginning extends Error {}

/** How long a failed upload may take to remove what it wrote, before its connection is given up instead. */
const tidyMilliseconds = 5000

export function partUploads({ root, destination, verify }: PartUploadsSettings): PartUploads {
  const writing = new Set<string>()
  const identities = new Set<string>()
  /** Parts whose connection broke, with what they are of: removed by a later upload, unless it goes on with them. */
  const left = new Map<string, Target>()
  const hashes = remoteHash()

  async function openPart(session: SftpSession, target: Target, signal: AbortSignal | undefined): Promise<Part> {
    const { folders, folder, name, identity } = target
    const kept = identity === undefined ? undefined : await resumePart(session, target, identity, signal)
    if (kept !== undefined) return kept
    for (let attempt = 1; ; attempt++) {
      const path = below(folder, newPartName(name, identity))
      writing.add(path)
      try {
        const [handle] = await Promise.all([session.open(path, 'wx'), assertNoLink(session, root, folders)])
        return { path, handle, isClosed: false, kept: undefined }
      } catch (error) {
        writing.delete(path)
        // It may have been created all the same.
        if (!(error instanceof SftpFailure)) await session.removeFile(path).catch(() => left.set(path, target))
        // No folder yet, pruned meanwhile, or something else in its place: that is found out while it is made.
        if (attempt >= 100 || !isStatus(error, sftpStatus.NO_SUCH_FILE, sftpStatus.FAILURE, 10, 19)) throw error
        if (attempt > 1 && isStatus(error, sftpStatus.FAILURE)) throw error
        await makeFolders(session, root, folders).catch((reason: unknown) => {
          // One of them was pruned while the next was made.
          if (!isStatus(reason, sftpStatus.NO_SUCH_FILE, 10)) throw reason
        })
      }
    }
  }

  /** What an earlier upload of this content has left, taken over under a name of our own: of two that want it one gets it. */
  async function resumePart(
    session: SftpSession,
    { folders, folder, name, path: _path, key }: Target,
    identity: string,
    signal: AbortSignal | undefined,
  ): Promise<Part | undefined> {
    await assertNoLink(session, root, folders)
    let best: { readonly name: string; readonly size: number } | undefined
    for await (const entry of entriesOf(session, folder)) {
      if (entry.attributes.kind !== 'file' || !isPartOf(entry.name, name, identity) || writing.has(below(folder, entry.name))) continue
      if (best === undefined || entry.attributes.size > best.size) best = { name: entry.name, size: entry.attributes.size }
    }
    if (best === undefined) return undefined
    const path = below(folder, newPartName(name, identity))
    writing.add(path)
    try {
      await session.rename(below(folder, best.name), path)
      left.delete(below(folder, best.name))
      const handle = await session.open(path, 'r+')
      const bytes = surelyWritten((await session.handleAttributes(handle)).size, Number.POSITIVE_INFINITY)
      await session.truncate(handle, bytes)
      const sha256 = bytes === 0 ? undefined : await unlessAborted(hashOf(session, path, handle, bytes), `upload of ${key}`, signal)
      return { path, handle, isClosed: false, kept: sha256 === undefined ? undefined : { bytes, sha256 } }
    } catch (error) {
      if (session.lost() === undefined) await session.removeFile(path).catch(() => undefined)
      writing.delete(path)
      // Somebody else took it, or the server cannot shorten files: then everything is sent again.
      if (error instanceof SftpFailure) return undefined
      throw error
    }
  }

  async function hashOf(session: SftpSession, path: string, handle: Buffer, size: number): Promise<string> {
    return (await hashes.byServer(session, path, size)) ?? (await hashes.readBack(session, handle, size, `reading back ${path}`))
  }

  /** Sends the content, without what the part has of it already. */
  async function fill(
    session: SftpSession,
    { handle, kept }: Part,
    content: CheckedContent,
    what: string,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const begin = kept?.bytes ?? 0
    const window = writeWindow(session, handle, { begin, windowBytes, what, signal })
    const beginning = createHash('sha256')
    let passed = 0
    try {
      for await (const chunk of content) {
        const skipped = Math.min(chunk.byteLength, begin - passed)
        if (skipped > 0) {
          beginning.update(skipped === chunk.byteLength ? chunk : chunk.subarray(0, skipped))
          passed += skipped
          if (passed === begin && beginning.digest('hex') !== kept?.sha256) throw new OtherBeginning()
        }
        if (skipped < chunk.byteLength) await window.write(skipped === 0 ? chunk : chunk.subarray(skipped))
      }
      await window.flush()
    } finally {
      window.close()
    }
  }

  async function fillFromStart(
    session: SftpSession,
    part: Part,
    content: Reopenable,
    what: string,
    signal: AbortSignal | undefined,
  ): Promise<CheckedContent> {
    const checked = checkedContent(content, what, { signal })
    try {
      await fill(session, part, checked, what, signal)
      return checked
    } catch (error) {
      if (!(error instanceof OtherBeginning)) throw error
    }
    await session.truncate(part.handle, 0)
    const again = checkedContent(content, what, { signal })
    await fill(session, { ...part, kept: undefined }, again, what, signal)
    return again
  }

  async function assertWhole(session: SftpSession, part: Part, facts: { size: number; sha256: string }, what: string): Promise<Date> {
    if (session.abilities.fsync) {
      await session.sync(part.handle).catch((error: unknown) => {
        if (!isStatus(error, sftpStatus.OP_UNSUPPORTED)) throw error
      })
    }
    const written = await session.handleAttributes(part.handle)
    if (written.size !== facts.size) throw otherOnServer(what, `${written.size} bytes instead of ${facts.size}`)
    if (verify === 'size') return written.modified
    const byServer = verify === 'checksum' ? await hashes.byServer(session, part.path, facts.size) : undefined
    if (byServer === facts.sha256) return written.modified
    const found = await readBack(session, part.path, facts.size, what)
    if (found !== facts.sha256) throw otherOnServer(what, `sha256 ${found} instead of ${facts.sha256}`)
    return written.modified
  }

  async function readBack(session: SftpSession, path: string, size: number, what: string): Promise<string> {
    const handle = await session.open(path, 'r')
    try {
      return await hashes.readBack(session, handle, size, what)
    } finally {
      await session.closeHandle(handle)
    }
  }

  async function removeLeft(session: SftpSession, target: Target): Promise<void> {
    for (const [path, of] of left) {
      const isOurs = of.key === target.key
      if (of.identity !== undefined && (!isOurs || of.identity === target.identity)) continue
      left.delete(path)
      await session.removeFile(path).catch(ignoreMissing)
      if (!isOurs) await pruneFolders(session, root, of.folders)
    }
  }

  /** Removes what a failed upload wrote; what a lost connection keeps us from is remembered. */
  async function tidy(session: SftpSession, part: Part | undefined, target: Target): Promise<void> {
    const work = async (): Promise<void> => {
      if (part !== undefined) {
        if (!part.isClosed) await session.closeHandle(part.handle).catch(() => undefined)
        await session.removeFile(part.path)
      }
      await pruneFolders(session, root, target.folders)
    }
    const timer = setTimeout(() => session.connection.close(), tidyMilliseconds)
    try {
      await work()
    } catch {
      if (part !== undefined) left.set(part.path, target)
    } finally {
      clearTimeout(timer)
    }
  }

  /** The one answer "Failure" of a server whose disk is full, named by what it says of its space. */
  async function withReason(session: SftpSession, error: unknown): Promise<unknown> {
    const aboutSpace =
      error instanceof SftpFailure && error.status === sftpStatus.FAILURE && /^(write|fsync|close|open|mkdir)$/.test(error.request)
    if (!aboutSpace || session.lost() !== undefined) return error
    const free = session.abilities.statvfs ? await session.freeBytes(root).catch(() => undefined) : undefined
    const isWrite = error.request === 'write' || error.request === 'fsync'
    if (free === undefined ? !isWrite : free > fewBytes) return error
    return new BackupError(`${destination} has ${free === undefined ? 'failed to write' : `${free} bytes of space left`}`, {
      code: 'OUT_OF_SPACE',
      hint: `The disk or the quota behind ${destination} is ${free === undefined ? 'most likely ' : ''}full: free space or raise the quota, then run again; nothing was left half-written.`,
      cause: error,
    })
  }

  function targetOf(key: string, content: Reopenable): Target {
    const folders = key.split('/')
    const name = folders.pop() ?? ''
    const folder = folders.reduce(below, root)
    const identity = (content.size ?? 0) > leastResumedBytes ? identityOf(key, content) : undefined
    const taken = identity !== undefined && identities.has(identity)
    return { key, folders, folder, name, path: below(folder, name), identity: taken ? undefined : identity }
  }

  return {
    isWriting: (path) => writing.has(path),

    async store(session, key, content, signal, onOpen) {
      const what = `upload of ${key}`
      const target = targetOf(key, content)
      if (target.identity !== undefined) identities.add(target.identity)
      let part: Part | undefined
      try {
        await removeLeft(session, target)
        part = await openPart(session, target, signal)
        onOpen(part.kept === undefined ? (await session.handleAttributes(part.handle)).modified.getTime() : Date.now())
        const checked = await fillFromStart(session, part, content, what, signal)
        const facts = checked.facts()
        const modified = await unlessAborted(assertWhole(session, part, facts, what), what, signal)
        part.isClosed = true
        await unlessAborted(session.closeHandle(part.handle), what, signal)
        await assertNoLink(session, root, target.folders)
        throwIfAborted(signal, what)
        await putInPlace(session, part.path, target.path)
        return { key, ...facts, modifiedAt: modified.toISOString() }
      } catch (error) {
        const reason = await withReason(session, error)
        await tidy(session, part, target)
        throw reason
      } finally {
        if (part !== undefined) writing.delete(part.path)
        if (target.identity !== undefined) identities.delete(target.identity)
      }
    },
  }
}

/** With less than this a disk counts as full: a request is as large as a quarter of it. */
const fewBytes = 1024 * 1024

function otherOnServer(what: string, found: string): BackupError {
  return new BackupError(`${what}: the server holds ${found}`, {
    code: 'CORRUPTED',
    hint: 'Another program changed the file meanwhile, or the disk of the server is damaged: check both and try again.',
  })
}
