import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createMysqlAgent } from '@backup-planet/agent-mysql'
import { type Backup, createDirectoryUploader, restore, restorePlan } from '@backup-planet/core'
import { createResticRepository } from '@backup-planet/repository-restic'
import { startThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { expect, onTestFinished, test } from 'vitest'

const run = promisify(execFile)
const example = join(import.meta.dirname, 'mysql-to-restic.ts')

test('a server is streamed into a restic repository, again with next to nothing to send, and comes back', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'example-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  await using server = await startThrowawayMariadb()
  await server.client(
    'CREATE DATABASE shop; CREATE TABLE shop.customer (id INT PRIMARY KEY, name TEXT); INSERT INTO shop.customer SELECT seq, sha2(seq, 512) FROM shop.seq_1_to_20000',
  )
  const place = join(directory, 'repository')
  const environment = {
    ...process.env,
    MYSQL_PORT: String(server.port),
    MYSQL_USER: server.user,
    MYSQL_PASSWORD: server.rootPassword,
    REPOSITORY: place,
    REPOSITORY_PASSWORD: 'correct horse',
  }
  for (let time = 0; time < 2; time++) {
    const { stdout } = await run(process.execPath, ['--conditions=@backup-planet/source', example], { env: environment })
    expect(stdout).toMatch(/^complete: .*\bshop\b/)
  }
  await using repository = createResticRepository({
    uploader: createDirectoryUploader({ directory: place }),
    password: 'correct horse',
    cacheDirectory: false,
  })
  const { backups, contentBytes, storedBytes } = await repository.stats()
  expect(backups).toBe(2)
  expect(storedBytes, 'both backups together take little more than one').toBeLessThan(contentBytes * 0.7)

  await server.client('DROP DATABASE shop')
  await using agent = createMysqlAgent({ host: '127.0.0.1', port: server.port, user: server.user, password: server.rootPassword })
  const listed: Backup[] = []
  for await (const backup of repository.list({ job: 'shop' })) listed.push(backup)
  const [, backup] = listed
  if (backup === undefined) throw new Error('two backups are expected')
  const plan = await restorePlan({ agent, repository, backup, items: ['shop'], target: { overwrite: false } })
  await restore({ agent, repository, plan, scratch: { directory: join(directory, 'scratch'), budgetBytes: 2 ** 30 } })
  expect(await server.client('SELECT count(*), sum(md5(name) = md5(sha2(id, 512))) FROM shop.customer')).toMatch(/20000\s+20000/)
})
