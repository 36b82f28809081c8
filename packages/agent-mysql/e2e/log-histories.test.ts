import { historyOf, type Position, planChain, type RestoreStop } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { comparePositions } from '../src/mysql-position.ts'
import { planMysqlRestore, runMysqlRestore } from '../src/restore/index.ts'
import { History, type HistoryStep, histories, type JournalEntry } from './log-history.ts'
import { BackupChain, emptyServer } from './replay-fixture.ts'
import { resolved } from './restore-round-trip.ts'

const seed = Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 1_000_000)
const count = Number(process.env.BACKUP_PLANET_MYSQL_HISTORIES ?? 2)
const momentsOfEach = 3

let source: ThrowawayMariadb
let target: ThrowawayMariadb

beforeAll(async () => {
  ;[source, target] = await Promise.all([startThrowawayMariadb(), startThrowawayMariadb()])
})

afterAll(async () => {
  await Promise.all([source?.stop(), target?.stop()])
})

interface Moment {
  readonly text: string
  /** How many transactions of the journal had happened. */
  readonly transactions: number
  readonly goal:
    | { readonly at: string }
    | { readonly position: Position }
    | { readonly beforePosition: Position }
    | { readonly latest: true }
}

/** A moment of any kind that the journal can speak of. */
function momentOf({ journal }: History, chain: string, random: () => number): Moment {
  // RESET MASTER begins GTIDs and names of binlogs anew: they are looked for in the last of these histories.
  const first = journal.findIndex(({ era }) => era === journal.at(-1)?.era)
  const index = first + Math.floor(random() * (journal.length - first))
  const entry = journal[index] as JournalEntry
  const kind = Math.floor(random() * 5)
  const next = journal[index + 1]
  const at = (value: Position['value']): Position => ({ chain, value })
  if (kind === 0) return { text: 'the end', transactions: journal.length, goal: { latest: true } }
  if (kind === 1) {
    // A whole second, since the log knows no others, which lies between two transactions.
    const second = Math.ceil(entry.committed[1] / 1000) * 1000
    const isBetween = next !== undefined && Math.floor(next.committed[0] / 1000) * 1000 >= second
    if (isBetween) return { text: new Date(second).toISOString(), transactions: index + 1, goal: { at: new Date(second).toISOString() } }
  }
  if (kind === 2) return { text: `before ${entry.gtid}`, transactions: index, goal: { beforePosition: at({ gtid: entry.gtid }) } }
  if (kind === 3 && entry.place !== undefined) {
    return { text: `${entry.place.file}:${entry.place.offset}`, transactions: index + 1, goal: { position: at({ ...entry.place }) } }
  }
  return { text: entry.gtid, transactions: index + 1, goal: { position: at({ gtid: entry.gtid }) } }
}

const stateOf = (server: ThrowawayMariadb) => server.client('SELECT id, HEX(a) FROM d.t ORDER BY id')

/** Every insert has fired the trigger once: rows without a key show what was applied twice or not at all. */
const triggersOf = (server: ThrowawayMariadb) => server.client('SELECT COUNT(*) = COUNT(DISTINCT id) FROM d.keyless')

async function runHistory(steps: readonly HistoryStep[], number: number): Promise<number> {
  await emptyServer(source)
  const random = generator(seed + number)
  await using chain = new BackupChain(source)
  const history = new History(source, chain, random)
  await history.begin()
  for (const step of steps) await history.run(step)
  let reached = 0
  // Some moments lie in what was purged before it was backed up: others are taken then.
  for (let tried = 0; reached < momentsOfEach && tried < 20 * momentsOfEach; tried++) {
    const newest = chain.backups.at(-1)?.position?.chain ?? ''
    const moment = momentOf(history, newest, random)
    const plan = planChain(historyOf(chain.backups, comparePositions), moment.goal)
    if (!plan.possible) continue
    const replay = random() < 0.5 ? 'tools' : 'statements'
    const during = `history ${number} of seed ${seed} (${steps.map((step) => step.do).join(', ')}) to ${moment.text} by ${replay}`
    const backups = plan.backups.map(({ id }) => chain.backups.find((backup) => backup.id === id) ?? expect.unreachable(during))
    await restoreTo(chain, backups, plan.stop, replay, during)
    expect(await stateOf(target), during).toBe(history.stateAfter(moment.transactions))
    expect(await triggersOf(target), during).toBe('1\n')
    reached++
  }
  return reached
}

async function restoreTo(
  chain: BackupChain,
  backups: BackupChain['backups'],
  stop: RestoreStop | undefined,
  replay: string,
  during: string,
) {
  const plan = await planMysqlRestore(resolved(target), {
    backups,
    ...(stop === undefined ? {} : { stop }),
    target: { overwrite: true, options: { replay, users: 'none' } },
  })
  expect(
    plan.problems.filter((problem) => problem.severity === 'error'),
    during,
  ).toEqual([])
  const report = await runMysqlRestore(resolved(target), plan, chain.files()).catch((error: unknown) => {
    throw new Error(during, { cause: error })
  })
  expect(
    report.items.flatMap((item) => item.failure ?? []),
    during,
  ).toEqual([])
}

/** Mulberry32: small, and the same everywhere. */
function generator(from: number): () => number {
  let state = from >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

it(`restores ${count} histories to ${momentsOfEach} moments each, as the writers know them (seed ${seed})`, {
  timeout: 120_000 + count * 120_000,
}, async () => {
  let reached = 0
  for (const [number, steps] of fc.sample(histories(fc), { seed, numRuns: count }).entries()) reached += await runHistory(steps, number)
  expect(reached).toBe(count * momentsOfEach)
})
