import { chown, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BackupError, currentOwner, ownedName, type Problem } from '@backup-planet/core'
import { endServersIn } from './left-servers.ts'
import { atPlace, placeError } from './place-errors.ts'
import { asidePath, completeMark, identityOf, readRemains, removeReplaced, runsAlready, workPrefix } from './restore-remains.ts'
import { syncDirectory } from './sync-directory.ts'

/** The directory of mode 0700 beside the data directory in which one restore works; on the same disk, so that its result moves in one step. */
export class WorkDirectory {
  readonly path: string
  readonly #datadir: string
  readonly #plan: string

  private constructor(path: string, datadir: string, plan: string) {
    this.path = path
    this.#datadir = datadir
    this.#plan = plan
  }

  /** What becomes the data directory. */
  get data(): string {
    return join(this.path, 'data')
  }

  /** For a differential. */
  get changes(): string {
    return join(this.path, 'changes')
  }

  /** Begins anew; what killed restores into this place have left, of whatever plan, is removed. Throws `CONFLICT` while another one runs. */
  static async create(datadir: string, plan: string): Promise<WorkDirectory> {
    const path = join(dirname(datadir), ownedName(workPrefix(datadir, plan), await currentOwner()))
    await atPlace('create', path, () => mkdir(path, { mode: 0o700 }))
    try {
      for (const other of (await readRemains(datadir)).works) {
        if (other.path === path) continue
        if (other.state !== 'dead') throw runsAlready(other.path)
        await endServersIn(other.path)
        await atPlace('remove', other.path, () => rm(other.path, { recursive: true, force: true }))
      }
    } catch (error) {
      await rm(path, { recursive: true, force: true })
      throw error
    }
    return new WorkDirectory(path, datadir, plan)
  }

  /** For a server that runs as its owner, and has to come to the new directory. */
  async giveTo(owner: { readonly uid: number; readonly gid: number } | undefined): Promise<void> {
    if (owner !== undefined) await atPlace('give away', this.path, () => chown(this.path, owner.uid, owner.gid))
  }

  /**
   * Puts the new directory in the place of what is there: an empty or absent one in one step; a filled one is set aside before, and removed afterwards. Cut between the two, `recover` sets it
   * back. Returns what could not be removed.
   */
  async moveIntoPlace(filled: boolean): Promise<readonly Problem[]> {
    const mark = join(this.path, completeMark)
    await atPlace('write', mark, async () => {
      await writeFile(mark, (await identityOf(this.data)) ?? '', { mode: 0o600 })
      await syncDirectory(this.path)
    })
    const aside = asidePath(this.#datadir, this.#plan)
    if (filled) await atPlace('set aside', this.#datadir, () => rename(this.#datadir, aside))
    try {
      await rename(this.data, this.#datadir)
    } catch (error) {
      if (filled) await this.#putBack(aside, error)
      throw placeError(error, `put the new directory in the place of`, this.#datadir)
    }
    await syncDirectory(dirname(this.#datadir))
    return filled ? await removeReplaced(aside) : []
  }

  async #putBack(aside: string, cause: unknown): Promise<void> {
    try {
      await rename(aside, this.#datadir)
    } catch {
      throw new BackupError(`neither the new nor the old directory could be put at ${this.#datadir}: the old one is ${aside}`, {
        code: 'CONFLICT',
        hint: `Look at what lies at ${this.#datadir}, and rename ${aside} to it yourself.`,
        cause,
      })
    }
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true })
  }
}
