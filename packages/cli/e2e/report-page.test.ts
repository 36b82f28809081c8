import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDirectoryUploader, createEvidenceKey, type DrillEvidence, signEvidence, storeEvidence } from '@backup-planet/core'
import { type HeadlessChromium, startHeadlessChromium } from '@backup-planet/tooling/headless-chromium'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ChildResult } from './child-command.ts'
import { inProcessCommand } from './in-process-command.ts'

let server: ThrowawayMariadb
let browser: HeadlessChromium
let directory: string
let page: string

beforeAll(async () => {
  server = await startThrowawayMariadb()
  browser = await startHeadlessChromium()
  directory = await mkdtemp(join(tmpdir(), 'backup-planet-report-'))
  page = join(directory, 'report.html')
  const settings = `{ host: ${server.host}, port: ${server.port}, user: root, password: "\${env:MYSQL_PASSWORD}" }`
  await writeFile(join(directory, 'password'), 'a password of the repository\n', { mode: 0o600 })
  await writeFile(
    join(directory, 'backup-planet.yaml'),
    `repositories:
  local: { kind: restic, destination: ./backups, password: "\${file:${join(directory, 'password')}}", cacheDirectory: false, threads: 1 }
  offsite: { kind: archive, destination: ./offsite }
jobs:
  shop: { agent: mysql, repository: local, mirrors: [offsite], settings: ${settings} }
  empty: { agent: mysql, repository: local, settings: ${settings} }
staging: { directory: ./staging }
`,
    { mode: 0o600 },
  )
  await makeHistory()
})
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
  await server?.stop()
})

const hostile = `<script>alert(1)</script> & "caffè" 'x' שלום`

/** Fulls and logs with a database that is made later, one of each name that hurts, drills that passed and failed, and a store that is gone. */
async function makeHistory(): Promise<void> {
  await server.client(
    `CREATE DATABASE shop; USE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, photo VARBINARY(2000)) ENGINE=InnoDB;
     INSERT INTO shop.orders (photo) SELECT RANDOM_BYTES(1000) FROM seq_1_to_3000;
     CREATE DATABASE \`${hostile}\`; CREATE TABLE \`${hostile}\`.menu (name VARCHAR(50) PRIMARY KEY) ENGINE=InnoDB;`,
  )
  expect(await backupPlanet('init')).toMatchObject({ code: 0, stderr: expect.anything() })
  expect(await backupPlanet('run', 'shop')).toMatchObject({ code: 0, stderr: expect.anything() })
  await server.client('USE shop; INSERT INTO shop.orders (photo) SELECT RANDOM_BYTES(1000) FROM seq_1_to_300')
  expect(await backupPlanet('run', 'shop', '--kind', 'log')).toMatchObject({ code: 0, stderr: expect.anything() })
  await server.client(`CREATE DATABASE \`${'ü'.repeat(60)}\`; CREATE TABLE \`${'ü'.repeat(60)}\`.t (id INT PRIMARY KEY) ENGINE=InnoDB`)
  expect(await backupPlanet('run', 'shop')).toMatchObject({ code: 0, stderr: expect.anything() })
  await storeDrills()
}

async function storeDrills(): Promise<void> {
  const { privateKey, publicKey } = createEvidenceKey()
  await writeFile(join(directory, 'evidence.pub'), publicKey)
  await using offsite = createDirectoryUploader({ directory: join(directory, 'offsite') })
  const failed = { outcome: 'failed', failure: { code: 'CORRUPTED', message: `${'a long reason '.repeat(30)}${hostile}` } } as const
  await storeEvidence(offsite, signEvidence({ ...drilled, ...failed, id: '20261122T050000Z-older' }, privateKey))
  await storeEvidence(offsite, signEvidence({ ...drilled, id: '20261129T050000Z-newer' }, privateKey))
}

const drilled: DrillEvidence = {
  format: 'backup-planet/drill-evidence/1',
  id: '',
  job: 'shop',
  application: 'mysql',
  host: 'backup1',
  beganAt: '2026-11-29T05:00:00.000Z',
  endedAt: '2026-11-29T05:04:12.000Z',
  seconds: 252,
  goal: { latest: true },
  restorePoint: { at: '2026-11-29T04:59:00.000Z', backup: '20261129T045900Z-abcdef' },
  chain: [],
  bytes: 123_456_789,
  items: [{ item: 'shop', to: 'shop', checks: [{ name: 'rows of orders', expected: '3000', found: '3000', passed: true }] }],
  engineChecks: [{ item: 'shop', name: 'CHECK TABLE shop.orders', expected: 'OK', found: 'OK', passed: true }],
  problems: [],
  outcome: 'passed',
  versions: { software: '1', agent: '1', node: '24' },
}

function backupPlanet(...argv: readonly string[]): Promise<ChildResult> {
  return inProcessCommand(argv, { MYSQL_PASSWORD: server.rootPassword }, directory)
}

test('the page of a real history is seen whole, wide and narrow, light and dark and on paper, and asks for nothing', {
  timeout: 240_000,
}, async () => {
  const told = await backupPlanet('report', '--html', page, '--public-key', join(directory, 'evidence.pub'))
  expect(told).toMatchObject({ code: 0, stdout: expect.stringContaining('2 jobs, 1 error') })
  for (const view of [
    { width: 1280 },
    { width: 360 },
    { width: 1280, dark: true },
    { width: 360, dark: true },
    { width: 800, print: true },
  ]) {
    const seen = await browser.look(page, view)
    await keepPicture(view, seen.picture)
    expect(seen.contentWidth, `at ${view.width}`).toBe(seen.windowWidth)
    expect(seen.requests).toEqual([])
    expect(seen.complaints).toEqual([])
    expect(seen.title).toMatch(/^Backup report, \d{4}-\d\d-\d\d$/)
  }
})

test('this browser would tell of a page that is too wide, asks for something or fails', { timeout: 60_000 }, async () => {
  const bad = join(directory, 'bad.html')
  await writeFile(
    bad,
    '<!doctype html><div style="width:900px">x</div><img src="http://127.0.0.1:1/x.png"><script>throw new Error("x")</script>',
  )
  const seen = await browser.look(bad, { width: 360 })
  expect(seen.contentWidth).toBeGreaterThan(360)
  expect(seen.requests).toEqual(['http://127.0.0.1:1/x.png'])
  expect(seen.complaints.length).toBeGreaterThan(0)
})

test('what is gone is told in the page as well', { timeout: 120_000 }, async () => {
  await rm(join(directory, 'offsite'), { recursive: true })
  await writeFile(join(directory, 'offsite'), 'a file')
  const told = await backupPlanet('report', 'shop', '--html', page)
  expect(told).toMatchObject({ code: 3, stderr: expect.stringContaining('"offsite" cannot be listed') })
  const seen = await browser.look(page, { width: 360 })
  expect(seen).toMatchObject({ contentWidth: 360, complaints: [] })
  expect((await readdir(directory)).filter((name) => name.includes('report.html'))).toEqual(['report.html'])
})

/** For who wants to look at them. */
async function keepPicture({ width, ...view }: { readonly width: number }, picture: Buffer): Promise<void> {
  const folder = process.env.BACKUP_PLANET_PICTURES
  if (folder !== undefined) await writeFile(join(folder, `report-${width}${Object.keys(view).join('')}.png`), picture)
}
