import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseDocument } from 'yaml'
import { type ChildResult, command, startCommand } from './child-command.ts'
import { inProcessCommand } from './in-process-command.ts'

const run = promisify(execFile)

let server: ThrowawayMariadb
let directory: string

beforeAll(async () => {
  server = await startThrowawayMariadb()
  directory = await mkdtemp(join(tmpdir(), 'backup-planet-mariadb-'))
  await server.client(
    `CREATE DATABASE shop; USE shop; CREATE DATABASE \`caffè "x"\`;
     CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(200), photo VARBINARY(2000)) ENGINE=InnoDB;
     INSERT INTO shop.orders (note, photo) SELECT CONCAT('größe ', seq), RANDOM_BYTES(1000) FROM seq_1_to_3000;
     CREATE TABLE \`caffè "x"\`.menu (name VARCHAR(50) PRIMARY KEY) ENGINE=InnoDB;
     INSERT INTO \`caffè "x"\`.menu VALUES ('espresso'), ('ristretto');`,
  )
})
afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
  await server.stop()
})

function backupPlanet(...argv: readonly string[]): Promise<ChildResult> {
  return command(argv, { MYSQL_PASSWORD: server.rootPassword }, directory)
}

/** For what only asks. */
function ask(...argv: readonly string[]): Promise<ChildResult> {
  return inProcessCommand(argv, { MYSQL_PASSWORD: server.rootPassword }, directory)
}

/** What an operator does with an editor. */
async function edit(change: (document: ReturnType<typeof parseDocument>) => void): Promise<void> {
  const file = join(directory, 'backup-planet.yaml')
  const document = parseDocument(await readFile(file, 'utf8'))
  change(document)
  await writeFile(file, String(document))
}

test('from init to a restored database, as a person would do it', { timeout: 240_000 }, async () => {
  expect(await backupPlanet('init', '--agent', 'mysql', '--job', 'shop')).toMatchObject({ code: 0 })
  expect((await readdir(directory)).sort()).toEqual(['backup-planet-password', 'backup-planet.yaml', 'backups'])
  await edit((document) => document.setIn(['repositories', 'local', 'cacheDirectory'], join(directory, 'cache')))
  await edit((document) => document.setIn(['jobs', 'shop', 'settings', 'port'], 1))
  const unreachable = await ask('check')
  expect(unreachable.stdout + unreachable.stderr).toContain('UNREACHABLE')
  expect(unreachable.code).toBe(1)

  const settings = { host: server.host, port: server.port, user: 'root', password: `\${env:MYSQL_PASSWORD}` }
  await edit((document) => document.setIn(['jobs', 'shop', 'settings'], settings))
  const discovered = await ask('discover', 'shop')
  expect(discovered.stdout).toContain('caffè "x"')
  expect(await ask('check')).toMatchObject({ code: 0 })
  expect((await ask('run', 'shop', '--plan')).stdout).toMatch(/^full backup of .*\n\n? *1\. /)

  const run = await backupPlanet('run', 'shop')
  expect(run).toMatchObject({ code: 0, stdout: expect.stringMatching(/^complete: full backup \S+ of job shop, /) })
  expect((await ask('list')).stdout).toMatch(/\nshop +\S+ +\S+Z +full +complete /)
  expect(await ask('verify', '--read-data')).toMatchObject({ code: 0, stdout: '1 backup read and whole, 0 errors\n' })

  const refused = await ask('restore', 'shop', '--to', 'source', '--item', 'shop', '--plan')
  expect(refused.stdout).toContain('error: ')
  expect(refused.code).toBe(1)
  const renamed = ['restore', 'shop', '--to', 'source', '--item', 'shop', '--rename', 'shop=shop_restored']
  expect((await ask(...renamed, '--plan')).stdout).toMatch(/shop +shop_restored +\S+ +nothing/)
  expect(await server.client("SHOW DATABASES LIKE 'shop_restored'")).toBe('')
  const restored = await backupPlanet(...renamed)
  expect(restored.stdout).toContain('restored: shop as shop_restored')
  expect(restored.code).toBe(0)
  expect(await checksum('shop_restored')).toBe(await checksum('shop'))

  await server.client('DELETE FROM shop.orders WHERE id > 10')
  const replacing = ['restore', 'shop', '--to', 'source', '--item', 'shop', '--overwrite']
  expect(await ask(...replacing)).toMatchObject({ code: 2, stderr: expect.stringContaining('pass --yes') })
  expect(await server.client('SELECT COUNT(*) FROM shop.orders')).toBe('10\n')
  expect(await backupPlanet(...replacing, '--yes')).toMatchObject({ code: 0 })
  expect(await checksum('shop')).toBe(await checksum('shop_restored'))

  const files = join(directory, 'files')
  expect(await backupPlanet('files', 'shop', '--to', files)).toMatchObject({ code: 0 })
  expect(await readdir(files)).toEqual(expect.arrayContaining(['shop']))
})

test('another full backup of what has hardly changed sends little, and the repository is kept in order', { timeout: 240_000 }, async () => {
  const first = await storedBytes()
  await server.client('INSERT INTO `caffè "x"`.menu VALUES (\'lungo\')')
  expect(await backupPlanet('run', 'shop')).toMatchObject({ code: 0 })
  const second = await storedBytes()
  expect(second - first).toBeLessThan(first / 10)
  expect(JSON.parse((await ask('stats', '--json')).stdout)).toMatchObject({
    statistics: { backups: 2, jobs: [{ job: 'shop', backups: 2 }] },
  })
  expect(await ask('prune')).toMatchObject({ code: 0, stdout: expect.stringContaining('none of them was removed') })

  const next = join(directory, 'next-password')
  await writeFile(next, 'changed in the middle of its life\n', { mode: 0o600 })
  const changed = await backupPlanet('key', 'passwd', '--new-password-file', next)
  expect(changed).toMatchObject({ code: 0, stderr: '' })
  expect(await readFile(join(directory, 'backup-planet-password'), 'utf8')).toBe('changed in the middle of its life\n')
  expect(await ask('verify', '--read-data', '--subset', '1/1')).toMatchObject({ code: 0 })
  await rm(next)
})

test('restic reads, checks and restores what init and run have made', { timeout: 240_000 }, async () => {
  const restic = (...words: readonly string[]) =>
    run('restic', ['--no-cache', '-r', join(directory, 'backups'), '--password-file', join(directory, 'backup-planet-password'), ...words])
  expect((await restic('snapshots', '--tag', 'job=shop')).stdout).toContain('2 snapshots')
  await restic('check', '--read-data')
  const unpacked = join(directory, 'unpacked')
  await restic('restore', 'latest', '--tag', 'job=shop', '--target', unpacked)
  expect(await readdir(unpacked)).toEqual(expect.arrayContaining(['RESTORE.md', 'manifest.json', 'mysql']))
})

test('a passwd that is killed at any moment locks nobody out', { timeout: 240_000 }, async () => {
  const passwordFile = join(directory, 'backup-planet-password')
  const next = join(directory, 'next-password')
  for (let round = 0; round < 6; round++) {
    await writeFile(next, `password number ${round}\n`, { mode: 0o600 })
    const change = startCommand(['key', 'passwd', '--new-password-file', next], {}, directory)
    await delay(700 + round * 250)
    change.signal('SIGKILL')
    await change.ended
    // Whatever stands in the file opens the repository.
    expect(await ask('list')).toMatchObject({ code: 0, stdout: expect.stringContaining('complete') })
    expect(await ask('unlock')).toMatchObject({ code: 0 })
  }
  expect(await readFile(passwordFile, 'utf8')).toMatch(/^(changed in the middle of its life|password number \d)\n$/)
})

async function storedBytes(): Promise<number> {
  const { stdout } = await ask('stats', '--json')
  return (JSON.parse(stdout) as { statistics: { storedBytes: number } }).statistics.storedBytes
}

/** A configuration beside the one of `init`, on the same server. */
async function configure(name: string, limit: string): Promise<readonly string[]> {
  const configuration = `repositories: { local: { kind: archive, destination: ./plain } }
jobs:
  plain:
    agent: mysql
    settings: { host: ${server.host}, port: ${server.port}, user: root, password: "\${env:MYSQL_PASSWORD}" }
    repository: local
limits: { upload: ${limit} }
staging: { directory: ./plain-staging }
`
  await writeFile(join(directory, name), configuration, { mode: 0o600 })
  return ['--config', name]
}

test('SIGINT in the middle of a run: 130, nothing listed, and nothing left on the server', { timeout: 120_000 }, async () => {
  const config = await configure('slow.yaml', '100KB/s')
  const run = startCommand([...config, 'run', 'plain', '--json'], { MYSQL_PASSWORD: server.rootPassword }, directory)
  await run.said('"type":"bytes"')
  run.signal('SIGINT')
  const { code, stdout } = await run.ended
  expect(stdout.trim().split('\n').at(-1)).toContain('"code":"ABORTED"')
  expect(code).toBe(130)
  expect(await backupPlanet(...config, 'list')).toMatchObject({ code: 0, stdout: 'no backups yet\n' })
  await serverIsLeftAlone()
})

test('SIGINT in the middle of a restore: 130, and the same command goes on to the end', { timeout: 120_000 }, async () => {
  await server.client(
    'CREATE DATABASE small; USE small; CREATE TABLE orders (id INT PRIMARY KEY, note VARCHAR(40)); INSERT INTO orders SELECT seq, MD5(seq) FROM seq_1_to_3000',
  )
  const fast = await configure('fast.yaml', '1GB/s')
  expect(await backupPlanet(...fast, 'run', 'plain')).toMatchObject({ code: 0 })
  const words = ['restore', 'plain', '--to', 'source', '--item', 'small', '--rename', 'small=small_resumed']
  const slow = await configure('slow.yaml', '20KB/s')
  const cut = startCommand([...slow, ...words, '--json'], { MYSQL_PASSWORD: server.rootPassword }, directory)
  await cut.said('load the rows')
  cut.signal('SIGINT')
  expect(await cut.ended).toMatchObject({ code: 130, stdout: expect.stringContaining('"code":"ABORTED"') })
  await serverIsLeftAlone()

  expect(await backupPlanet(...fast, ...words)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('restored: small as small_resumed'),
  })
  expect(await checksum('small_resumed')).toBe(await checksum('small'))
})

/** No connection of an aborted command stays; the server may need a moment to notice. */
async function serverIsLeftAlone(): Promise<void> {
  const deadline = Date.now() + 10_000
  while ((await connections()) !== '0' && Date.now() < deadline) await delay(100)
  expect(await connections()).toBe('0')
}

function checksum(database: string): Promise<string> {
  return server.client(`CHECKSUM TABLE ${database}.orders`).then((text) => text.split('\t')[1] ?? '')
}

async function connections(): Promise<string> {
  const text = await server.client("SELECT COUNT(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user = 'root'")
  return text.trim()
}
