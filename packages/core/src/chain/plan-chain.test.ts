import { describe, expect, test } from 'vitest'
import type { Backup, PositionOrder } from '../contracts/index.ts'
import { at, minute, numbered, sketched, withoutItemB } from './__fixtures__/numbered-positions.ts'
import { historyOf } from './chain-history.ts'
import { type ChainPlan, type ChainTarget, planChain } from './plan-chain.ts'

const full = sketched({ id: 'full', kind: 'full', consistentAt: minute(0), position: at('c', 10) })
const log1 = sketched({ id: 'log1', kind: 'log', consistentAt: minute(10), from: at('c', 10), position: at('c', 20) })
const log2 = sketched({ id: 'log2', kind: 'log', consistentAt: minute(20), from: at('c', 20), position: at('c', 30) })
const full2 = sketched({ id: 'full2', kind: 'full', consistentAt: minute(25), position: at('c', 35) })
const log3 = sketched({ id: 'log3', kind: 'log', consistentAt: minute(30), from: at('c', 30), position: at('c', 40) })
const diff = sketched({ id: 'diff', kind: 'differential', consistentAt: minute(27), from: at('c', 35), position: at('c', 37) })
const all = [full, log1, log2, full2, diff, log3]

function planned(backups: readonly Backup[], target: ChainTarget, items?: readonly string[]): ChainPlan {
  const plan = planChain({ ...historyOf(backups, numbered), ...(items === undefined ? {} : { items }) }, target)
  if (!plan.possible) throw new Error(plan.reason.message)
  return plan
}

function refused(backups: readonly Backup[], target: ChainTarget) {
  const plan = planChain(historyOf(backups, numbered), target)
  if (plan.possible) throw new Error(`there is a plan: ${JSON.stringify(plan)}`)
  return plan
}

const ids = (plan: ChainPlan) => plan.backups.map(({ id }) => id)

test('a full in which nothing is takes the place of none, though it is complete', () => {
  const empty = sketched({ id: 'empty', kind: 'full', consistentAt: minute(40), position: at('c', 50), items: [] })
  const later = sketched({ id: 'later', kind: 'log', consistentAt: minute(50), from: at('c', 50), position: at('c', 60) })
  expect(ids(planned([...all, empty], { latest: true }))).toEqual(['full2', 'diff', 'log3'])
  expect(ids(planned([...all, empty, later], { latest: true }))).toEqual(['full2', 'diff', 'log3'])
  expect(planChain(historyOf([empty], numbered), { latest: true }).possible).toBe(false)
})

describe('a moment', () => {
  test('in a log is reached from the newest full before it, stopping before that moment', () => {
    const plan = planned(all, { at: minute(15) })
    expect([ids(plan), plan.stop]).toEqual([['full', 'log1', 'log2'], { before: minute(15) }])
  })

  test('after a full in the middle of a log is reached from that full, with its differential where that is early enough', () => {
    expect(ids(planned(all, { at: minute(26) }))).toEqual(['full2', 'log3'])
    expect(ids(planned(all, { at: minute(28) }))).toEqual(['full2', 'diff', 'log3'])
    expect(ids(planned(all, { at: minute(24) }))).toEqual(['full', 'log1', 'log2', 'log3'])
  })

  test('at which a backup ends is that backup, as a whole', () => {
    const plan = planned(all, { at: minute(25) })
    expect([ids(plan), plan.stop, plan.warnings]).toEqual([['full2'], undefined, []])
    expect(planned(all, { at: minute(10) }).warnings).toEqual([])
    expect(ids(planned(all, { at: minute(20) }))).toEqual(['full', 'log1', 'log2'])
  })

  test('in a gap, before the first or after the last has no plan, and the nearest are named', () => {
    const lost = [full, log1, full2, log3]
    expect(refused(lost, { at: minute(15) })).toMatchObject({
      reason: {
        code: 'in-a-gap',
        message: `The moment ${minute(15)} lies in a gap: what can be restored before it ends at ${minute(10)}, and begins again at ${minute(25)}.`,
      },
      before: { at: minute(10), chain: 'c' },
      after: { at: minute(25), chain: 'c' },
    })
    expect(refused(all, { at: minute(-1) })).toMatchObject({ reason: { code: 'before-first' }, after: { at: minute(0) } })
    expect(refused(all, { at: minute(31) })).toMatchObject({ reason: { code: 'after-last' }, before: { at: minute(30) } })
    expect(refused([log1], { at: minute(5) })).toEqual({
      possible: false,
      reason: { code: 'no-full', message: `There is no full backup by which ${minute(5)} could be reached.` },
    })
  })

  test('that the clock showed twice is the later one, and that is said', () => {
    const back = sketched({
      id: 'back',
      kind: 'log',
      consistentAt: minute(18),
      from: at('c', 20),
      position: at('c', 30),
      covers: [{ from: minute(5), to: minute(18) }],
    })
    const plan = planned([full, log1, back], { at: minute(7) })
    expect(ids(plan)).toEqual(['full', 'log1', 'back'])
    expect(plan.warnings).toEqual([{ code: 'clock-set-back', message: expect.stringContaining(`showed ${minute(7)} 2 times`) }])
    expect(planned([full, log1, back], { at: minute(15) }).warnings).toEqual([])
  })

  test('after a full in a log that had its moment twice is promised only where it must be after the full', () => {
    const covers = [
      { from: minute(20), to: minute(40) },
      { from: minute(24), to: minute(30) },
    ]
    const twice = { ...log3, covers }
    expect(planned([full2, twice], { at: minute(28) }).stop).toEqual({ before: minute(28) })
    expect(refused([full2, twice], { at: minute(35) }).reason.code).toBe('after-last')
  })

  test('in a log that says nothing of its clock, which was set back, is not promised', () => {
    const back = { ...log2, consistentAt: minute(5) }
    const own = planned([full, log1, back], { at: minute(5) })
    expect([ids(own), own.warnings.map(({ code }) => code)]).toEqual([['full', 'log1', 'log2'], ['clock-set-back']])
    expect(planned([full, log1, back], { at: minute(7) }).stop).toEqual({ before: minute(7) })
    expect(ids(planned([full, log1, back], { at: minute(7) }))).toEqual(['full', 'log1'])
  })

  test('is no time when it is no time', () => {
    expect(() => planChain(historyOf(all), { at: 'noon' })).toThrow(TypeError)
  })
})

describe('a fork', () => {
  const branch = sketched({
    id: 'branch',
    kind: 'log',
    consistentAt: minute(30),
    from: at('c', 20),
    position: at('d', 28),
    covers: [{ from: minute(12), to: minute(30) }],
  })
  const forked = [full, log1, log2, branch]

  test('gives the newest branch, says so, and the other when it is asked for', () => {
    const newest = planned(forked, { at: minute(15) })
    expect([ids(newest), newest.chain]).toEqual([['full', 'log1', 'branch'], 'd'])
    expect(newest.warnings).toEqual([
      { code: 'fork', message: `The moment ${minute(15)} is in 2 histories; this is the newest, d. The others are c.` },
    ])
    const other = planned(forked, { at: minute(15), chain: 'c' })
    expect([ids(other), other.warnings]).toEqual([['full', 'log1', 'log2'], []])
    expect(planned(forked, { latest: true }).chain).toBe('d')
    expect(ids(planned(forked, { latest: true, chain: 'c' }))).toEqual(['full', 'log1', 'log2'])
    expect(refused(forked, { latest: true, chain: 'e' }).reason.code).toBe('unknown-chain')
  })

  test('gives the newest branch though its clock is behind', () => {
    const behind = { ...branch, consistentAt: minute(19), endedAt: minute(19), covers: [{ from: minute(12), to: minute(19) }] }
    expect(planned([full, log1, log2, behind], { latest: true }).chain).toBe('d')
  })

  test('that does not say what it covers is promised for its own moment only', () => {
    const { covers: _, ...silent } = branch
    expect(planned([full, log1, silent], { at: minute(30) }).chain).toBe('d')
    expect(refused([full, log1, silent], { at: minute(15) }).reason.code).toBe('in-a-gap')
  })

  test('is never crossed by a log of the other branch', () => {
    const after = sketched({ id: 'after', kind: 'log', consistentAt: minute(40), from: at('d', 30), position: at('d', 35) })
    expect(refused([...forked, after], { backup: 'after' }).reason.code).toBe('in-a-gap')
  })
})

describe('a position', () => {
  test('is reached by as few logs as there are', () => {
    const long = sketched({ id: 'direct', kind: 'log', consistentAt: minute(20), from: at('c', 5), position: at('c', 30) })
    expect(ids(planned([full, log1, log2, long, log3], { position: at('c', 40) }))).toEqual(['full', 'direct', 'log3'])
    expect(ids(planned([full, long, log1, log2], { position: at('c', 25) }))).toEqual(['full', 'direct'])
  })

  test('in a log stops there, one at which a backup ends needs no stop', () => {
    expect(planned(all, { position: at('c', 25) })).toMatchObject({ stop: { position: at('c', 25) } })
    expect(ids(planned(all, { position: at('c', 36) }))).toEqual(['full2', 'log3'])
    expect(planned(all, { position: at('c', 30) }).stop).toBeUndefined()
  })

  test('that is not covered, or of another server, has no plan', () => {
    expect(refused([full, log2], { position: at('c', 15) })).toMatchObject({ reason: { code: 'after-last' }, before: { backup: 'full' } })
    expect(refused([full, full2], { position: at('c', 15) })).toMatchObject({
      reason: { code: 'in-a-gap' },
      before: { position: at('c', 10), backup: 'full' },
      after: { position: at('c', 35), backup: 'full2' },
    })
    expect(refused(all, { position: at('other', 15) }).reason.code).toBe('unknown-position')
  })
})

describe('the time before a change', () => {
  test('is reached by the log that holds it, also where a backup ends exactly at it', () => {
    const leftOut = (number: number) => {
      const plan = planned(all, { beforePosition: at('c', number) })
      return [ids(plan), plan.stop]
    }
    expect(leftOut(25)).toEqual([['full', 'log1', 'log2'], { beforePosition: at('c', 25) }])
    expect(leftOut(30)).toEqual([['full', 'log1', 'log2'], { beforePosition: at('c', 30) }])
    expect(leftOut(35)).toEqual([['full', 'log1', 'log2', 'log3'], { beforePosition: at('c', 35) }])
    expect(leftOut(38)).toEqual([['full2', 'diff', 'log3'], { beforePosition: at('c', 38) }])
  })

  test('cannot be reached where the change is in a full, or in nothing', () => {
    expect(refused([full, full2], { beforePosition: at('c', 35) })).toMatchObject({
      reason: {
        code: 'in-a-gap',
        message: expect.stringMatching(
          /^The change at the position number 35 of c is in no log backup from which it could be left out: it lies/,
        ),
      },
      before: { backup: 'full' },
      after: { backup: 'full2' },
    })
    expect(refused(all, { beforePosition: at('c', 10) }).reason.code).toBe('before-first')
    expect(refused(all, { beforePosition: at('c', 41) }).reason.code).toBe('after-last')
    expect(refused(all, { beforePosition: at('d', 20) }).reason.code).toBe('unknown-position')
  })
})

describe('a position that is a set of changes, which does not compare with those before it', () => {
  const among = (...changes: number[]) => ({ chain: 'c', value: { set: changes.join(' ') } })
  const sets: PositionOrder = (a, b) => {
    if (a.chain !== b.chain) return undefined
    const [one, other] = [a, b].map(({ value }) => new Set(value.set?.split(' ')))
    if (one === undefined || other === undefined) return undefined
    const isPart = (part: ReadonlySet<string>, whole: ReadonlySet<string>) => [...part].every((change) => whole.has(change))
    const [within, around] = [isPart(one, other), isPart(other, one)]
    return within && around ? 0 : within ? -1 : around ? 1 : undefined
  }
  const history = historyOf(
    [
      { ...full, position: among(1, 2) },
      { ...log1, from: among(1, 2), position: among(1, 2, 3, 4) },
      { ...log2, from: among(1, 2, 3, 4), position: among(1, 2, 3, 4, 5) },
    ],
    sets,
  )

  test('lies in the log that completes it', () => {
    expect(planChain(history, { position: among(4) })).toMatchObject({
      backups: [{ id: 'full' }, { id: 'log1' }],
      stop: { position: among(4) },
    })
    expect(planChain(history, { beforePosition: among(4) })).toMatchObject({ backups: [{ id: 'full' }, { id: 'log1' }] })
    expect(planChain(history, { beforePosition: among(5) })).toMatchObject({ backups: [{ id: 'full' }, { id: 'log1' }, { id: 'log2' }] })
  })

  test('has no plan where a full has it, or nothing', () => {
    expect(planChain(history, { beforePosition: among(2) })).toMatchObject({ possible: false, reason: { code: 'before-first' } })
    expect(planChain(history, { position: among(9) })).toMatchObject({ possible: false, reason: { code: 'unknown-position' } })
  })
})

describe('a backup', () => {
  test('comes with all that it needs', () => {
    expect(ids(planned(all, { backup: 'log2' }))).toEqual(['full', 'log1', 'log2'])
    expect(ids(planned(all, { backup: 'diff' }))).toEqual(['full2', 'diff'])
    expect(ids(planned(all, { backup: 'log3' }))).toEqual(['full2', 'diff', 'log3'])
  })

  test('without what it needs has no plan', () => {
    expect(refused([full, diff], { backup: 'diff' }).reason).toEqual({
      code: 'base-missing',
      message: 'The differential backup diff needs the full backup it was made against, that at number 35, and that is not there.',
    })
    expect(refused([full, log2], { backup: 'log2' }).reason.code).toBe('in-a-gap')
    expect(refused([log2], { backup: 'log2' }).reason.code).toBe('no-full')
    expect(refused(all, { backup: 'none' }).reason.code).toBe('unknown-backup')
  })

  test('without a position is restored by itself', () => {
    const { position: _, ...alone } = full
    expect(ids(planned([alone], { latest: true }))).toEqual(['full'])
    expect(planned([alone], { at: minute(0) })).not.toHaveProperty('chain')
  })
})

describe('what failed or was not asked for', () => {
  const partial = withoutItemB(log2)

  test('is left out and named, and nothing is built on it', () => {
    const plan = planned([full, log1, partial], { backup: 'log2' })
    expect([plan.items, plan.failed]).toEqual([['a'], [{ item: 'b', backup: 'log2' }]])
    expect(plan.warnings).toEqual([{ code: 'items-left-out', message: 'These items are left out: "b" failed in backup log2.' }])
    expect(ids(planned([full, log1, partial], { latest: true }))).toEqual(['full', 'log1'])
    expect(refused([full, log1, partial, sketched({ ...log3, kind: 'log' })], { backup: 'log3' }).reason.code).toBe('in-a-gap')
  })

  test('is no matter where other items are asked for', () => {
    expect(ids(planned([full, log1, partial, log3], { backup: 'log3' }, ['a']))).toEqual(['full', 'log1', 'log2', 'log3'])
    expect(() => planned([full, log1, partial], { backup: 'log2' }, ['b'])).toThrow('No item that is asked for comes back')
  })

  test('of a limited backup does not come back from it', () => {
    const limited = { ...full2, limitedTo: ['a'], items: full2.items.slice(0, 1) }
    const plan = planned([full, limited], { backup: 'full2' })
    expect([plan.items, plan.warnings.map(({ code }) => code)]).toEqual([['a'], ['limited']])
    expect(ids(planned([full, limited], { latest: true }))).toEqual(['full'])
    expect(ids(planned([full, limited], { latest: true }, ['a']))).toEqual(['full2'])
  })

  test('has positions of its own where the backups have none', () => {
    const { position: _, from: __, ...bare } = log1
    const items = (from: number, to: number) => [
      { item: 'a', from: at('a', from), to: at('a', to), facts: {} },
      { item: 'b', from: at('b', 1), to: at('b', 2), facts: {} },
    ]
    const [first, second] = [
      { ...bare, id: 'first', kind: 'full' as const, items: items(0, 5) },
      { ...bare, items: items(5, 9) },
    ]
    expect(planned([first, second], { position: at('a', 7) }, ['a'])).toMatchObject({
      chain: 'a',
      items: ['a'],
      stop: { position: at('a', 7) },
    })
    expect(refused([first, second], { position: at('a', 7) }).reason.code).toBe('unknown-position')
  })
})

test('each backup is read where it is, all from one repository where that has them all, and sizes are added up', () => {
  const listings = (first: readonly Backup[], second: readonly Backup[]) => ({
    listings: [
      { repository: 'first', backups: first },
      { repository: 'second', backups: second },
    ],
    order: numbered,
  })
  const repositories = (first: readonly Backup[], second: readonly Backup[]) => {
    const plan = planChain(listings(first, second), { backup: 'log2' })
    return plan.possible ? plan.backups.map(({ repository }) => repository) : []
  }
  expect(repositories([full, log2], [log1])).toEqual(['first', 'second', 'first'])
  expect(repositories([full, log2], [full, log1, log2])).toEqual(['second', 'second', 'second'])
  expect(repositories([full, log1, log2], [full, log1, log2])).toEqual(['first', 'first', 'first'])
  const big = { ...log1, items: [{ item: 'a', facts: {}, files: [{ name: 'x', size: 700, sha256: '' }] }] }
  expect(planned([full, big, log2], { latest: true })).toMatchObject({ bytes: 1100, spaceBytes: 900 })
})
