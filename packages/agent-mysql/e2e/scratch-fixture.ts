import { chmod, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'

/** A directory for private places, to which the user of servers comes. */
export async function scratchParent(): Promise<{ readonly directory: string } & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), 'bp-scratch-'))
  await chmod(directory, 0o711)
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) }
}

/** What drills leave where they do not clean up: folders, servers that stand in them, and folders of their sockets. */
export async function privateRemains(directory: string): Promise<readonly string[]> {
  const sockets = (await readdir(tmpdir())).filter((name) => name.startsWith('backup-planet-mysql~') && name.includes(`~${process.pid}~`))
  return [...(await readdir(directory)), ...(await serversIn(directory)).map((pid) => `process ${pid}`), ...sockets]
}

/** Processes of servers that stand below a directory. */
export async function serversIn(directory: string): Promise<readonly number[]> {
  const found: number[] = []
  for (const name of await readdir('/proc')) {
    const place = /^\d+$/.test(name) ? await readlink(`/proc/${name}/cwd`).catch(() => '') : ''
    const program = place.startsWith(`${directory}/`) ? await readFile(`/proc/${name}/comm`, 'utf8').catch(() => '') : ''
    if (/mariadbd|mysqld/.test(program)) found.push(Number(name))
  }
  return found
}

/** Schemas that a drill or a restore has made for itself. */
export async function schemaRemains(server: ThrowawayMariadb): Promise<readonly string[]> {
  const list = await server.client(
    "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'bp\\_%' OR schema_name LIKE 'backup\\_planet%' ORDER BY 1",
  )
  return list.split('\n').filter((name) => name !== '')
}
