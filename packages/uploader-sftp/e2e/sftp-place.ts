import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { UploaderHarness } from '@backup-planet/core/conformance'
import type { ThrowawaySshd } from '@backup-planet/tooling/throwaway-sshd'
import { createSftpUploader, type SftpSettings, type SftpUploader } from '../src/index.ts'

/** What a client needs to know of a throwaway server, of whatever make. */
export type SftpServer = Pick<ThrowawaySshd, 'host' | 'port' | 'user' | 'keyFile' | 'knownHostsFile' | 'files' | 'remotePath'>

export function settingsFor(server: SftpServer, more: Partial<SftpSettings> = {}): SftpSettings {
  return {
    host: server.host,
    port: server.port,
    user: server.user,
    path: server.remotePath,
    privateKeyFile: server.keyFile,
    knownHostsFile: server.knownHostsFile,
    ...more,
  }
}

let places = 0

/** An uploader on an empty folder of its own below the files of the server. */
export async function sftpPlace(
  server: SftpServer,
  more: Partial<SftpSettings> = {},
): Promise<UploaderHarness & { readonly uploader: SftpUploader; readonly folder: string }> {
  const name = `place-${++places}`
  const settings = settingsFor(server, { path: `${server.remotePath}/${name}`, ...more })
  const uploaders: SftpUploader[] = []
  const create = (): SftpUploader => {
    const uploader = createSftpUploader(settings)
    uploaders.push(uploader)
    return uploader
  }
  return {
    uploader: create(),
    folder: join(server.files, name),
    another: create,
    everythingStored: () => filesBelow(join(server.files, name)),
    async dispose() {
      for (const uploader of uploaders) await uploader[Symbol.asyncDispose]()
      await rm(join(server.files, name), { recursive: true, force: true })
    },
  }
}

/** Files and empty folders, as they lie on the disk of the server. */
export async function filesBelow(directory: string): Promise<string[]> {
  await mkdir(directory, { recursive: true })
  const found: string[] = []
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isDirectory() || (await readdir(path)).length === 0) found.push(path.slice(directory.length + 1))
  }
  return found
}
