import { randomInt } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Backup, RestoreWindow, TimeSpan } from '@backup-planet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { recordEvidence } from '../../../proofs/evidence.ts'
import { seededRandom } from '../../../proofs/sweep.ts'
import { RowJournal, rowsOf } from './row-journal.ts'
import { bucket, type ShopOnS3, startShopOnS3 } from './shop-on-s3.ts'
import { expectedOutcomes, isOfWindow, receivedMessages, receivedSubjects, toldOutcomes } from './told-messages.ts'
import { type DaemonLine, WatchedDaemon } from './watched-daemon.ts'

/** So many minutes with logs every minute; without, a log every three seconds until each fault was there once. */
const minutes = Number(process.env.BACKUP_PLANET_DAEMON_MINUTES ?? 0)
const isLong = minutes > 0
const seed = Number(process.env.BACKUP_PLANET_SEED ?? randomInt(2 ** 31))
const schedule = isLong
  ? { log: '* * * * *', full: '*/5 * * * *', intervalMilliseconds: 60_000, restores: 8, writePause: 40 }
  : { log: '*/3 * * * * *', full: '*/30 * * * * *', intervalMilliseconds: 3000, restores: 2, writePause: 20 }
const random = seededRandom(seed)
const between = (from: number, to: number): number => Math.floor(from + random() * (to - from))

let shop: ShopOnS3
let journal: RowJournal
let daemon: WatchedDaemon
beforeAll(async () => {
  // Where logs come every few seconds, a window that stands still for a while is none to be told of.
  shop = await startShopOnS3(`{ log: "${schedule.log}", full: "${schedule.full}", timezone: UTC }`, isLong ? undefined : '1h')
  daemon = new WatchedDaemon({ ...shop, patienceMilliseconds: isLong ? 8 * 60_000 : 120_000 })
})
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]()
  await shop?.[Symbol.asyncDispose]()
})

const isLog = ({ type, run }: DaemonLine): boolean => type === 'run-ended' && run?.task === 'log'
const isDone = (line: DaemonLine): boolean => isLog(line) && line.outcome === 'done'
const isFailed = (line: DaemonLine): boolean => isLog(line) && line.outcome === 'failed'

/** A log that began after this moment is stored. */
async function nextLog(): Promise<void> {
  const now = Date.now()
  await daemon.seen('a log that is stored', daemon.lines.length, (line) => isDone(line) && Date.parse(line.run?.beganAt ?? '') > now)
}

/** Some time within a run or soon after it. */
async function someMoment(): Promise<void> {
  await daemon.seen('a run that begins', daemon.lines.length, ({ type }) => type === 'run-started')
  await delay(between(0, Math.min(schedule.intervalMilliseconds, 3000) / 2))
}

/** All that has happened so far is told, and nothing is on its way. */
async function everythingTold(): Promise<void> {
  await daemon.until('everything told', async () => {
    const expected = expectedOutcomes(daemon.lines)
    const file = await readFile(join(shop.directory, 'staging', 'notifications', 'state.json'), 'utf8').catch(() => undefined)
    if (expected.length > 0 && file === undefined) return undefined
    const { delivery } = JSON.parse(file ?? '{ "delivery": { "waiting": [] } }') as { delivery: { waiting: readonly unknown[] } }
    const told = toldOutcomes(receivedMessages(shop.webhook)).length
    return delivery.waiting.length === 0 && told >= expected.length ? true : undefined
  })
}

const faults = {
  async 'kill -9 of the daemon'() {
    await someMoment()
    await daemon.kill()
    await delay(isLong ? between(2000, 30_000) : 0)
    daemon.start()
    await nextLog()
  },
  async 'kill -9 of MariaDB'() {
    await someMoment()
    const from = daemon.lines.length
    await shop.source.kill()
    await delay(isLong ? between(0, 90_000) : 0)
    await daemon.seen('a log that fails', from, isFailed)
    await shop.source.restart()
    await nextLog()
  },
  async 'store away'() {
    await someMoment()
    const from = daemon.lines.length
    await shop.network.takeAway('refused')
    await daemon.seen('a log that fails', from, isFailed)
    if (isLong) {
      await everythingTold()
      await daemon.kill()
      daemon.start()
      await daemon.until(
        'word of a window that stands still',
        () => windowMessages().at(-1)?.type === 'window-stopped-growing' || undefined,
      )
    }
    await shop.network.bringBack()
    await nextLog()
  },
  async 'store silent'() {
    await someMoment()
    await shop.network.takeAway('silent')
    await delay(between(60_000, 150_000))
    await shop.network.bringBack()
    await nextLog()
  },
}
type Fault = keyof typeof faults
/**
 * How many rows of failures of the logs there may be for each. A run that is cut with its process is made again and is none; one that waits for a silent store
 * fails only where that costs it the lease.
 */
const rowsOfFailures: Readonly<Record<Fault, readonly number[]>> = {
  'kill -9 of the daemon': [0],
  'kill -9 of MariaDB': [1],
  'store away': [1],
  'store silent': [0, 1],
}

const windowMessages = () => receivedMessages(shop.webhook).filter(isOfWindow)

const firstFailuresOfLogs = () =>
  receivedMessages(shop.webhook).filter(({ type, task, answers }) => type === 'failed' && task === 'log' && answers === undefined)

/** Each once, in any order. */
function shuffledFaults(): Fault[] {
  const names = (Object.keys(faults) as Fault[]).filter((name) => isLong || name !== 'store silent')
  return names
    .map((name) => ({ name, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ name }) => name)
}

test(`a daemon whose machine, server and store fail loses nothing, and tells each failure and its end once (seed ${seed})`, {
  timeout: 600_000 + minutes * 120_000,
}, async () => {
  const began = Date.now()
  journal = await RowJournal.start(shop.source, { writers: 2, pauseMilliseconds: schedule.writePause, random })
  daemon.start()
  await daemon.seen('a full', 0, ({ type, backup }) => type === 'run-ended' && backup?.kind === 'full')
  await nextLog()
  const early = await daemon.memory()
  const happened: Fault[] = []
  const queue = shuffledFaults()
  for (let fault = queue.shift(); fault !== undefined; fault = queue.shift()) {
    const before = firstFailuresOfLogs().length
    await faults[fault]()
    await everythingTold()
    happened.push(fault)
    expect(rowsOfFailures[fault], `rows of failures told of ${fault}`).toContain(firstFailuresOfLogs().length - before)
    if (queue.length === 0 && Date.now() - began < minutes * 60_000) queue.push(shuffledFaults()[0] ?? fault)
  }
  await journal.stop()
  await nextLog()
  const late = await daemon.memory()
  const { code, stderr } = await daemon.stop()
  expect(code, stderr).toBe(0)

  await expectWindowWithoutHole()
  expectToldOnce()
  await expectNothingLeft()
  await expectRestores()
  await recordEvidence(import.meta.url, {
    ...Object.fromEntries(Object.keys(faults).map((name) => [name, happened.filter((each) => each === name).length])),
    transactions: journal.transactions,
    'logs stored': daemon.lines.filter(isDone).length,
    'runs that failed': daemon.lines.filter(({ outcome }) => outcome === 'failed').length,
    'failures and ends told': receivedMessages(shop.webhook).length,
    'peak memory of the daemon, MB': Math.round(daemon.peakMemory / 1e6),
    'memory after the first log and at the end, MB': `${Math.round(early / 1e6)} and ${Math.round(late / 1e6)}`,
  })
})

async function resultOf(...argv: readonly string[]): Promise<readonly DaemonLine[]> {
  const { code, stdout, stderr } = await shop.backupPlanet(...argv, '--json')
  expect(code, `${argv.join(' ')}:\n${stderr}`).toBe(0)
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as DaemonLine)
}

/** What can be restored to. */
let span: TimeSpan

/**
 * From the full that the first log continues to the last log there is one window without any gap; what fulls were made before it stand alone, each as a moment.
 * What would explain a hole is a log that became a full, since the server had no more what it should hold. Nobody purges anything here, so the first backup
 * alone is one, of a job that had none.
 */
async function expectWindowWithoutHole(): Promise<void> {
  const listed = (await resultOf('list', 'shop')).flatMap((line) => ('backup' in line ? [line.backup as unknown as Backup] : []))
  const backups = listed.toSorted((a, b) => Date.parse(a.consistentAt) - Date.parse(b.consistentAt))
  const firstLog = backups.findIndex(({ kind }) => kind === 'log')
  const [alone, together] = [backups.slice(0, firstLog - 1), backups.slice(firstLog - 1)]
  span = { from: together[0]?.consistentAt ?? '', to: together.at(-1)?.consistentAt ?? '' }
  const [result] = (await resultOf('windows', 'shop')) as unknown as readonly { readonly windows: readonly RestoreWindow[] }[]
  expect(result).toMatchObject({ gaps: [], unlisted: 0, unreadable: 0 })
  expect(result?.windows.filter(({ kind }) => kind === 'exact').map(({ times }) => times)).toEqual([[span]])
  expect(result?.windows.filter(({ kind }) => kind === 'moment').map(({ to }) => to.backup)).toEqual(alone.map(({ id }) => id))
  expect(daemon.lines.filter(({ type }) => type === 'promoted').length).toBeLessThanOrEqual(1)
}

function expectToldOnce(): void {
  const messages = receivedMessages(shop.webhook)
  expect(toldOutcomes(messages)).toEqual(expectedOutcomes(daemon.lines))
  expect(receivedSubjects(shop.mail)).toEqual(messages.map(({ subject }) => `[backup-planet] ${subject}`))
  expect(new Set(messages.map(({ id }) => id)).size).toBe(messages.length)
  // Whatever the daemon says of its runs: each row of failures of the logs has one end.
  const ends = messages.filter(({ type, task }) => type === 'recovered' && task === 'log')
  expect(ends.map(({ answers }) => answers)).toEqual(firstFailuresOfLogs().map(({ id }) => id))
  const windows = windowMessages()
  for (const [index, { type, id }] of windows.entries()) {
    expect(type).toBe(index % 2 === 0 ? 'window-stopped-growing' : 'window-grows-again')
    if (index % 2 === 0) expect(windows[index + 1]?.answers).toBe(id)
  }
}

async function expectNothingLeft(): Promise<void> {
  const staging = await readdir(join(shop.directory, 'staging'), { recursive: true })
  expect(staging.sort()).toEqual(['notifications', 'notifications/state.json', 'runs', 'runs/shop', 'schedule.json'])
  expect(await readdir(shop.temporary)).toEqual([])
  const stored = await shop.store.stored(bucket)
  expect(stored.filter((key) => !/^offsite\/(config$|keys\/|data\/|index\/|snapshots\/)/.test(key))).toEqual([])
  expect(
    await shop.source.client('SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND USER = "root"'),
  ).toBe('0\n')
  expect((await resultOf('verify', '--read-data')).at(-1)).toMatchObject({ errors: 0 })
}

async function expectRestores(): Promise<void> {
  expect(await rowsOf(shop.source), 'what the writers know is what the server has').toBe(journal.stateBefore())
  const [from, to] = [Math.ceil(Date.parse(span.from) / 1000), Math.floor(Date.parse(span.to) / 1000)]
  const moments: number[] = []
  for (let tried = 0; moments.length < schedule.restores && tried < 1000; tried++) {
    const second = between(from, to + 1) * 1000
    if (journal.isBetweenTransactions(second)) moments.push(second)
  }
  expect(moments).toHaveLength(schedule.restores)
  const restore = ['restore', 'shop', '--to', 'scratch', '--item', 'shop', '--overwrite', '--yes']
  for (const moment of moments) {
    const at = new Date(moment).toISOString()
    await resultOf(...restore, '--at', at)
    expect(await rowsOf(shop.target), at).toBe(journal.stateBefore(moment))
  }
  await resultOf(...restore)
  expect(await rowsOf(shop.target), 'the latest').toBe(journal.stateBefore())
}
