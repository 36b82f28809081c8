import { readdir, stat } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { startThrowawayMariadb, type ThrowawayMariadb } from '../servers/throwaway-mariadb.ts'
import { backupPlanet, CommandFailure } from './backup-planet-command.ts'
import { closingSummary } from './closing-summary.ts'
import { createQuickstartFolder, ForeignFolder, writeConfiguration } from './quickstart-folder.ts'
import { resticSnapshots } from './restic-command.ts'
import { differences, fingerprintServer, type ServerFingerprint } from './server-fingerprint.ts'

/**
 * `npm run quickstart`: a shop on a real server is backed up encrypted, changed a little, backed up again; its logs are backed up while it is used, a
 * DELETE without a WHERE among them; it is lost, restored to another server as it was a second before that, and compared, with the real
 * command and a real configuration file. Ends with exit code 0 only when both servers hold the same.
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
  await runInShop(shop, 'shop.sql')
  await writeConfiguration(folder, shop, scratch)

  say('2', 'A repository is made, the shop is backed up, deduplicated and encrypted, and every byte of the backup is read once.')
  await backupPlanet('init', ...configuration)
  const empty = await bytesBelow(folder.offsite)
  const backedUp = await timed(() => backupPlanet('run', 'shop', ...configuration))
  const first = await bytesBelow(folder.offsite)
  await backupPlanet('verify', 'shop', '--read-data', ...configuration)

  say('3', 'Somebody looks at a product. The next full backup sends only what has changed.')
  await runInShop(shop, 'shop-change.sql')
  await backupPlanet('run', 'shop', ...configuration)
  const beforeLog = await bytesBelow(folder.offsite)
  const sent = { first: first - empty, second: beforeLog - first }
  detail(`the first backup sent ${count(sent.first)} bytes, this one ${count(sent.second)}`)

  say('4', 'A morning of business. A log backup takes what has changed since, and nothing else.')
  await runInShop(shop, 'shop-morning.sql')
  await backupPlanet('run', 'shop', '--kind', 'log', ...configuration)
  const log = (await bytesBelow(folder.offsite)) - beforeLog
  detail(`it sent ${count(log)} bytes`)
  await runInShop(shop, 'shop-change.sql')
  const before = await fingerprintServer(shop, subject)
  detail(`${count(before.rows)} rows in ${before.tables} tables; views, routines, triggers, an event, a role and users beside them`)

  say('5', 'Somebody deletes all lines of all orders, and it is noticed only after the next log backup. Then the shop is lost altogether.')
  const accident = await nextSecond(shop)
  await runInShop(shop, 'shop-accident.sql')
  detail(`DELETE FROM shop.order_line at ${accident}`)
  await backupPlanet('run', 'shop', '--kind', 'log', ...configuration)
  await shop.client(databases.map((name) => `DROP DATABASE \`${name}\``).join('; '))
  detail(`dropped: ${databases.join(', ')}`)

  say('6', 'Every moment since the last full backup can be had again.')
  await backupPlanet('windows', 'shop', ...configuration)

  say('7', 'So the other server gets the shop as it was right before the accident.')
  const restored = await timed(() => backupPlanet('restore', 'shop', '--at', accident, '--to', 'scratch', ...configuration))

  say('8', 'Both are compared: row counts, CHECKSUM TABLE, mariadb-dump, users and grants.')
  if (!reportComparison(before, await fingerprintServer(scratch, subject))) return false
  const seconds = (performance.now() - begun) / 1000
  const stored = await bytesBelow(folder.offsite)
  const snapshots = await resticSnapshots(folder.offsite, folder.passwordFile)
  process.stdout.write(
    closingSummary({
      folder,
      rows: before.rows,
      seconds,
      backedUp,
      restored,
      restoredTo: accident,
      stored,
      sent: { ...sent, log },
      snapshots,
      shown,
    }),
  )
  return true
}

async function runInShop(shop: ThrowawayMariadb, file: string): Promise<void> {
  await shop.client(['--default-character-set=utf8mb4'], { inputFile: join(import.meta.dirname, file) })
}

/** Waits for the clock of the server to show another second, since its logs know whole ones only; resolves with it, ISO 8601 in UTC. */
async function nextSecond(server: ThrowawayMariadb): Promise<string> {
  const time = await server.client(
    "SELECT SLEEP(1 - MICROSECOND(NOW(6)) / 1000000) INTO @slept; SELECT DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%sZ')",
  )
  return time.trim()
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
