import { type FileHandle, open, readdir, readFile, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Processes that use a data directory: those that stand in it, as every server does, those that hold its files locked, as InnoDB and Aria do, and the one that its `.pid` file names. Linux
 * tells all of this (proc_pid_cwd(5), proc_locks(5)); what runs in another container is only seen where it shows its processes here.
 */
export async function processesUsing(directory: string): Promise<readonly number[]> {
  const found = new Set([...(await standingIn(directory)), ...(await lockingIn(directory)), ...(await namedIn(directory))])
  found.delete(process.pid)
  return [...found].sort((a, b) => a - b)
}

/** Processes whose working directory is this one, or below it. */
export async function standingIn(directory: string): Promise<number[]> {
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

/**
 * Numbers of files are only unique within a file system, and /proc/locks names some by devices that stat does not. A process that cannot be looked into, such as one of another user,
 * counts as one that has the file open.
 */
async function isOpenBy(pid: number, file: { readonly dev: number; readonly ino: number }): Promise<boolean> {
  if (pid <= 0) return true
  let names: readonly string[]
  try {
    names = await readdir(`/proc/${pid}/fd`)
  } catch (error) {
    return !isGone(error)
  }
  for (const name of names) {
    const opened = await stat(`/proc/${pid}/fd/${name}`).catch((error: unknown) => (isGone(error) ? undefined : file))
    if (opened?.dev === file.dev && opened.ino === file.ino) return true
  }
  return false
}

/** ESRCH: a process that ends while it is looked at. */
function isGone(error: unknown): boolean {
  return ['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')
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
