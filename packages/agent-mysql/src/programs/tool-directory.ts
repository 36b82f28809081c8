import { lstat, mkdir, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { currentOwner, isAbandoned, ownedName, ownerInName } from '@backup-planet/core'

const prefix = 'backup-planet-mysql'

/** A directory of mode 0700 for one run of a tool, with its option file and what it keeps while it runs. Disposing removes it; what killed runs have left goes with the next one. */
export class ToolDirectory implements AsyncDisposable {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static async create(): Promise<ToolDirectory> {
    await removeRemains()
    const path = join(tmpdir(), ownedName(prefix, await currentOwner()))
    await mkdir(path, { mode: 0o700 })
    return new ToolDirectory(path)
  }

  async folder(name: string): Promise<string> {
    const path = join(this.path, name)
    await mkdir(path, { mode: 0o700 })
    return path
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true })
  }
}

async function removeRemains(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const owner = ownerInName(prefix, name)
    if (owner === undefined) continue
    const path = join(tmpdir(), name)
    const facts = await lstat(path).catch(() => undefined)
    // Everybody may make such a name there; what is another user's is left to them.
    if (facts?.isDirectory() === true && facts.uid === process.getuid?.() && (await isAbandoned(path, owner)))
      await rm(path, { recursive: true, force: true }).catch(() => undefined)
  }
}
