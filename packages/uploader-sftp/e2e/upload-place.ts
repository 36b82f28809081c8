import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ThrowawaySshd } from '@backup-planet/tooling/throwaway-sshd'
import { onTestFinished } from 'vitest'
import { openSftpSession, type SftpSession } from '../src/session/sftp-session.ts'
import { resolveSftpSettings } from '../src/sftp-settings.ts'
import { connectSsh } from '../src/ssh/ssh-connection.ts'
import { serversOnTheWay } from '../src/ssh/ssh-server.ts'
import { type PartUploads, partUploads } from '../src/transfer/part-upload.ts'
import { settingsFor } from './sftp-place.ts'

/** Uploads below an empty folder, on sessions that the test opens, and breaks. */
export interface UploadPlace {
  readonly folder: string
  readonly uploads: PartUploads
  /** Of a process of its own, as far as they know. */
  another(): PartUploads
  open(): Promise<SftpSession>
}

export async function uploadPlace(server: ThrowawaySshd, name: string): Promise<UploadPlace> {
  const folder = join(server.files, name)
  await mkdir(folder)
  const settings = resolveSftpSettings(settingsFor(server, { path: `${server.remotePath}/${name}` }))
  const another = (): PartUploads => partUploads({ root: settings.path, destination: name, verify: 'size' })
  return {
    folder,
    uploads: another(),
    another,
    async open() {
      const connection = await connectSsh(await serversOnTheWay(settings), settings)
      onTestFinished(() => connection.close())
      return await openSftpSession(connection, { requests: 64, where: name, timeoutSeconds: 20 })
    },
  }
}
