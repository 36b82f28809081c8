import { mkdir, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { BackupError, currentOwner, ownedName, ownerInName, ownerState, type ProcessOwner } from '@backup-planet/core'

const prefix = 'daemon'

/**
 * Lets one daemon watch a configuration on this machine. Each leaves a file with a name of its own and looks at the others afterwards, so that of two at least
 * one sees the other. That of a process that is gone is removed. Throws `CONFLICT`, naming the process.
 */
export async function lockDaemon(stagingDirectory: string): Promise<AsyncDisposable> {
  await mkdir(stagingDirectory, { recursive: true, mode: 0o700 })
  const owner = await currentOwner()
  const file = join(stagingDirectory, ownedName(prefix, owner))
  await (await open(file, 'wx', 0o600)).close()
  const release = { [Symbol.asyncDispose]: () => rm(file, { force: true }) }
  const others = (await daemonsIn(stagingDirectory)).filter(({ path }) => path !== file)
  const [running] = others
  if (running === undefined) return release
  await release[Symbol.asyncDispose]()
  throw new BackupError(`a daemon watches this configuration already: process ${running.owner.pid}`, {
    code: 'CONFLICT',
    hint: 'Let that one go on; it takes a changed configuration on SIGHUP. To begin anew, stop it first.',
  })
}

/** The process that watches, if there is one. */
export async function runningDaemon(stagingDirectory: string): Promise<ProcessOwner | undefined> {
  const [running] = await daemonsIn(stagingDirectory).catch(() => [])
  return running?.owner
}

async function daemonsIn(directory: string): Promise<readonly { readonly path: string; readonly owner: ProcessOwner }[]> {
  const running: { readonly path: string; readonly owner: ProcessOwner }[] = []
  for (const name of await readdir(directory)) {
    const owner = ownerInName(prefix, name)
    if (owner === undefined) continue
    const state = await ownerState(owner)
    if (state === 'alive') running.push({ path: join(directory, name), owner })
    else if (state === 'dead') await rm(join(directory, name), { force: true })
  }
  return running
}
