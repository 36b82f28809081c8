import { createHash } from 'node:crypto'
import { type FileHandle, lstat, open, readdir, readFile, readlink, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { BackupError } from '@backup-planet/core'

/** What lies where the data directory shall be. */
export interface DatadirState {
  readonly path: string
  readonly parent: string
  readonly kind: 'absent' | 'empty' | 'filled'
  /** A file system of its own, which no other directory can be put in the place of. */
  readonly mountPoint: boolean
  /** Who the restored files are given to; `undefined` where this process may not give files away. */
  readonly owner?: { readonly uid: number; readonly gid: number; readonly name: string }
  /** Numbers of the processes that use it. */
  readonly users: readonly number[]
  /** Changes with what lies there, though not with every write of a server. */
  readonly fingerprint: string
}

/** Throws `NOT_FOUND` without the directory that it shall lie in, `INVALID_INPUT` for anything but a directory. */
export async function readDatadirState(path: string): Promise<DatadirState> {
  const parent = dirname(path)
  const above = await stat(parent).catch(() => undefined)
  if (above?.isDirectory() !== true) {
    throw new BackupError(`there is no directory ${parent} for the data directory ${basename(path)}`, {
      code: 'NOT_FOUND',
      hint: `Create ${parent}, or give another place with the option datadir.`,
    })
  }
  const here = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (here !== undefined && !here.isDirectory()) {
    throw new BackupError(`${path} is no directory`, {
      code: 'INVALID_INPUT',
      hint: here.isSymbolicLink()
        ? `Give the directory that the link leads to, ${await readlink(path)}.`
        : 'Give another place with the option datadir.',
    })
  }
  const entries = here === undefined ? [] : (await readdir(path)).sort()
  const owner = await ownerOf(here ?? above, here === undefined)
  return {
    path,
    parent,
    kind: here === undefined ? 'absent' : entries.length === 0 ? 'empty' : 'filled',
    mountPoint: here !== undefined && here.dev !== above.dev,
    ...(owner === undefined ? {} : { owner }),
    users: here === undefined ? [] : await processesUsing(path),
    fingerprint: createHash('sha256')
      .update(JSON.stringify([path, here === undefined ? null : [here.dev, here.ino], entries]))
      .digest('hex'),
  }
}

/** Who has the directory already, or the one that it is made in; where that is root, the user of the server, if there is one. Only root gives files away. */
async function ownerOf(
  { uid, gid }: { readonly uid: number; readonly gid: number },
  isParent: boolean,
): Promise<DatadirState['owner'] | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const users = await readFile('/etc/passwd', 'utf8').catch(() => '')
  const fields = users.split('\n').map((line) => line.split(':'))
  const server = fields.find(([name]) => name === 'mysql')
  if (isParent && uid === 0 && server !== undefined) return { uid: Number(server[2]), gid: Number(server[3]), name: 'mysql' }
  return { uid, gid, name: fields.find((user) => user[2] === String(uid))?.[0] ?? String(uid) }
}

/**
 * Processes that use a data directory: those that stand in it, as every server does, those that hold its files locked, as InnoDB and Aria do, and the one that its `.pid` file names. Linux
 * tells all of this (proc_pid_cwd(5), proc_locks(5)); what runs in another container is only seen where it shows its processes here.
 */
async function processesUsing(directory: string): Promise<readonly number[]> {
  const found = new Set([...(await standingIn(directory)), ...(await lockingIn(directory)), ...(await namedIn(directory))])
  found.delete(process.pid)
  return [...found].sort((a, b) => a - b)
}

async function standingIn(directory: string): Promise<number[]> {
  const found: number[] = []
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name)) continue
    const place = await readlink(`/proc/${name}/cwd`).catch(() => '')
    if (place === directory || place.startsWith(`${directory}/`)) found.push(Number(name))
  }
  return found
}

/** Files that a server keeps locked as long as it runs. */
const lockedFiles = ['ibdata1', 'aria_log_control', 'ib_logfile0']

async function lockingIn(directory: string): Promise<number[]> {
  const locks = await readFile('/proc/locks', 'utf8').catch(() => '')
  const found: number[] = []
  for (const name of lockedFiles) {
    const file = await stat(join(directory, name)).catch(() => undefined)
    if (file === undefined) continue
    for (const line of locks.split('\n')) {
      const match = /^\d+: \S+\s+\S+\s+\S+\s+(-?\d+)\s+[0-9a-f]+:[0-9a-f]+:(\d+) /.exec(line)
      if (match?.[2] === String(file.ino) && (await isOpenBy(Number(match[1]), file))) found.push(Number(match[1]))
    }
  }
  return found
}

/** Numbers of files are only unique within a file system, and /proc/locks names some by devices that stat does not. */
async function isOpenBy(pid: number, file: { readonly dev: number; readonly ino: number }): Promise<boolean> {
  if (pid <= 0) return true
  for (const name of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const opened = await stat(`/proc/${pid}/fd/${name}`).catch(() => undefined)
    if (opened?.dev === file.dev && opened.ino === file.ino) return true
  }
  return false
}

async function namedIn(directory: string): Promise<number[]> {
  const found: number[] = []
  for (const name of await readdir(directory)) {
    if (!name.endsWith('.pid')) continue
    const pid = Number((await firstBytes(join(directory, name), 32)).trim())
    if (!Number.isInteger(pid) || pid <= 0) continue
    const program = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
    if (/mysqld|mariadbd/.test(program)) found.push(pid)
  }
  return found
}

async function firstBytes(path: string, bytes: number): Promise<string> {
  let file: FileHandle | undefined
  try {
    file = await open(path, 'r')
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0)
    return buffer.toString('latin1', 0, bytesRead)
  } catch {
    return ''
  } finally {
    await file?.close()
  }
}
