import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createDirectoryUploader, type Repository } from '@backup-planet/core'
import { createArchiveRepository } from '@backup-planet/repository-archive'
import { createResticRepository } from '@backup-planet/repository-restic'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { expect, onTestFinished, test } from 'vitest'

const run = promisify(execFile)
const example = join(import.meta.dirname, 'two-destinations.ts')

test('a server is read once, and both destinations have the backup whole', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'example-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  await using server = await startThrowawayMariadb({ serverOptions: ['--general-log=1', '--log-output=TABLE'] })
  await server.client('CREATE DATABASE shop; CREATE TABLE shop.customer (id INT PRIMARY KEY, name TEXT)')
  await server.client('INSERT INTO shop.customer SELECT seq, sha2(seq, 512) FROM shop.seq_1_to_20000')
  const environment = {
    ...process.env,
    MYSQL_PORT: String(server.port),
    MYSQL_USER: server.user,
    MYSQL_PASSWORD: server.rootPassword,
    BACKUPS: directory,
    REPOSITORY_PASSWORD: 'correct horse',
  }
  const { stdout } = await run(process.execPath, ['--conditions=@backup-planet/source', example], { env: environment })
  expect(stdout).toMatch(/^complete: \S+ in file:.*\/repository\ncomplete: \S+ in file:.*\/archives\n$/)
  expect(await selects(server), 'statements that asked for the rows').toBe(1)

  await using deduplicated = createResticRepository({
    uploader: createDirectoryUploader({ directory: join(directory, 'repository') }),
    password: 'correct horse',
    cacheDirectory: false,
  })
  await using plain = createArchiveRepository({ uploader: createDirectoryUploader({ directory: join(directory, 'archives') }) })
  const [id, ...others] = await Promise.all([deduplicated, plain].map(verifiedBackup))
  expect(others).toEqual([id])
})

/** How often the rows of the table were asked for, by the server's own log. */
async function selects(server: ThrowawayMariadb): Promise<number> {
  const asked =
    "argument LIKE 'SELECT%name%FROM%customer%' AND argument NOT LIKE '%information_schema%' AND argument NOT LIKE '%general_log%'"
  return Number(await server.client(`SELECT count(*) FROM mysql.general_log WHERE ${asked}`))
}

async function verifiedBackup(repository: Repository): Promise<string | undefined> {
  const findings = []
  for await (const finding of repository.verify({ readData: true })) findings.push(finding)
  expect(findings.map(({ severity }) => severity)).toEqual(['ok'])
  return findings[0]?.backup
}
