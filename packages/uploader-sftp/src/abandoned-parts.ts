import { throwIfAborted } from '@backup-planet/core'
import { nameOfAside, newPartName, partNameOf } from './part-name.ts'
import { settleAside } from './put-in-place.ts'
import type { SftpSession } from './session/sftp-session.ts'
import { isStatus, sftpStatus } from './sftp-errors.ts'
import { below, entriesOf, ignoreMissing, pruneFolders } from './sftp-tree.ts'

/** When parts count as abandoned, by the time since the last write. */
export interface AbandonedAfter {
  /** Those that the next upload of the same content goes on with. */
  readonly resumableSeconds: number
  readonly othersSeconds: number
}

export interface PartRemoval {
  readonly after: AbandonedAfter
  /** By the clock of the server, in milliseconds. */
  readonly now: number
  /** Parts, and old objects set aside, that this very uploader works on. */
  readonly spared: (path: string) => boolean
  readonly signal: AbortSignal | undefined
}

/** What time it is on the server, in milliseconds, by a file that is gone again; `undefined` where there is no such folder. */
export async function serverTime(session: SftpSession, folder: string): Promise<number | undefined> {
  const path = below(folder, newPartName('clock', undefined))
  let handle: Buffer
  try {
    handle = await session.open(path, 'wx')
  } catch (error) {
    if (isStatus(error, sftpStatus.NO_SUCH_FILE, 10)) return undefined
    throw error
  }
  try {
    return (await session.handleAttributes(handle)).modified.getTime()
  } finally {
    await session.closeHandle(handle)
    await session.removeFile(path).catch(ignoreMissing)
  }
}

/** Folders that are looked through side by side: far servers answer late, not slowly. */
const foldersAtOnce = 16

/**
 * Removes parts whose last write is longer ago than `after` says, anywhere below `root`. Old objects that were set aside by a run that
 * was killed then are settled, whatever their age. Returns how many files were removed.
 */
export async function removeParts(
  session: SftpSession,
  root: string,
  removal: PartRemoval,
  folders: readonly string[] = [],
): Promise<number> {
  const { spared, signal } = removal
  const folder = folders.reduce(below, root)
  const inner: string[] = []
  let removed = 0
  for await (const { name, attributes } of entriesOf(session, folder)) {
    throwIfAborted(signal, 'removal of abandoned parts')
    const path = below(folder, name)
    const object = nameOfAside(name)
    if (attributes.kind === 'folder') inner.push(name)
    else if (spared(path)) continue
    else if (object !== undefined) removed += (await settleAside(session, path, below(folder, object))) === 'removed' ? 1 : 0
    else if (isAbandoned(name, attributes.modified, removal)) {
      await session.removeFile(path).catch(ignoreMissing)
      removed++
    }
  }
  for (let index = 0; index < inner.length; index += foldersAtOnce) {
    const some = inner.slice(index, index + foldersAtOnce)
    const counts = await Promise.all(some.map((name) => removeParts(session, root, removal, [...folders, name])))
    removed += counts.reduce((sum, count) => sum + count, 0)
  }
  if (removed > 0) await pruneFolders(session, root, folders)
  return removed
}

function isAbandoned(name: string, modified: Date, { after, now }: PartRemoval): boolean {
  const part = partNameOf(name)
  if (part === undefined) return false
  const seconds = part.identity === undefined ? after.othersSeconds : after.resumableSeconds
  return seconds <= 0 || now - modified.getTime() >= seconds * 1000
}

/** Settles old objects that were set aside directly in `folder` by a run that was killed. */
export async function settleAsides(session: SftpSession, folder: string, spared: (path: string) => boolean): Promise<void> {
  for await (const { name, attributes } of entriesOf(session, folder)) {
    const object = nameOfAside(name)
    const path = below(folder, name)
    if (attributes.kind === 'file' && object !== undefined && !spared(path)) await settleAside(session, path, below(folder, object))
  }
}
