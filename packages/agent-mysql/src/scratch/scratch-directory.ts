import { randomBytes } from 'node:crypto'
import { chown, lstat, mkdir, readdir, readFile, realpath, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BackupError, currentOwner, isAbandoned, ownedName, ownerInName } from '@backup-planet/core'
import { closedFolder } from '../physical/closed-folder.ts'
import { type DatadirState, userOfServers } from '../physical/datadir-state.ts'
import { standingIn } from '../physical/datadir-users.ts'
import { endServersIn } from '../physical/left-servers.ts'
import { atPlace } from '../physical/place-errors.ts'

const prefix = 'backup-planet-drill'

/**
 * A directory of mode 0700 for the data of one private place, given to the user that servers run as where this process may choose one. Disposing removes it,
 * unless it is kept; what killed processes have left, servers that still run in it included, goes with the next one in the same place.
 */
export class ScratchDirectory implements AsyncDisposable {
  readonly path: string
  readonly owner: DatadirState['owner']
  readonly #keep: boolean

  private constructor(path: string, owner: DatadirState['owner'], keep: boolean) {
    this.path = path
    this.owner = owner
    this.#keep = keep
  }

  /** Throws `ACCESS_DENIED` where the user of servers does not come to. */
  static async create(directory: string | undefined, keep: boolean): Promise<ScratchDirectory> {
    const owner = await userOfServers()
    const place = directory ?? (await placeByDefault())
    await atPlace('create', place, () => mkdir(place, { recursive: true, mode: 0o711 }))
    // Processes are found by where links lead.
    const parent = await realpath(place)
    await removeRemains(parent)
    const closed = owner === undefined ? undefined : await closedFolder(parent, owner)
    if (owner !== undefined && closed !== undefined) {
      throw new BackupError(`${owner.name} may not pass through ${closed.path}, and the private server runs as ${owner.name}`, {
        code: 'ACCESS_DENIED',
        hint: `Run ${closed.opened}, or let the drill use another directory.`,
      })
    }
    const name = keep ? `${prefix}-kept-${randomBytes(6).toString('hex')}` : ownedName(prefix, await currentOwner())
    const path = join(parent, name)
    await atPlace('create', path, () => mkdir(path, { mode: 0o700 }))
    if (owner !== undefined) await atPlace('give away', path, () => chown(path, owner.uid, owner.gid))
    return new ScratchDirectory(path, owner, keep)
  }

  /** Where the data directory of the server is, or will be. */
  get data(): string {
    return join(this.path, 'data')
  }

  /** Throws where something stays, with what and how to remove it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#keep) return
    const running = await serversIn(this.path)
    const failure: NodeJS.ErrnoException | undefined = await rm(this.path, { recursive: true, force: true, maxRetries: 3 }).then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error,
    )
    if (running.length === 0 && failure === undefined) return
    const processes = running.length === 0 ? [] : [`process ${running.join(', ')} still runs in it`]
    const files = failure === undefined ? [] : [`its files stay (${failure.code ?? failure.message})`]
    const kill = running.length === 0 ? '' : `kill -9 ${running.join(' ')}; `
    throw new BackupError(`${[...processes, ...files].join(', and ')}: ${this.path}`, {
      code: failure?.code === 'EACCES' || failure?.code === 'EPERM' || failure?.code === 'EROFS' ? 'ACCESS_DENIED' : 'CONFLICT',
      retryable: false,
      hint: `Run, as a user that may: ${kill}rm -rf '${this.path}'`,
      cause: failure,
    })
  }
}

/** Servers that stand in a directory, and not a person who looks into it. */
async function serversIn(directory: string): Promise<readonly number[]> {
  const found: number[] = []
  for (const pid of await standingIn(directory)) {
    if (/^(mariadbd|mysqld)/.test(await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => ''))) found.push(pid)
  }
  return found
}

/** On a disk, and where servers of another user come to. */
async function placeByDefault(): Promise<string> {
  if (process.getuid?.() !== 0 || process.env.TMPDIR !== undefined) return tmpdir()
  const isThere = await stat('/var/tmp').then(
    (found) => found.isDirectory(),
    () => false,
  )
  return isThere ? '/var/tmp' : tmpdir()
}

async function removeRemains(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const owner = ownerInName(prefix, name)
    if (owner === undefined) continue
    const path = join(parent, name)
    const facts = await lstat(path).catch(() => undefined)
    if (facts?.isDirectory() !== true || !(await isOurs(facts.uid)) || !(await isAbandoned(path, owner))) continue
    await endServersIn(path)
    await rm(path, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined)
  }
}

/** Everybody may make such a name in a directory for all: what is another user's is left alone. */
async function isOurs(uid: number): Promise<boolean> {
  return uid === process.getuid?.() || uid === (await userOfServers())?.uid
}
