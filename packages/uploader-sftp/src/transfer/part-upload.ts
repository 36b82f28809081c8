import { createHash } from 'node:crypto'
import { type CheckedContent, checkedContent, type RemoteObject, type Reopenable, throwIfAborted, unlessAborted } from '@backup-planet/core'
import { isPartOf, newAsideName, newPartName } from '../part-name.ts'
import { putInPlace, settleAside } from '../put-in-place.ts'
import { isStatus, type SftpSession } from '../session/sftp-session.ts'
import { SftpFailure, sftpStatus } from '../sftp-errors.ts'
import type { ResolvedSftpSettings } from '../sftp-settings.ts'
import { assertNoLink, below, entriesOf, find, ignoreMissing, makeFolders, pruneFolders } from '../sftp-tree.ts'
import { remoteHash } from './remote-hash.ts'
import { surelyWritten, windowBytes } from './resume-point.ts'
import { otherOnServer, reasonOf } from './upload-failures.ts'
import { type Target, targetBelow } from './upload-target.ts'
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
  /** Puts old objects back, or removes them, that lost connections have left aside. */
  settleLeft(session: SftpSession): Promise<void>
  isWriting(path: string): boolean
}

export interface PartUploadsSettings {
  readonly root: string
  readonly destination: string
  readonly verify: ResolvedSftpSettings['verify']
}

interface Part {
  readonly path: string
  readonly handle: Buffer
  /** Servers give the handle of a closed file to another one: it must not be closed twice. */
  isClosed: boolean
  /** Bytes that an earlier upload wrote, with their hash as the server has them. */
  readonly kept: { readonly bytes: number; readonly sha256: string } | undefined
}

/** What lies on the server of an upload that failed because its connection broke. */
interface Left {
  readonly target: Target
  /** Where only the answer to the last request was missing: what the object is, if it was put in its place all the same. */
  readonly whole: Whole | undefined
}

interface Whole {
  readonly size: number
  readonly sha256: string
  readonly modified: Date
}

/** The kept beginning of a part is not that of the content. */
class OtherBeginning extends Error {}

/** How long a failed upload may take to remove what it wrote, before its connection is given up instead. */
const tidyMilliseconds = 5000

export function partUploads({ root, destination, verify }: PartUploadsSettings): PartUploads {
  const writing = new Set<string>()
  const identities = new Set<string>()
  /** Parts whose connection broke: removed by a later upload, unless it goes on with them. */
  const left = new Map<string, Left>()
  /** Old objects that were set aside, where a lost connection kept us from settling them, each with its place. */
  const leftAside = new Map<string, string>()
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
        if (!(error instanceof SftpFailure)) await session.removeFile(path).catch(() => left.set(path, { target, whole: undefined }))
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
    target: Target,
    identity: string,
    signal: AbortSignal | undefined,
  ): Promise<Part | undefined> {
    const { folders, folder, name, key } = target
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
      else left.set(path, { target, whole: undefined })
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

  /** The object of an earlier upload of this content that did all its work, and lost the last answer with its connection. */
  async function alreadyInPlace(session: SftpSession, target: Target): Promise<Whole | undefined> {
    if (target.identity === undefined) return undefined
    for (const [path, { target: of, whole }] of left) {
      if (whole === undefined || of.key !== target.key || of.identity !== target.identity) continue
      if ((await find(session, path)) !== undefined) continue
      left.delete(path)
      const [found] = await Promise.all([find(session, target.path), assertNoLink(session, root, target.folders)])
      const isIt = found?.kind === 'file' && found.size === whole.size && found.modified.getTime() === whole.modified.getTime()
      if (isIt) return whole
    }
    return undefined
  }

  async function removeLeft(session: SftpSession, target: Target): Promise<void> {
    for (const [path, { target: of }] of left) {
      const isOurs = of.key === target.key
      if (of.identity !== undefined && (!isOurs || of.identity === target.identity)) continue
      left.delete(path)
      await session.removeFile(path).catch(ignoreMissing)
      if (!isOurs) await pruneFolders(session, root, of.folders)
    }
  }

  async function settleLeft(session: SftpSession): Promise<void> {
    for (const [aside, path] of leftAside) {
      if (writing.has(aside)) continue
      if ((await settleAside(session, aside, path)) !== 'stays') leftAside.delete(aside)
    }
  }

  /** Puts a part in its place. An old object that is set aside for that is removed afterwards, or put back by {@link settleLeft}. */
  async function replace(session: SftpSession, part: string, { folder, name, path }: Target): Promise<void> {
    const used: string[] = []
    const aside = (): string | undefined => {
      const asideName = newAsideName(name)
      if (asideName === undefined) return undefined
      const next = below(folder, asideName)
      used.push(next)
      writing.add(next)
      leftAside.set(next, path)
      return next
    }
    try {
      await putInPlace(session, { part, path, aside })
      for (const old of used) {
        // The new object is in its place, whatever comes of this.
        await session.removeFile(old).then(
          () => leftAside.delete(old),
          () => undefined,
        )
      }
    } finally {
      for (const old of used) writing.delete(old)
    }
  }

  /** Removes what a failed upload wrote; what a lost connection keeps us from is remembered. */
  async function tidy(session: SftpSession, part: Part | undefined, { target, whole }: Left): Promise<void> {
    const work = async (): Promise<void> => {
      if (part !== undefined) {
        if (!part.isClosed) await session.closeHandle(part.handle).catch(() => undefined)
        await settleLeft(session)
        await session.removeFile(part.path).catch(ignoreMissing)
      }
      await pruneFolders(session, root, target.folders)
    }
    const timer = setTimeout(() => session.giveUp(), tidyMilliseconds)
    try {
      await work()
    } catch {
      if (part !== undefined) left.set(part.path, { target, whole })
    } finally {
      clearTimeout(timer)
    }
  }

  /** Of two uploads of the same content at once one may go on with what is there. */
  function targetOf(key: string, content: Reopenable): Target {
    const target = targetBelow(root, key, content)
    return target.identity !== undefined && identities.has(target.identity) ? { ...target, identity: undefined } : target
  }

  return {
    isWriting: (path) => writing.has(path),
    settleLeft,

    async store(session, key, content, signal, onOpen) {
      const what = `upload of ${key}`
      const target = targetOf(key, content)
      if (target.identity !== undefined) identities.add(target.identity)
      let part: Part | undefined
      let since = 0
      let whole: Whole | undefined
      try {
        await settleLeft(session)
        const stored = await alreadyInPlace(session, target)
        if (stored !== undefined) return objectOf(key, stored)
        await removeLeft(session, target)
        part = await openPart(session, target, signal)
        // It was just created, or shortened: both are done by the clock of the server.
        since = (await session.handleAttributes(part.handle)).modified.getTime()
        onOpen(since)
        const checked = await fillFromStart(session, part, content, what, signal)
        const facts = checked.facts()
        const modified = await unlessAborted(assertWhole(session, part, facts, what), what, signal)
        part.isClosed = true
        await unlessAborted(session.closeHandle(part.handle), what, signal)
        await assertNoLink(session, root, target.folders)
        throwIfAborted(signal, what)
        whole = { ...facts, modified }
        await replace(session, part.path, target)
        return objectOf(key, whole)
      } catch (error) {
        const written = part === undefined ? undefined : { path: part.path, since }
        const reason = await reasonOf(error, { session, what, root, destination, target, part: written })
        await tidy(session, part, { target, whole })
        throw reason
      } finally {
        if (part !== undefined) writing.delete(part.path)
        if (target.identity !== undefined) identities.delete(target.identity)
      }
    },
  }
}

function objectOf(key: string, { size, sha256, modified }: Whole): RemoteObject {
  return { key, size, sha256, modifiedAt: modified.toISOString() }
}
