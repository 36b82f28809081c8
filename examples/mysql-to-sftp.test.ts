import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createResticRepository } from '@backup-planet/repository-restic'
import { startThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { startThrowawaySshd } from '@backup-planet/tooling/throwaway-sshd'
import { createSftpUploader } from '@backup-planet/uploader-sftp'
import { expect, test } from 'vitest'

const run = promisify(execFile)

test('a server is streamed into a restic repository on an SFTP server', async () => {
  await using database = await startThrowawayMariadb()
  await using server = await startThrowawaySshd()
  await database.client(
    'CREATE DATABASE shop; CREATE TABLE shop.customer (id INT PRIMARY KEY); INSERT INTO shop.customer SELECT seq FROM shop.seq_1_to_2000',
  )
  const environment = {
    ...process.env,
    MYSQL_PORT: String(database.port),
    MYSQL_USER: database.user,
    MYSQL_PASSWORD: database.rootPassword,
    REPOSITORY_PASSWORD: 'correct horse',
    SFTP_HOST: server.host,
    SFTP_PORT: String(server.port),
    SFTP_USER: server.user,
    SFTP_PATH: server.remotePath,
    SFTP_KEY_FILE: server.keyFile,
    SFTP_FINGERPRINT: await server.fingerprint(),
  }
  const example = join(import.meta.dirname, 'mysql-to-sftp.ts')
  const { stdout } = await run(process.execPath, ['--conditions=@backup-planet/source', example], { env: environment })
  expect(stdout).toMatch(/^complete: .*\bshop\b.* in .*sftp:/)
  await using repository = createResticRepository({
    uploader: createSftpUploader({
      host: server.host,
      port: server.port,
      path: server.remotePath,
      privateKeyFile: server.keyFile,
      knownHostsFile: server.knownHostsFile,
    }),
    password: 'correct horse',
    cacheDirectory: false,
  })
  expect((await repository.stats()).backups).toBe(1)
})
