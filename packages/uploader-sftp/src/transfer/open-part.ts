import { unlessAborted } from '@backup-planet/core'
import { serverTime } from '../abandoned-parts.ts'
import { isPartOf, newPartName } from '../part-name.ts'
import type { SftpSession } from '../session/sftp-session.ts'
import { isStatus, SftpFailure, sftpStatus } from '../sftp-errors.ts'
import { assertNoLink, below, entriesOf, ignoreMissing, makeFolders } from '../sftp-tree.ts'
import type { LeftBehind } from './left-behind.ts'
import type { RemoteHash } from './remote-hash.ts'
import { surelyWritten } from './resume-point.ts'
import type { Target } from './upload-target.ts'

export interface Part {
  readonly path: string
  readonly handle: Buffer
  /** Servers give the handle of a closed file to another one: it must not be closed twice. */
  isClosed: boolean
  /** When it was opened, by the clock of the server, in milliseconds. */
  readonly since: number
  /** Bytes that an earlier upload wrote, with their hash as the server has them; that one may still write to the same file. */
  readonly kept: { readonly bytes: number; readonly sha256: string } | undefined
}

/** Where parts are opened, and what is known of those that lie there. */
export interface PartPlaces {
  readonly root: string
  readonly left: LeftBehind
  readonly hashes: RemoteHash
}

/** A new part, open for writing. */
export async function openNewPart(session: SftpSession, { root, left }: PartPlaces, target: Target): Promise<Part> {
  const { folders, folder, name, identity } = target
  for (let attempt = 1; ; attempt++) {
    // Before anything is created: what is behind a link is not ours.
    if (folders.length > 0) await assertNoLink(session, root, folders)
    const path = below(folder, newPartName(name, identity))
    left.writing.add(path)
    try {
      return await opened(session, path)
    } catch (error) {
      left.writing.delete(path)
      // It may have been created all the same.
      if (!(error instanceof SftpFailure)) await session.removeFile(path).catch(() => left.addPart(path, { target, whole: undefined }))
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

async function opened(session: SftpSession, path: string): Promise<Part> {
  const handle = await session.open(path, 'wx')
  try {
    const since = (await session.handleAttributes(handle)).modified.getTime()
    return { path, handle, isClosed: false, since, kept: undefined }
  } catch (error) {
    await discardPart(session, { path, handle, isClosed: false }).catch(() => undefined)
    throw error
  }
}

/**
 * What an earlier upload of this content has left, taken over under a name of our own: of two that want it one gets it. Nothing is cut off
 * from it: the one it was taken from may be about to do the same, and would cut what we have written since.
 */
export async function takeOverPart(
  session: SftpSession,
  places: PartPlaces,
  target: Target,
  signal: AbortSignal | undefined,
): Promise<Part | undefined> {
  const { root, left } = places
  const { folders, folder, name, identity } = target
  if (identity === undefined) return undefined
  await assertNoLink(session, root, folders)
  const found = await longestPart(session, places, target)
  if (found === undefined) return undefined
  const path = below(folder, newPartName(name, identity))
  left.writing.add(path)
  let handle: Buffer | undefined
  try {
    await session.rename(found, path)
    left.forgetPart(found)
    handle = await session.open(path, 'r+')
    const kept = await keptOf(session, places, { path, handle }, target, signal)
    return { path, handle, isClosed: false, since: (await serverTime(session, folder)) ?? 0, kept }
  } catch (error) {
    if (session.lost() === undefined) await discardPart(session, { path, handle, isClosed: false }).catch(() => undefined)
    else left.addPart(path, { target, whole: undefined })
    left.writing.delete(path)
    // Somebody else took it: then everything is sent again.
    if (error instanceof SftpFailure) return undefined
    throw error
  }
}

/** The longest part of this content that can be gone on with. One that is longer than the content is of no use to anybody, and goes. */
async function longestPart(session: SftpSession, { left }: PartPlaces, target: Target): Promise<string | undefined> {
  const { folder, name, identity = '', size: contentBytes = 0 } = target
  let longest: { readonly path: string; readonly size: number } | undefined
  const useless: string[] = []
  for await (const { name: found, attributes } of entriesOf(session, folder)) {
    const path = below(folder, found)
    if (attributes.kind !== 'file' || !isPartOf(found, name, identity) || left.writing.has(path)) continue
    const { size } = attributes
    if (size > contentBytes || (surelyWritten(size) === 0 && left.hasPart(path))) useless.push(path)
    else if (surelyWritten(size) > 0 && size > (longest?.size ?? 0)) longest = { path, size }
  }
  for (const path of useless) {
    await session.removeFile(path).catch(ignoreMissing)
    left.forgetPart(path)
  }
  return longest?.path
}

async function keptOf(
  session: SftpSession,
  { hashes }: PartPlaces,
  { path, handle }: Pick<Part, 'path' | 'handle'>,
  { key, size: contentBytes = 0 }: Target,
  signal: AbortSignal | undefined,
): Promise<NonNullable<Part['kept']>> {
  // The one it was taken from may have written since it was looked at.
  const bytes = Math.min(surelyWritten((await session.handleAttributes(handle)).size), contentBytes)
  const hash = async (): Promise<string> =>
    (await hashes.beginningByServer(session, path, bytes)) ??
    (await hashes.readBack(session, handle, bytes, `reading back ${path}`, signal))
  return { bytes, sha256: await unlessAborted(hash(), `upload of ${key}`, signal) }
}

/** Closes a part and removes it. */
export async function discardPart(
  session: SftpSession,
  part: Pick<Part, 'path' | 'isClosed'> & { readonly handle: Buffer | undefined },
): Promise<void> {
  const { path, handle, isClosed } = part
  part.isClosed = true
  if (!isClosed && handle !== undefined) await session.closeHandle(handle).catch(() => undefined)
  await session.removeFile(path).catch(ignoreMissing)
}
