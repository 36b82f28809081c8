import { BackupError } from '@backup-planet/core'
import type { SftpSession } from './session/sftp-session.ts'
import { isStatus, SftpFailure, sftpStatus } from './sftp-errors.ts'
import { find, ignoreMissing } from './sftp-tree.ts'

/** How a finished part gets to its place. */
export interface Placing {
  readonly part: string
  readonly path: string
  /** A new path each time, for the old object; `undefined` where there is no room for such a name. Hears of every path before it is used. */
  readonly aside: () => string | undefined
}

const mostAttempts = 5

/**
 * Puts a finished part in its place, over what is there. Where the server cannot do that in one step, the old object is set aside first,
 * which shows that renames are allowed: it is never removed before the new one is in its place. Whoever calls settles what was set aside,
 * however this ends.
 */
export async function putInPlace(session: SftpSession, { part, path, aside }: Placing): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await (session.abilities.posixRename ? session.renameOver(part, path) : session.rename(part, path))
    } catch (error) {
      if (!isStatus(error, ...inTheWay) || attempt >= mostAttempts) throw error
      const found = await find(session, path)
      if (found?.kind === 'folder') {
        // An empty folder that a crash left is in the way; one with anything in it stays.
        await session.removeFolder(path).catch((reason: unknown) => Promise.reject(folderInTheWay(path, reason)))
        continue
      }
      // Of two uploads of one key each may find the old object gone, which the other has set aside.
      if (found === undefined && !(session.abilities.posixRename && attempt > 1)) continue
      if (session.abilities.posixRename || (await find(session, part)) === undefined) throw error
      await setAside(session, path, aside())
    }
  }
}

/** What servers answer to a rename where there is something already. */
const inTheWay = [sftpStatus.FAILURE, sftpStatus.FILE_ALREADY_EXISTS, sftpStatus.PERMISSION_DENIED, 24]

async function setAside(session: SftpSession, path: string, aside: string | undefined): Promise<void> {
  if (aside === undefined) throw noRoomAside(path)
  try {
    await session.rename(path, aside)
  } catch (error) {
    if (isStatus(error, sftpStatus.NO_SUCH_FILE, 10)) return
    if ((await find(session, path)) !== undefined) throw error
  }
}

/**
 * Puts an old object back that was set aside when nothing is in its place, and removes it when something is: it is newer. Right at any
 * time, also while the one who has set it aside still works: who finds it put back sets it aside again under another name. Says what
 * became of it: `gone` when somebody else was first, `stays` where the server refuses.
 */
export async function settleAside(session: SftpSession, aside: string, path: string): Promise<'put back' | 'removed' | 'gone' | 'stays'> {
  try {
    for (let attempt = 1; attempt <= mostAttempts; attempt++) {
      if ((await find(session, path)) !== undefined) {
        await session.removeFile(aside).catch(ignoreMissing)
        return 'removed'
      }
      if (await renamed(session, aside, path)) return 'put back'
      if ((await find(session, aside)) === undefined) return 'gone'
    }
  } catch (error) {
    if (!(error instanceof SftpFailure)) throw error
  }
  return 'stays'
}

async function renamed(session: SftpSession, from: string, to: string): Promise<boolean> {
  try {
    await session.rename(from, to)
    return true
  } catch (error) {
    if (error instanceof SftpFailure) return false
    throw error
  }
}

function folderInTheWay(path: string, cause: unknown): BackupError {
  return new BackupError(`${path} cannot be stored: it is a folder of other objects`, {
    code: 'CONFLICT',
    hint: 'A key cannot be an object and a folder of other objects at once in a directory: remove one of them or use another prefix.',
    cause,
  })
}

function noRoomAside(path: string): BackupError {
  return new BackupError(
    `${path} cannot be replaced: the server has no posix-rename@openssh.com, and the name is too long to set the old object aside`,
    {
      code: 'UNSUPPORTED',
      hint: 'The old object is as it was. Use a shorter name, remove the old object first, or use a server that can replace, such as OpenSSH.',
    },
  )
}
