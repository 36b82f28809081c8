import { createHash } from 'node:crypto'
import { lstat, readdir, readFile, readlink, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { BackupError } from '@backup-planet/core'
import { processesUsing } from './datadir-users.ts'
import { readMountPoints } from './mount-points.ts'
import { atPlace } from './place-errors.ts'

/** What lies where the data directory shall be. */
export interface DatadirState {
  readonly path: string
  readonly parent: string
  readonly kind: 'absent' | 'empty' | 'filled'
  /** A file system of its own, or a directory that is mounted there, which no other can be put in the place of. */
  readonly mountPoint: boolean
  /** What is mounted below it, which nobody can remove. */
  readonly mountedBelow: readonly string[]
  /** Who the restored files are given to; `undefined` where this process may not give files away. */
  readonly owner?: { readonly uid: number; readonly gid: number; readonly name: string }
  /** Numbers of the processes that use it. */
  readonly users: readonly number[]
  /** Changes with what lies there, though not with every write of a server. */
  readonly fingerprint: string
}

/**
 * Looks at the place of a data directory; `at` is where its directory lies instead, as long as a restore that was cut has it set aside. Throws `NOT_FOUND` without the directory that it
 * shall lie in, `INVALID_INPUT` for anything but a directory, `ACCESS_DENIED` for one that cannot be read.
 */
export async function readDatadirState(path: string, at = path): Promise<DatadirState> {
  const parent = dirname(path)
  const above = await stat(parent).catch(() => undefined)
  if (above?.isDirectory() !== true) {
    throw new BackupError(`there is no directory ${parent} for the data directory ${basename(path)}`, {
      code: 'NOT_FOUND',
      hint: `Create ${parent}, or give another place with the option datadir.`,
    })
  }
  const here = await lstat(at).catch((error: NodeJS.ErrnoException) => {
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
  const entries = here === undefined ? [] : (await atPlace('look into', at, () => readdir(at))).sort()
  // Links on the way to it are none for the system, which names processes and mounts by where they lead.
  const real = join(await realpath(parent), basename(at))
  const mounts = await readMountPoints()
  const owner = await ownerOf(here ?? above, here === undefined)
  return {
    path,
    parent,
    kind: here === undefined ? 'absent' : entries.length === 0 ? 'empty' : 'filled',
    mountPoint: here !== undefined && (here.dev !== above.dev || mounts.includes(real)),
    mountedBelow: mounts.filter((mount) => mount.startsWith(`${real}/`)),
    ...(owner === undefined ? {} : { owner }),
    users: here === undefined ? [] : await processesUsing(real),
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
  const server = isParent && uid === 0 ? await userOfServers() : undefined
  return server ?? { uid, gid, name: (await passwdFields()).find((user) => user[2] === String(uid))?.[0] ?? String(uid) }
}

/** The user that servers run as here; `undefined` where there is none, and where this process may not run anything as another user. */
export async function userOfServers(): Promise<DatadirState['owner'] | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const server = (await passwdFields()).find(([name]) => name === 'mysql')
  return server === undefined ? undefined : { uid: Number(server[2]), gid: Number(server[3]), name: 'mysql' }
}

async function passwdFields(): Promise<readonly (readonly string[])[]> {
  const users = await readFile('/etc/passwd', 'utf8').catch(() => '')
  return users.split('\n').map((line) => line.split(':'))
}
