import { readdir, stat } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { startThrowawayMariadb } from '../servers/throwaway-mariadb.ts'
import { backupPlanet, CommandFailure } from './backup-planet-command.ts'
import { closingSummary } from './closing-summary.ts'
import { createQuickstartFolder, ForeignFolder, writeConfiguration } from './quickstart-folder.ts'
import { resticSnapshots } from './restic-command.ts'
import { differences, fingerprintServer, type ServerFingerprint } from './server-fingerprint.ts'

/**
 * `npm run quickstart`: a shop on a real server is backed up encrypted, changed a little, backed up again, lost, restored to another server
 * and compared, with the real command and a real configuration file. Ends with exit code 0 only when both servers hold the same.
 * `npm run quickstart -- FOLDER` leaves everything there instead of in `.cache/quickstart`.
 */
const databases = ['shop', 'warehouse café']
const subject = { databases, users: ["'till'@'%'", "'report o''brien'@'10.%'"], roles: ['clerk'] }
const begun = performance.now()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

try {
  process.exitCode = (await quickstart()) ? 0 : 1
} catch (error) {
  if (!(error instanceof CommandFailure || error instanceof ForeignFolder)) throw error
  process.stdout.write(`\nThe quickstart stopped: ${error.message}\n`)
  process.exitCode = 1
}

/** Resolves with whether both servers hold the same. Throwaway servers die with this process, however it ends. */
async function quickstart(): Promise<boolean> {
  const folder = await createQuickstartFolder(resolve(process.argv[2] ?? join(import.meta.dirname, '..', '..', '.cache', 'quickstart')))
  const configuration = ['--config', shown(folder.configuration)]

  say('1', 'Two throwaway MariaDB servers start; one gets a shop.')
  const [shop, scratch] = await Promise.all([startThrowawayMariadb(), startThrowawayMariadb()])
  await using _shop = shop
  await using _scratch = scratch
  await shop.client(['--default-character-set=utf8mb4'], { inputFile: join(import.meta.dirname, 'shop.sql') })
  await writeConfiguration(folder, shop, scratch)

  say('2', 'A repository is made, the shop is backed up, deduplicated and encrypted, and every byte of the backup is read once.')
  await backupPlanet('init', ...configuration)
  const empty = await bytesBelow(folder.offsite)
  const backedUp = await timed(() => backupPlanet('run', 'shop', ...configuration))
  const first = await bytesBelow(folder.offsite)
  await backupPlanet('verify', 'shop', '--read-data', ...configuration)

  say('3', 'Somebody looks at a product. The next full backup sends only what has changed.')
  await shop.client(['--default-character-set=utf8mb4'], { inputFile: join(import.meta.dirname, 'shop-change.sql') })
  const before = await fingerprintServer(shop, subject)
  detail(`${count(before.rows)} rows in ${before.tables} tables; views, routines, triggers, an event, a role and users beside them`)
  await backupPlanet('run', 'shop', ...configuration)
  const stored = await bytesBelow(folder.offsite)
  detail(`the first backup sent ${count(first - empty)} bytes, this one ${count(stored - first)}`)

  say('4', 'The shop is lost.')
  await shop.client(databases.map((name) => `DROP DATABASE \`${name}\``).join('; '))
  detail(`dropped: ${databases.join(', ')}`)

  say('5', 'It is restored to the other server.')
  const restored = await timed(() => backupPlanet('restore', 'shop', '--to', 'scratch', ...configuration))

  say('6', 'Both are compared: row counts, CHECKSUM TABLE, mariadb-dump, users and grants.')
  if (!reportComparison(before, await fingerprintServer(scratch, subject))) return false
  const seconds = (performance.now() - begun) / 1000
  const sent = { first: first - empty, second: stored - first }
  const snapshots = await resticSnapshots(folder.offsite, folder.passwordFile)
  process.stdout.write(closingSummary({ folder, rows: before.rows, seconds, backedUp, restored, stored, sent, snapshots, shown }))
  return true
}

function reportComparison(expected: ServerFingerprint, found: ServerFingerprint): boolean {
  const different = differences(expected, found)
  if (different.length === 0) {
    detail(`the same: ${count(found.rows)} rows, ${found.lines.length} facts compared, none differs`)
    return true
  }
  detail('NOT the same:')
  for (const line of different) detail(`  ${line}`)
  return false
}

function say(number: string, text: string): void {
  process.stdout.write(`\n${number}  ${text}\n`)
}

function detail(text: string): void {
  process.stdout.write(`   ${text}\n`)
}

function count(value: number): string {
  return value.toLocaleString('en')
}

/** A path as it can be typed where the reader stands. */
function shown(path: string): string {
  const short = relative(process.cwd(), path)
  return short.startsWith('..') ? path : short
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

async function bytesBelow(directory: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  }
  return bytes
}
