import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ChildResult, command, startCommand } from './child-command.ts'

let server: ThrowawayMariadb
let directory: string

beforeAll(async () => {
  server = await startThrowawayMariadb()
  directory = await mkdtemp(join(tmpdir(), 'backup-planet-follow-'))
  await server.client('CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY) ENGINE=InnoDB;')
  const settings = `{ host: ${server.host}, port: ${server.port}, user: root, password: "\${env:MYSQL_PASSWORD}" }`
  await writeFile(
    join(directory, 'backup-planet.yaml'),
    `repositories: { local: { kind: archive, destination: ./backups } }
jobs: { shop: { agent: mysql, repository: local, settings: ${settings} } }
staging: { directory: ./staging }
`,
    { mode: 0o600 },
  )
})
afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
  await server.stop()
})

const environment = () => ({ MYSQL_PASSWORD: server.rootPassword })

function backupPlanet(...argv: readonly string[]): Promise<ChildResult> {
  return command(argv, environment(), directory)
}

/** The events of `restorable` so far, as the command has written them. */
function restorables(stdout: string): number {
  return stdout.split('"type":"restorable"').length - 1
}

test('a server that is killed while it is followed loses nothing, and every row comes back', { timeout: 480_000 }, async () => {
  const follow = startCommand(['follow', 'shop', '--every', '200ms', '--json'], environment(), directory)
  await follow.said('"type":"following"')
  await server.client('INSERT INTO shop.orders VALUES (1)')
  await storedLog()
  await server.client('INSERT INTO shop.orders VALUES (2)')
  await server.kill()
  await follow.said('"type":"waiting"')
  await server.restart()
  await server.client('INSERT INTO shop.orders VALUES (3)')
  follow.signal('SIGTERM')
  const { code, stdout, stderr } = await follow.ended
  // Stopped while it waited for the server, not all was stored: the next run takes it.
  expect([0, 130], stderr).toContain(code)
  expect(restorables(stdout)).toBeGreaterThanOrEqual(2)
  // In one log, which nobody cuts any more.
  await server.client('INSERT INTO shop.orders VALUES (4)')
  const { gtid } = await lastChange()
  await server.client('DROP TABLE shop.orders')
  expect(await backupPlanet('run', 'shop', '--kind', 'log')).toMatchObject({ code: 0, stdout: expect.stringContaining('log backup') })

  const windows = await backupPlanet('windows', 'shop')
  expect(windows).toMatchObject({ code: 0, stdout: expect.stringMatching(/^RESTORABLE.*\nany moment [^\n]*\n\nrestorable until /) })
  const restored = ['restore', 'shop', '--to', 'source', '--item', 'shop', '--overwrite', '--yes', '--position', gtid]
  const plan = await backupPlanet(...restored, '--plan')
  expect(plan.stdout).toContain(`to the position gtid ${gtid}`)
  expect(plan.stdout).toContain('it stops right after')
  expect(plan.code, plan.stdout).toBe(0)
  expect(await backupPlanet(...restored)).toMatchObject({ code: 0 })
  expect((await server.client('SELECT GROUP_CONCAT(id ORDER BY id) FROM shop.orders')).trim()).toBe('1,2,3,4')
})

/** A log was stored as the server was followed: what was due before was a full. */
async function storedLog(): Promise<void> {
  while (!/ log +complete/.test((await backupPlanet('list', 'shop')).stdout)) await delay(200)
}

/** Where the server is now. */
async function lastChange(): Promise<{ readonly gtid: string }> {
  return { gtid: (await server.client('SELECT @@gtid_binlog_pos')).trim() }
}
