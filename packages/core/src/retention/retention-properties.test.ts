import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { modelEvents, moments, positions } from '../chain/__fixtures__/model-events.ts'
import { ModelHistory, replay } from '../chain/__fixtures__/model-history.ts'
import { numbered, numberOf } from '../chain/__fixtures__/numbered-positions.ts'
import type { ChainHistory } from '../chain/chain-history.ts'
import { type ChainPlan, type ChainTarget, planChain } from '../chain/plan-chain.ts'
import type { Backup } from '../contracts/index.ts'
import { planRetention, type RetentionDecision } from './plan-retention.ts'
import type { RetentionReasonCode } from './retention-reasons.ts'
import type { KeepRules, RetentionRules } from './retention-rules.ts'

/** `BACKUP_PLANET_RETENTION_COUNT` histories; a failure prints its seed, and `BACKUP_PLANET_SEED` goes through the same ones again. */
const runs = {
  numRuns: Number(process.env.BACKUP_PLANET_RETENTION_COUNT ?? 60),
  seed: Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 2 ** 31),
}
const patience = 30_000 + runs.numRuns * 100

const hour = 3_600_000
const count = fc.option(fc.constantFrom(0, 1, 1, 2, 3), { nil: undefined, freq: 2 })
const manyRules = fc
  .record({
    keepLast: count,
    keepHourly: count,
    keepDaily: count,
    keepWeekly: count,
    keepMonthly: count,
    keepWithin: fc.option(fc.constantFrom(1, hour, 30 * hour, 200 * hour), { nil: undefined, freq: 2 }),
  })
  .map((rules): KeepRules => (Object.values(rules).every((value) => value === undefined || value === 0) ? { keepLast: 1 } : rules))

/** Half of them keep so little that much goes. */
const keepRules = fc.oneof(
  fc.constantFrom<KeepRules>({ keepLast: 1 }, { keepLast: 2 }, { keepDaily: 2 }, { keepWithin: 30 * hour }),
  manyRules,
)

const waits = { milliseconds: fc.constantFrom(hour / 3, 5 * hour, 25 * hour, 170 * hour), weight: 30 }
const scenario = fc.record({
  events: fc.oneof(modelEvents(waits), modelEvents({ ...waits, drops: true })),
  saysWhatItCovers: fc.boolean(),
  ordered: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  asked: fc.constantFrom<readonly string[] | undefined>(undefined, undefined, ['a'], ['b']),
  gone: fc.array(fc.constantFrom(...Array.from({ length: 12 }, () => false), true), { minLength: 24, maxLength: 24 }),
  rules: fc.record({
    top: keepRules,
    differential: fc.option(keepRules, { nil: undefined, freq: 2 }),
    log: fc.option(keepRules, { nil: undefined, freq: 2 }),
  }),
  timezone: fc.constantFrom('UTC', 'Europe/Paris', 'Australia/Lord_Howe'),
  /** After the last that happened, or before it, when backups lie in the future. */
  later: fc.constantFrom(0, 1, 30 * hour, 1000 * hour, -20 * hour),
})
type Scenario = typeof scenario extends fc.Arbitrary<infer Value> ? Value : never

interface Pruned {
  readonly model: ModelHistory
  readonly before: ChainHistory
  readonly after: ChainHistory
  readonly decisions: readonly RetentionDecision[]
  readonly kept: ReadonlyMap<string, RetentionDecision>
  /** Planned once more, so many milliseconds later. */
  readonly again: (history: ChainHistory, later?: number) => readonly RetentionDecision[]
  readonly now: number
  readonly rules: RetentionRules
}

function pruned({ events, saysWhatItCovers, ordered, gone, rules: { top, ...ofKinds }, timezone, later }: Scenario): Pruned {
  const model = new ModelHistory(events, saysWhatItCovers)
  const backups = model.backups.filter((_, index) => gone[index] !== true)
  const rules = { ...top, ...ofKinds }
  const now = model.server.tick(0) + later
  const historyWith = (some: readonly Backup[]): ChainHistory => ({
    listings: [{ repository: '', backups: some }],
    ...(ordered ? { order: numbered } : {}),
  })
  const again = (history: ChainHistory, after = 0) => planRetention(history, rules, new Date(now + after), { timezone })
  const before = historyWith(backups)
  const decisions = again(before)
  const kept = new Map(decisions.flatMap((decision) => (decision.action === 'keep' ? [[decision.backup.id, decision]] : [])))
  return { model, before, after: historyWith(backups.filter(({ id }) => kept.has(id))), decisions, kept, again, now, rules }
}

function has({ reasons }: RetentionDecision, ...codes: readonly RetentionReasonCode[]): boolean {
  return reasons.some(({ code }) => codes.includes(code))
}

const onlyOnTheWay: readonly RetentionReasonCode[] = [
  'needed',
  'log-window',
  'last-restorable',
  'last-of-item',
  'gone-item',
  'first-without-item',
]
/** Not because of themselves, or only for a while. */
const notInWindow: readonly RetentionReasonCode[] = ['needed', 'newest-history', 'gone-item', 'first-without-item']

/** Whether every moment and position that this plan could have been asked for by its last backup was to stay. */
function isPromised(plan: ChainPlan, { kept, rules }: Pruned): boolean {
  const last = kept.get(plan.backups.at(-1)?.id ?? '')
  const first = kept.get(plan.backups[0]?.id ?? '')
  if (last === undefined) return false
  if (last.backup.kind !== 'log') return last.reasons.some(({ code }) => code !== 'needed')
  if (last.reasons.some(({ code }) => !onlyOnTheWay.includes(code))) return true
  if (rules.log !== undefined || !has(last, 'log-window')) return false
  // What is restored from the oldest full that a rule keeps, or from a later one.
  const base = plan.backups[0]
  const begins = [...kept.values()].flatMap((decision) => {
    const { backup, reasons } = decision
    const own = reasons.some(({ code }) => !notInWindow.includes(code))
    const counts = own && backup.kind === 'full' && backup.status === 'complete' && backup.limitedTo === undefined
    return counts && backup.position !== undefined && backup.position.chain === plan.chain ? [numberOf(backup.position)] : []
  })
  const position = first?.backup.position
  return (
    base !== undefined && position !== undefined && position.chain === plan.chain && begins.some((begin) => begin <= numberOf(position))
  )
}

/** The same state, however the way to it may differ. */
function expectSame(target: ChainTarget, plan: ChainPlan, { model, after }: Pruned, asked: readonly string[] | undefined): void {
  const what = JSON.stringify(target)
  const left = planChain({ ...after, ...(asked === undefined ? {} : { items: asked }) }, target)
  expect(left.possible, what).toBe(true)
  if (!left.possible) return
  const last = model.backups.find(({ id }) => id === plan.backups.at(-1)?.id)
  // Where the clock was set back within the last log, the contract says at which change it stops, and no more.
  if (plan.stop !== undefined && 'before' in plan.stop && (last?.covers?.length ?? 1) > 1) return
  expect(replay(model.contents, left.backups, left.stop), what).toEqual(replay(model.contents, plan.backups, plan.stop))
  expect([...left.items].sort(), what).toEqual([...plan.items].sort())
}

function possible(history: ChainHistory, target: ChainTarget, asked: readonly string[] | undefined): ChainPlan | undefined {
  const plan = planChain({ ...history, ...(asked === undefined ? {} : { items: asked }) }, target)
  return plan.possible ? plan : undefined
}

function begin({ beganAt }: Backup): number {
  return Date.parse(beganAt)
}

/** The first complete full after the last that names the item b; `undefined` where it is still backed up, or never was. */
function firstWithoutB({ listings }: ChainHistory): Backup | undefined {
  const fulls = listings.flatMap(({ backups }) => backups).filter(({ kind }) => kind === 'full')
  const last = Math.max(...fulls.filter(({ items }) => items.some(({ item }) => item === 'b')).map(begin))
  const lacking = fulls.filter((backup) => backup.status === 'complete' && backup.limitedTo === undefined && begin(backup) > last)
  return lacking.toSorted((a, b) => begin(a) - begin(b))[0]
}

describe('whatever the history and the rules', () => {
  test('a kept backup is restored to what it was', { timeout: patience }, () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const result = pruned(given)
        for (const { backup } of result.kept.values()) {
          const target = { backup: backup.id }
          const whole = possible(result.before, target, undefined)
          // Where nothing leads to it, its state may be that of others, which go by themselves.
          if (whole?.backups.at(-1)?.id === backup.id) expectSame(target, whole, result, undefined)
          const item = possible(result.before, target, given.asked)
          if (item !== undefined && isPromised(item, result)) expectSame(target, item, result, given.asked)
        }
      }),
      runs,
    )
  })

  test('every moment and position by a kept backup stays, with the same state', { timeout: patience }, () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const result = pruned(given)
        for (const time of moments(result.model)) {
          const at = new Date(time).toISOString()
          const first = possible(result.before, { at }, given.asked)
          for (const chain of new Set([first?.chain])) {
            const target = { at, ...(chain === undefined ? {} : { chain }) }
            const plan = possible(result.before, target, given.asked)
            // A moment of another backup that ended in the same state goes with that one.
            const last = result.kept.get(plan?.backups.at(-1)?.id ?? '')
            if (plan?.stop === undefined && Date.parse(last?.backup.consistentAt ?? '') !== time) continue
            if (plan !== undefined && isPromised(plan, result)) expectSame(target, plan, result, given.asked)
          }
        }
        for (const position of positions(result.model)) {
          const plan = possible(result.before, { position }, given.asked)
          if (plan !== undefined && isPromised(plan, result)) expectSame({ position }, plan, result, given.asked)
        }
      }),
      runs,
    )
  })

  test('the last that can be restored stays, and is the same, of the job and of items that are still backed up', {
    timeout: patience,
  }, () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const result = pruned(given)
        for (const asked of [undefined, ['a'], ['b']]) {
          if (asked?.[0] === 'b' && firstWithoutB(result.before) !== undefined) continue
          const plan = possible(result.before, { latest: true }, asked)
          if (plan !== undefined) expectSame({ latest: true }, plan, result, asked)
        }
      }),
      runs,
    )
  })

  test('the last of an item that newer fulls lack stays for 30 days, and is the same', { timeout: patience }, () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const result = pruned(given)
        const without = firstWithoutB(result.before)
        const backups = result.before.listings.flatMap((listing) => listing.backups)
        const newest = Math.max(
          ...backups
            .filter(({ kind }) => kind !== 'log')
            .map(begin)
            .filter((time) => time <= result.now),
        )
        if (without === undefined || newest - begin(without) >= 30 * 24 * hour) return
        const earlier = ({ listings, ...rest }: ChainHistory): ChainHistory => ({
          ...rest,
          listings: listings.map((listing) => ({
            ...listing,
            backups: listing.backups.filter((backup) => begin(backup) < begin(without)),
          })),
        })
        const plan = possible(earlier(result.before), { latest: true }, ['b'])
        if (plan !== undefined) expectSame({ latest: true }, plan, { ...result, after: earlier(result.after) }, ['b'])
      }),
      runs,
    )
  })

  test('applied again it removes nothing more, and every backup has a reason', { timeout: patience }, () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const { before, after, decisions, again } = pruned(given)
        const known = before.listings.flatMap(({ backups }) => backups.map(({ id }) => id))
        expect(decisions.map(({ backup }) => backup.id).sort()).toEqual(known.sort())
        for (const { action, reasons } of decisions) {
          expect(reasons.length).toBeGreaterThan(0)
          const removing = reasons.every(({ code }) => ['superseded', 'expired', 'before-log-window', 'gone-item-expired'].includes(code))
          expect(removing).toBe(action === 'remove')
        }
        expect(again(after).filter(({ action }) => action === 'remove')).toEqual([])
      }),
      runs,
    )
  })

  test('without a new backup nothing more is removed at any later time', { timeout: patience }, () => {
    fc.assert(
      fc.property(scenario, fc.constantFrom(1, hour, 60 * hour, 40 * 24 * hour, 100_000 * hour), (given, passed) => {
        const { before, after, kept, again, now } = pruned(given)
        // One that began in the future is as a new one once its time has come.
        fc.pre([...kept.values()].every(({ backup }) => Date.parse(backup.beganAt) <= now))
        expect(again(after, passed).filter(({ action }) => action === 'remove')).toEqual([])
        expect(again(before, passed).map(({ action, backup }) => `${action} ${backup.id}`)).toEqual(
          again(before).map(({ action, backup }) => `${action} ${backup.id}`),
        )
      }),
      runs,
    )
  })
})
