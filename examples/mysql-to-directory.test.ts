import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { expect, onTestFinished, test } from 'vitest'

const run = promisify(execFile)
const example = join(import.meta.dirname, 'mysql-to-directory.ts')

test('the example of the README backs a server up', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'example-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  await using server = await startThrowawayMariadb()
  await server.client(
    "CREATE DATABASE shop; CREATE TABLE shop.customer (id INT PRIMARY KEY, name TEXT); INSERT INTO shop.customer VALUES (1, 'Ada')",
  )
  const { stdout } = await run(process.execPath, ['--conditions=@backup-planet/source', example], {
    env: {
      ...process.env,
      MYSQL_PORT: String(server.port),
      MYSQL_USER: server.user,
      MYSQL_PASSWORD: server.rootPassword,
      BACKUPS: join(directory, 'backups'),
    },
  })
  expect(stdout).toMatch(/^complete: .*\bshop\b/)
  const [backup = ''] = await readdir(join(directory, 'backups', 'shop'))
  const files = await readdir(join(directory, 'backups', 'shop', backup))
  expect(files).toEqual(expect.arrayContaining(['manifest.json', 'RESTORE.md', 'shop.tar.zst']))
  const manifest = await readFile(join(directory, 'backups', 'shop', backup, 'manifest.json'), 'utf8')
  expect(manifest).not.toContain(server.rootPassword)
})

test('the README shows the example as it is', async () => {
  const readme = await readFile(join(import.meta.dirname, '..', 'README.md'), 'utf8')
  expect(readme).toContain(`\`\`\`ts\n${await readFile(example, 'utf8')}\`\`\`\n`)
})
