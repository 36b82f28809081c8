import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Backup, Position } from '../contracts/index.ts'
import { modelEvents, moments, positions } from './__fixtures__/model-events.ts'
import { ModelHistory, replay } from './__fixtures__/model-history.ts'
import { ModelReach } from './__fixtures__/model-reach.ts'
import { stateAt, statesAtTime } from './__fixtures__/model-server.ts'
import { at, numbered, numberOf, sketched } from './__fixtures__/numbered-positions.ts'
import type { ChainHistory } from './chain-history.ts'
import { findGaps } from './find-gaps.ts'
import { type ChainPlan, planChain } from './plan-chain.ts'
import { restoreWindows } from './restore-windows.ts'

/** `BACKUP_PLANET_CHAIN_COUNT` histories; a failure prints its seed, and `BACKUP_PLANET_SEED` goes through the same ones again. */
const runs = {
  numRuns: Number(process.env.BACKUP_PLANET_CHAIN_COUNT ?? 40),
  seed: Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 2 ** 31),
}
const patience = 30_000 + runs.numRuns * 100

const scenario = fc.record({
  events: modelEvents(),
  saysWhatItCovers: fc.boolean(),
  ordered: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  asked: fc.constantFrom<readonly string[] | undefined>(undefined, undefined, ['a'], ['b']),
  /** Of each backup, whether the first and the second repository still have it: as bits. */
  kept: fc.array(fc.constantFrom(3, 3, 3, 3, 3, 3, 1, 1, 1, 2, 2, 0), { minLength: 24, maxLength: 24 }),
  seed: fc.nat(),
})
type Scenario = typeof scenario extends fc.Arbitrary<infer Value> ? Value : never

interface Remaining {
  readonly model: ModelHistory
  readonly history: ChainHistory
  readonly backups: readonly Backup[]
  readonly reach: ModelReach
}

function remainingOf({ events, saysWhatItCovers, ordered, asked, kept }: Scenario): Remaining {
  const model = new ModelHistory(events, saysWhatItCovers)
  const first = model.backups.filter(({ id }, index) => ((kept[index] ?? 3) & 1) > 0 && !model.lost.has(id))
  const second = model.backups.filter((_, index) => ((kept[index] ?? 3) & 2) > 0)
  const backups = model.backups.filter((backup) => first.includes(backup) || second.includes(backup))
  const history = {
    listings: [
      { repository: 'first', backups: first },
      { repository: 'second', backups: second },
    ],
    ...(ordered ? { order: numbered } : {}),
    ...(asked === undefined ? {} : { items: asked }),
  }
  return { model, history, backups, reach: new ModelReach(backups, asked, ordered) }
}

function assertFromWhereItIs(plan: ChainPlan, { listings }: ChainHistory): void {
  for (const { id, repository } of plan.backups) {
    expect(listings.find((listing) => listing.repository === repository)?.backups.some((backup) => backup.id === id)).toBe(true)
  }
}

describe('whatever happens to a server and its backups', () => {
  test('a moment has a plan exactly when it can be reached, the plan gives the state of that moment, and the windows say so', {
    timeout: patience,
  }, () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const { model, history, reach } = remainingOf(given)
        const windows = restoreWindows(history)
        for (const time of moments(model)) {
          const text = new Date(time).toISOString()
          const plan = planChain(history, { at: text })
          expect(plan.possible, text).toBe(reach.reachesMoment(time))
          const inWindow = windows.some(({ times }) => times.some(({ from, to }) => Date.parse(from) <= time && time <= Date.parse(to)))
          expect(inWindow, `windows at ${text}`).toBe(plan.possible)
          if (!plan.possible) continue
          const state = replay(model.contents, plan.backups, plan.stop)
          assertFromWhereItIs(plan, history)
          const last = model.backups.find(({ id }) => id === plan.backups.at(-1)?.id)
          // Where the clock was set back within the last log, the contract says at which change it stops, and no more.
          if (plan.stop !== undefined && (last?.covers?.length ?? 1) > 1) continue
          expect(statesAtTime(model.server.timelines, time)).toContainEqual(state)
        }
      }),
      runs,
    )
  })

  test('a position has a plan exactly when it can be reached, and the plan gives the state at it', { timeout: patience }, () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const { model, history, reach } = remainingOf(given)
        const windows = restoreWindows(history)
        for (const position of positions(model)) {
          const plan = planChain(history, { position })
          expect(plan.possible, JSON.stringify(position)).toBe(reach.reachesPosition(position))
          const inWindow = windows.some(
            ({ chain, from, to }) =>
              chain === position.chain &&
              [from, to].every((end) => end.position?.chain === chain) &&
              numberOf(from.position ?? position) <= numberOf(position) &&
              numberOf(position) <= numberOf(to.position ?? position),
          )
          if (given.ordered) expect(inWindow, `windows at ${JSON.stringify(position)}`).toBe(plan.possible)
          if (!plan.possible) continue
          const timeline = model.contents.get(plan.backups.at(-1)?.id ?? '')?.timeline
          expect(timeline && model.chainOf(timeline)).toBe(position.chain)
          expect(replay(model.contents, plan.backups, plan.stop)).toEqual(timeline && stateAt(timeline, numberOf(position)))
        }
      }),
      runs,
    )
  })

  test('the change at a position can be left out exactly when a log that holds it can be applied, and nothing else is', {
    timeout: patience,
  }, () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const { model, history, reach } = remainingOf(given)
        for (const beforePosition of positions(model)) {
          const plan = planChain(history, { beforePosition })
          expect(plan.possible, JSON.stringify(beforePosition)).toBe(reach.reachesBefore(beforePosition))
          if (!plan.possible) continue
          const timeline = model.contents.get(plan.backups.at(-1)?.id ?? '')?.timeline
          expect(timeline && model.chainOf(timeline)).toBe(beforePosition.chain)
          assertFromWhereItIs(plan, history)
          expect(plan.stop).toEqual({ beforePosition })
          expect(replay(model.contents, plan.backups, plan.stop)).toEqual(timeline && stateAt(timeline, numberOf(beforePosition) - 1))
        }
      }),
      runs,
    )
  })

  test('a backup has a plan exactly when something leads up to it, and what comes back is what was in it', { timeout: patience }, () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const { model, history, backups, reach } = remainingOf(given)
        for (const backup of model.backups) {
          const plan = planChain(history, { backup: backup.id })
          const listed = backups.includes(backup)
          if (!listed) expect(plan).toMatchObject({ possible: false, reason: { code: 'unknown-backup' } })
          else if (backup.position !== undefined && reach.isWhole(backup) && reach.isWorth(backup)) {
            expect(plan.possible, backup.id).toBe(reach.reachesPosition(backup.position))
          }
          if (!plan.possible) continue
          expect(replay(model.contents, plan.backups, plan.stop)).toEqual(model.contents.get(backup.id)?.state)
          const failed = given.asked?.includes('b') === true && backup.status === 'partial'
          expect(failed && plan.items.includes('b')).toBe(false)
        }
      }),
      runs,
    )
  })

  test('the latest is the last state of the newest history of which anything whole comes back', { timeout: patience }, () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const { model, history, reach } = remainingOf(given)
        const plan = planChain(history, { latest: true })
        if (reach.states.size > 0) expect(plan.possible).toBe(true)
        if (!plan.possible) return
        const state = replay(model.contents, plan.backups, plan.stop)
        if (model.clockWasSet || reach.states.size === 0 || !given.ordered) return
        const newest = model.server.timelines.findLast((timeline) =>
          [...reach.states.values()].some(({ chain }) => chain === model.chainOf(timeline)),
        )
        const chain = newest && model.chainOf(newest)
        const last = Math.max(...[...reach.states.values()].flatMap((one) => (one.chain === chain ? [one.number] : [])))
        expect(plan.chain).toBe(chain)
        expect(state).toEqual(newest && stateAt(newest, last))
      }),
      runs,
    )
  })

  test('a log or differential that may follow can be restored, and a full is made only where nothing else could be', {
    timeout: patience,
  }, () => {
    fc.assert(
      fc.property(scenario, ({ events, saysWhatItCovers }) => {
        const model = new ModelHistory(events, saysWhatItCovers)
        for (const { wanted, next, server, stored, backup } of model.captures) {
          const history = { listings: [{ repository: 'first', backups: [...stored, backup] }], order: numbered }
          const plan = planChain(history, { backup: backup.id })
          expect(plan.possible).toBe(true)
          if (plan.possible) expect(replay(model.contents, plan.backups, plan.stop)).toEqual(model.contents.get(backup.id)?.state)
          if (next.kind !== 'full') {
            const follows = stored.find(({ id }) => id === next.follows)
            expect([next.kind, follows?.position]).toEqual([wanted, next.from])
            continue
          }
          expect(next.reason === undefined).toBe(wanted === 'full')
          const before = new ModelReach(stored, undefined, true)
          const oldest = numberOf(server.oldest ?? at('', 0))
          const continuable = [...before.states.values()].filter(({ chain, number }) => chain === next.chain && number >= oldest)
          if (wanted === 'log') expect(continuable).toEqual([])
        }
      }),
      runs,
    )
  })

  test('the order in which backups are listed changes nothing', { timeout: patience }, () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const { model, history } = remainingOf(given)
        const shuffled = {
          ...history,
          listings: history.listings.map(({ repository, backups }) => ({ repository, backups: shuffle(backups, given.seed) })),
        }
        expect(restoreWindows(shuffled)).toEqual(restoreWindows(history))
        expect(findGaps(shuffled)).toEqual(findGaps(history))
        for (const time of moments(model).slice(0, 12)) {
          const target = { at: new Date(time).toISOString() }
          expect(planChain(shuffled, target)).toEqual(planChain(history, target))
        }
      }),
      runs,
    )
  })

  test('whatever records claim, a plan goes from one to the next as they say, and is found whenever there is one', {
    timeout: patience,
  }, () => {
    const place = fc.record({ chain: fc.constantFrom('c', 'd'), number: fc.nat({ max: 8 }) })
    const record = fc.record({
      kind: fc.constantFrom('full' as const, 'differential' as const, 'log' as const, 'log' as const, 'log' as const),
      from: place,
      to: place,
    })
    fc.assert(
      fc.property(fc.array(record, { maxLength: 12 }), fc.boolean(), (records, ordered) => {
        const backups = records.map(({ kind, from, to }, index) =>
          sketched({
            id: String(index).padStart(2, '0'),
            kind,
            consistentAt: new Date(index).toISOString(),
            position: at(to.chain, to.number),
            ...(kind === 'full' ? {} : { from: at(from.chain, from.number) }),
          }),
        )
        const history = { listings: [{ repository: '', backups }], ...(ordered ? { order: numbered } : {}) }
        const reach = new ModelReach(backups, undefined, ordered)
        restoreWindows(history)
        findGaps(history)
        for (const position of [...'cd'].flatMap((chain) => Array.from({ length: 10 }, (_, number) => at(chain, number)))) {
          const plan = planChain(history, { position })
          expect(plan.possible, JSON.stringify(position)).toBe(reach.reachesPosition(position))
          if (!plan.possible) continue
          const steps = plan.backups.map(({ id }) => backups[Number(id)] as Backup)
          for (const [index, { kind, from, position: to }] of steps.entries()) {
            const before = steps[index - 1]?.position
            const last = index === steps.length - 1
            if (kind === 'full') expect(index).toBe(0)
            else if (kind === 'differential') expect([index, before]).toEqual([1, from])
            else if (from?.chain !== to?.chain || !ordered) expect(before).toEqual(from)
            else
              expect([numbered(from as Position, before as Position), numbered(before as Position, to as Position)]).toEqual([
                expect.toSatisfy((n) => n <= 0),
                -1,
              ])
            if (last && plan.stop === undefined) expect(to).toEqual(position)
          }
        }
      }),
      runs,
    )
  })

  test('where no gap is found in a history, everything after its first full can be reached', { timeout: patience }, () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const { model, history, backups, reach } = remainingOf({ ...given, ordered: true, asked: undefined })
        const gaps = findGaps(history)
        const together = gaps.filter(({ repository }) => repository === undefined)
        for (const backup of backups) {
          if (backup.status === 'partial' || backup.limitedTo !== undefined || backup.kind === 'full') continue
          const plan = planChain(history, { backup: backup.id })
          const chains = leadingInto(backup, backups)
          // Logs that reach back further than the oldest full that is left are no gap.
          const states = [...reach.states.values()].filter(({ chain }) => chain === backup.from?.chain)
          if (states.length > 0 && states.every(({ number }) => backup.from !== undefined && number >= numberOf(backup.from))) continue
          if (plan.possible || together.some(({ kind, chain }) => kind === 'missing' && chains.has(chain))) continue
          expect.fail(`backup ${backup.id} cannot be restored, and no gap says why: ${JSON.stringify([gaps, model.backups.length])}`)
        }
        // What one repository lacks and another has is never told of both together.
        for (const { kind, repository } of gaps) expect(kind === 'delayed').toBe(repository !== undefined)
      }),
      runs,
    )
  })
})

/** The chains that a backup hangs on: those it is of, and those from which logs lead into them. */
function leadingInto({ from, position }: Backup, backups: readonly Backup[]): Set<string | undefined> {
  const chains = new Set([from?.chain, position?.chain])
  for (let before = 0; before < chains.size; ) {
    before = chains.size
    for (const other of backups) if (chains.has(other.position?.chain) && other.from !== undefined) chains.add(other.from.chain)
  }
  return chains
}

function shuffle<Element>(list: readonly Element[], seed: number): Element[] {
  const shuffled = [...list]
  let state = seed
  for (let index = shuffled.length - 1; index > 0; index--) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    const other = state % (index + 1)
    ;[shuffled[index], shuffled[other]] = [shuffled[other] as Element, shuffled[index] as Element]
  }
  return shuffled
}
