import { access, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { BackupError, currentOwner, ownedName, ownerInName, ownerState } from '@backup-planet/core'

/** Everything that a restore puts beside a data directory begins so. */
function prefixOf(datadir: string): string {
  return `.${basename(datadir)}.backup-planet-`
}

/** What restores into this place have left beside it, as absolute paths. */
export async function remainsBeside(datadir: string): Promise<readonly string[]> {
  const names = await readdir(dirname(datadir)).catch(() => [])
  return names.filter((name) => name.startsWith(prefixOf(datadir))).map((name) => join(dirname(datadir), name))
}

/** Where the old directory of one plan is while the new one takes its place. */
function asideOf(datadir: string, plan: string): string {
  return join(dirname(datadir), `${prefixOf(datadir)}replaced-${plan}`)
}

/** Written when the new directory is complete, so that its absence afterwards means that it is in its place. */
const completeMark = 'complete'

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

  /** Begins anew; what killed restores of the same plan have left is removed. Throws `CONFLICT` while another one runs. */
  static async create(datadir: string, plan: string): Promise<WorkDirectory> {
    const prefix = `${prefixOf(datadir)}restore-${plan}`
    const path = join(dirname(datadir), ownedName(prefix, await currentOwner()))
    await mkdir(path, { mode: 0o700 })
    try {
      for (const other of await ownedDirectories(datadir, plan)) {
        if (other.path === path) continue
        if (other.state !== 'dead') throw runsAlready(other.path)
        await rm(other.path, { recursive: true, force: true })
      }
    } catch (error) {
      await rm(path, { recursive: true, force: true })
      throw error
    }
    return new WorkDirectory(path, datadir, plan)
  }

  /**
   * Puts the new directory in the place of what is there: an empty or absent one in one step; a filled one is set aside before, and removed afterwards. Cut between the two, `recover` sets it
   * back.
   */
  async moveIntoPlace(filled: boolean): Promise<void> {
    const parent = dirname(this.#datadir)
    await writeFile(join(this.path, completeMark), '', { mode: 0o600 })
    await syncDirectory(this.path)
    const aside = asideOf(this.#datadir, this.#plan)
    if (filled) await rename(this.#datadir, aside)
    try {
      await rename(this.data, this.#datadir)
    } catch (error) {
      if (filled) await rename(aside, this.#datadir)
      throw error
    }
    await syncDirectory(parent)
    await rm(aside, { recursive: true, force: true })
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true })
  }
}

/**
 * What a killed restore of this plan had come to. `done`: the new directory is in its place, and only remains were left, which are removed. Otherwise the old one is there again as it was.
 * Throws `CONFLICT` while another restore of the plan runs.
 */
export async function recover(datadir: string, plan: string): Promise<'done' | 'begin'> {
  const aside = asideOf(datadir, plan)
  const cut = await ownedDirectories(datadir, plan)
  const running = cut.find(({ state }) => state !== 'dead')
  if (running !== undefined) throw runsAlready(running.path)
  let done = false
  for (const { path } of cut) {
    const moved = (await exists(join(path, completeMark))) && !(await exists(join(path, 'data')))
    done ||= moved && (await exists(datadir))
  }
  if (done) {
    await rm(aside, { recursive: true, force: true })
    for (const { path } of cut) await rm(path, { recursive: true, force: true })
    return 'done'
  }
  if ((await exists(aside)) && !(await exists(datadir))) {
    await rename(aside, datadir)
    await syncDirectory(dirname(datadir))
  }
  return 'begin'
}

async function ownedDirectories(datadir: string, plan: string) {
  const prefix = `${prefixOf(datadir)}restore-${plan}`
  const found: { readonly path: string; readonly state: 'alive' | 'dead' | 'unknown' }[] = []
  for (const path of await remainsBeside(datadir)) {
    const owner = ownerInName(prefix, basename(path))
    if (owner !== undefined) found.push({ path, state: await ownerState(owner) })
  }
  return found
}

function runsAlready(path: string): BackupError {
  return new BackupError(`a restore of this plan works in ${path}`, {
    code: 'CONFLICT',
    hint: 'Wait until it has ended. If it ran on a machine that is gone, remove this directory.',
  })
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}

/** What was created and renamed in it survives a power cut. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
