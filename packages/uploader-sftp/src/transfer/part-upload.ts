import { abortError, type RemoteObject, type Reopenable, throwIfAborted, unlessAborted } from '@backup-planet/core'
import { newAsideName } from '../part-name.ts'
import { putInPlace } from '../put-in-place.ts'
import type { SftpSession } from '../session/sftp-session.ts'
import type { ResolvedSftpSettings } from '../sftp-settings.ts'
import { assertNoLink, below, pruneFolders } from '../sftp-tree.ts'
import { leftBehind, type Whole } from './left-behind.ts'
import { discardPart, openNewPart, type Part, type PartPlaces, takeOverPart } from './open-part.ts'
import { assertWhole } from './part-check.ts'
import { remoteHash } from './remote-hash.ts'
import { OtherBeginning, sendContent } from './send-content.ts'
import { reasonOf } from './upload-failures.ts'
import { type Target, targetBelow } from './upload-target.ts'

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

/** One upload under way. */
interface Upload {
  readonly session: SftpSession
  readonly target: Target
  readonly content: Reopenable
  readonly what: string
  readonly signal: AbortSignal | undefined
  /** The part, as soon as it is asked for. */
  opening: Promise<Part> | undefined
  part: Part | undefined
  whole: Whole | undefined
}

/** How long a failed or aborted upload may wait for what must not be cut, before its connection is given up instead. */
const tidyMilliseconds = 5000

export function partUploads({ root, destination, verify }: PartUploadsSettings): PartUploads {
  const identities = new Set<string>()
  const left = leftBehind(root)
  const hashes = remoteHash()
  const places: PartPlaces = { root, left, hashes }

  /** Of two uploads of the same content at once one may go on with what is there. */
  function targetOf(key: string, content: Reopenable): Target {
    const target = targetBelow(root, key, content)
    return target.identity !== undefined && identities.has(target.identity) ? { ...target, identity: undefined } : target
  }

  /** Ends what earlier uploads of this process left. Resolves with the object, where one of them has stored it. */
  async function settleEarlier({ session, target }: Upload): Promise<Whole | undefined> {
    await left.settleAsides(session)
    const whole = await left.alreadyInPlace(session, target)
    if (whole === undefined) await left.removeParts(session, target)
    return whole
  }

  /** Opens a part that {@link tidy} finds, also when this one no longer waits for it. */
  async function open(upload: Upload, opening: Promise<Part>): Promise<Part> {
    upload.opening = opening
    upload.part = await unlessAborted(opening, upload.what, upload.signal)
    return upload.part
  }

  async function firstPart({ session, target, signal }: Upload): Promise<Part> {
    return (await takeOverPart(session, places, target, signal)) ?? (await openNewPart(session, places, target))
  }

  /** Sends the content to a part, and to another one where what the first one holds is none of it. */
  async function send(upload: Upload, part: Part): Promise<{ readonly part: Part; readonly sent: { size: number; sha256: string } }> {
    const { session, target, content, what, signal } = upload
    try {
      return { part, sent: await sendContent(session, part, content, what, signal) }
    } catch (error) {
      if (!(error instanceof OtherBeginning)) throw error
    }
    await unlessAborted(discardPart(session, part), what, signal)
    left.writing.delete(part.path)
    const another = await open(upload, openNewPart(session, places, target))
    return { part: another, sent: await sendContent(session, another, content, what, signal) }
  }

  /** Writes everything, and checks it. Afterwards the object lacks nothing but its place. */
  async function write(upload: Upload, opened: Part): Promise<Part> {
    const { session, target, what, signal } = upload
    const { part, sent } = await send(upload, opened)
    const modified = await unlessAborted(assertWhole(session, part, sent, { verify, hashes, what, signal }), what, signal)
    part.isClosed = true
    await unlessAborted(session.closeHandle(part.handle), what, signal)
    await unlessAborted(assertNoLink(session, root, target.folders), what, signal)
    throwIfAborted(signal, what)
    upload.whole = { ...sent, modified }
    return part
  }

  /** Puts a part in its place. An old object that is set aside for that is removed afterwards, or put back when it fails. */
  async function replace(session: SftpSession, part: string, { folder, name, path }: Target): Promise<void> {
    const used: string[] = []
    const aside = (): string | undefined => {
      const asideName = newAsideName(name)
      if (asideName === undefined) return undefined
      const next = below(folder, asideName)
      used.push(next)
      left.writing.add(next)
      left.addAside(next, path)
      return next
    }
    try {
      await putInPlace(session, { part, path, aside })
      for (const old of used) {
        // The new object is in its place, whatever comes of this.
        await session.removeFile(old).then(
          () => left.forgetAside(old),
          () => undefined,
        )
      }
    } finally {
      for (const old of used) left.writing.delete(old)
    }
  }

  /** Removes what a failed upload wrote; what a lost connection keeps us from is remembered. */
  async function tidy(upload: Upload): Promise<void> {
    const { session, target, whole, opening } = upload
    const timer = setTimeout(() => session.giveUp(), tidyMilliseconds)
    const part = await opening?.catch(() => undefined)
    try {
      await left.settleAsides(session)
      if (part !== undefined) await discardPart(session, part)
      await pruneFolders(session, root, target.folders)
    } catch {
      if (part !== undefined) left.addPart(part.path, { target, whole })
    } finally {
      clearTimeout(timer)
      if (part !== undefined) left.writing.delete(part.path)
    }
  }

  async function fail(error: unknown, upload: Upload): Promise<never> {
    const { session, what, target, part } = upload
    const reason = await reasonOf(error, { session, what, root, destination, target, part })
    await tidy(upload)
    throw reason
  }

  return {
    isWriting: (path) => left.writing.has(path),
    settleLeft: (session) => left.settleAsides(session),

    async store(session, key, content, signal, onOpen) {
      const what = `upload of ${key}`
      const target = targetOf(key, content)
      const upload: Upload = { session, target, content, what, signal, opening: undefined, part: undefined, whole: undefined }
      if (target.identity !== undefined) identities.add(target.identity)
      try {
        const stored = await unlessAborted(settleEarlier(upload), what, signal)
        if (stored !== undefined) return objectOf(key, stored)
        const opened = await open(upload, firstPart(upload))
        onOpen(opened.since)
        const part = await write(upload, opened)
        await decided(replace(session, part.path, target), upload)
        left.writing.delete(part.path)
        return objectOf(key, upload.whole as Whole)
      } catch (error) {
        return await fail(error, upload)
      } finally {
        if (target.identity !== undefined) identities.delete(target.identity)
      }
    },
  }
}

/** Waits for what must not be cut: its outcome decides, also after an abort. A server that does not answer is given up then. */
async function decided<Result>(work: Promise<Result>, { session, what, signal }: Upload): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const onAbort = (): void => {
    timer = setTimeout(() => session.giveUp(), tidyMilliseconds)
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    return await work
  } catch (error) {
    throw signal?.aborted && error === session.lost() ? abortError(signal, what) : error
  } finally {
    signal?.removeEventListener('abort', onAbort)
    clearTimeout(timer)
  }
}

function objectOf(key: string, { size, sha256, modified }: Whole): RemoteObject {
  return { key, size, sha256, modifiedAt: modified.toISOString() }
}
