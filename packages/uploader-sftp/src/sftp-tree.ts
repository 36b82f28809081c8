import { BackupError } from '@backup-planet/core'
import type { SftpAttributes, SftpSession } from './session/sftp-session.ts'
import { isStatus, sftpStatus } from './sftp-errors.ts'

/** Paths on the server are joined here: they have slashes, whatever this machine has. */
export function below(folder: string, name: string): string {
  if (folder === '.') return name
  return folder.endsWith('/') ? folder + name : `${folder}/${name}`
}

export function above(path: string): string {
  const cut = path.lastIndexOf('/')
  return cut < 0 ? '.' : cut === 0 ? '/' : path.slice(0, cut)
}

/** What is at `path`, without following a link. Many servers have one answer for all failures: then the folders above tell what is meant. */
export async function find(session: SftpSession, path: string): Promise<SftpAttributes | undefined> {
  try {
    return await session.attributes(path)
  } catch (error) {
    if (!isStatus(error, sftpStatus.FAILURE, 19)) throw error
    const folder = above(path)
    if (folder === path || folder === '.') throw error
    if ((await find(session, folder))?.kind === 'folder') throw error
    return undefined
  }
}

/** Throws when any of `folders` below `root` is a symbolic link or a file; those that do not exist are no reason. */
export async function assertNoLink(session: SftpSession, root: string, folders: readonly string[]): Promise<void> {
  const paths = folders.map((_, index) => folders.slice(0, index + 1).reduce(below, root))
  const found = await Promise.all(paths.map((path) => find(session, path)))
  for (const [index, attributes] of found.entries()) assertFolder(paths[index] ?? root, attributes)
}

/** Creates `folders` below `root` where they do not exist. */
export async function makeFolders(session: SftpSession, root: string, folders: readonly string[]): Promise<void> {
  let current = root
  for (const folder of folders) {
    current = below(current, folder)
    await makeFolder(session, current)
  }
}

async function makeFolder(session: SftpSession, path: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await session.makeFolder(path)
    } catch (error) {
      const found = await find(session, path)
      if (found !== undefined) return assertFolder(path, found)
      // "Failure" is said of a folder that is there: another upload may have removed it as empty since.
      if (attempt >= 5 || !isStatus(error, sftpStatus.FAILURE, sftpStatus.FILE_ALREADY_EXISTS)) throw error
    }
  }
}

/** The folder of the settings, which may be a link itself. Its parents are looked at only where it does not exist: they need not be readable. */
export async function ensureRoot(session: SftpSession, root: string, create: boolean): Promise<void> {
  const found = await rootAttributes(session, root)
  if (found === undefined && create) return await makeRoot(session, root)
  if (found === undefined) {
    throw new BackupError(`${root} does not exist on the server`, {
      code: 'NOT_FOUND',
      hint: 'Create it for the user of the backups, mount the disk it is on, or set createDirectory.',
    })
  }
  if (found.kind !== 'folder' && found.kind !== 'unknown') throw notAFolder(root)
}

async function rootAttributes(session: SftpSession, root: string): Promise<SftpAttributes | undefined> {
  try {
    return await session.target(root)
  } catch (error) {
    if (isStatus(error, sftpStatus.FAILURE, 19)) throw notAFolder(root)
    throw error
  }
}

async function makeRoot(session: SftpSession, root: string): Promise<void> {
  const parent = above(root)
  if (parent !== root && parent !== '.') await ensureRoot(session, parent, true)
  await session.makeFolder(root).catch(async (error: unknown) => {
    if ((await session.target(root))?.kind !== 'folder') throw error
  })
}

/** Removes `folders` below `root` from the deepest on, as long as they are empty. */
export async function pruneFolders(session: SftpSession, root: string, folders: readonly string[]): Promise<void> {
  for (let depth = folders.length; depth > 0; depth--) {
    try {
      await session.removeFolder(folders.slice(0, depth).reduce(below, root))
    } catch (error) {
      if (!isStatus(error, sftpStatus.NO_SUCH_FILE, 10)) return
    }
  }
}

export interface TreeEntry {
  readonly name: string
  readonly attributes: SftpAttributes
}

/** Files and folders directly in `folder`, without links and other things; empty when it is gone. */
export async function* entriesOf(session: SftpSession, folder: string): AsyncGenerator<TreeEntry, void> {
  let handle: Buffer
  try {
    handle = await session.openFolder(folder)
  } catch (error) {
    if (isStatus(error, sftpStatus.NO_SUCH_FILE, 10, 19)) return
    // It has become something else since its own folder was read.
    if (isStatus(error, sftpStatus.FAILURE) && (await find(session, folder))?.kind !== 'folder') return
    throw error
  }
  try {
    for (let names = await session.readFolder(handle); names !== undefined; names = await session.readFolder(handle)) {
      for (const entry of names) {
        const { name } = entry
        if (name === '.' || name === '..' || name.includes('/')) continue
        if (entry.attributes.kind === 'unknown') {
          const attributes = await find(session, below(folder, name))
          if (attributes !== undefined) yield { name, attributes }
        } else if (entry.attributes.kind === 'file' || entry.attributes.kind === 'folder') yield entry
      }
    }
  } finally {
    if (session.lost() === undefined) await session.closeHandle(handle).catch(() => undefined)
  }
}

export function ignoreMissing(error: unknown): void {
  if (!isStatus(error, sftpStatus.NO_SUCH_FILE, 10)) throw error
}

function assertFolder(path: string, found: SftpAttributes | undefined): void {
  if (found === undefined || found.kind === 'folder' || found.kind === 'unknown') return
  if (found.kind === 'link') {
    throw new BackupError(`${path} is a symbolic link`, {
      code: 'ACCESS_DENIED',
      hint: 'Remove the symbolic link: objects are kept in plain files and folders, and links are never followed out of the directory.',
    })
  }
  throw new BackupError(`folder ${path} cannot be created: an object has this name`, {
    code: 'CONFLICT',
    hint: 'A key cannot be an object and a folder of other objects at once in a directory: remove one of them or use another prefix.',
  })
}

function notAFolder(path: string): BackupError {
  return new BackupError(`${path} is not a directory on the server`, {
    code: 'CONFLICT',
    hint: 'Give a directory as the destination; a file lies there, or on the way to it.',
  })
}
