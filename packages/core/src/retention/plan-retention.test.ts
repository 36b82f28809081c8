import { describe, expect, test } from 'vitest'
import { at, type BackupSketch, numbered, sketched, withoutItemB } from '../chain/__fixtures__/numbered-positions.ts'
import { historyOf } from '../chain/chain-history.ts'
import type { Backup } from '../contracts/index.ts'
import { planRetention, type RetentionOptions } from './plan-retention.ts'
import type { RetentionRules } from './retention-rules.ts'

const now = new Date('2026-03-31T12:00:00Z')
const day = 86_400_000

/** At noon of a day of March, and by default at the position of that day. */
function full(date: number, sketch: Partial<Backup> = {}): Backup {
  return sketched({ id: `full-${date}`, kind: 'full', consistentAt: noon(date), position: at('s', date * 10), ...sketch })
}

function differential(date: number, of: number, sketch: Partial<Backup> = {}): Backup {
  const positions = { from: at('s', of * 10), position: at('s', date * 10) }
  return sketched({ id: `differential-${date}`, kind: 'differential', consistentAt: noon(date), ...positions, ...sketch } as BackupSketch)
}

/** From the evening of the day before to this evening, so that the full of the day lies in it. */
function log(date: number, sketch: Partial<Backup> = {}): Backup {
  const consistentAt = new Date(Date.parse(noon(date)) + day / 2).toISOString()
  const positions = { from: at('s', date * 10 - 5), position: at('s', date * 10 + 5) }
  return sketched({ id: `log-${date}`, kind: 'log', consistentAt, ...positions, ...sketch } as BackupSketch)
}

function noon(date: number): string {
  return new Date(Date.UTC(2026, 2, date, 12)).toISOString()
}

function days(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

function keptOf(backups: readonly Backup[], rules: RetentionRules, options?: RetentionOptions): string[] {
  const decisions = planRetention(historyOf(backups, numbered), rules, now, options)
  return decisions.filter(({ action }) => action === 'keep').map(({ backup }) => backup.id)
}

/** Of one backup, `keep` or `remove` with the clauses. */
function saidOf(id: string, backups: readonly Backup[], rules: RetentionRules, options?: RetentionOptions): string[] {
  const decision = planRetention(historyOf(backups, numbered), rules, now, options).find(({ backup }) => backup.id === id)
  return [String(decision?.action), ...(decision?.reasons.map(({ code, message }) => `${code}: ${message}`) ?? [])]
}

describe('rules that cannot be meant are refused, with what to do', () => {
  test.each([
    [{ keepLast: -1 }, 'the rule keepLast is -1', 'Give a whole number, 0 or more.'],
    [{ keepDaily: 1.5 }, 'the rule keepDaily is 1.5', 'Give a whole number, 0 or more.'],
    [{ log: { keepWithin: Number.NaN } }, 'the rule log.keepWithin is NaN', 'Give a whole number, 0 or more.'],
    [
      { keepLast: 0, keepDaily: 0 },
      'the rules keepLast, keepDaily are all 0 and would keep nothing',
      expect.stringContaining('leave the rules out'),
    ],
    [{ keepLast: 1, log: { keepLast: 0 } }, 'the rules log.keepLast are all 0 and would keep nothing', expect.any(String)],
    [{ differential: { keepWeekly: 0 } }, 'the rules differential.keepWeekly are all 0 and would keep nothing', expect.any(String)],
  ])('%j', (rules, message, hint) => {
    expect(() => planRetention(historyOf([full(1)]), rules, now)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT', message, hint }))
  })

  test('several repositories, single items and no time are mistakes of the program', () => {
    const listings = [
      { repository: 'a', backups: [] },
      { repository: 'b', backups: [] },
    ]
    expect(() => planRetention({ listings }, {}, now)).toThrow(TypeError)
    expect(() => planRetention({ listings: [], items: ['a'] }, {}, now)).toThrow(TypeError)
    expect(() => planRetention({ listings: [] }, {}, new Date('never'))).toThrow(TypeError)
    expect(() => planRetention({ listings: [] }, {}, now, { timezone: 'x' })).toThrow(expect.objectContaining({ code: 'INVALID_SETTINGS' }))
  })
})

test('nothing is planned for nothing, and no rules keep everything', () => {
  expect(planRetention({ listings: [] }, { keepLast: 1 }, now)).toEqual([])
  expect(saidOf('full-1', [full(1), full(2)], {})).toEqual(['keep', 'no-rules: no rule is given for it'])
  expect(keptOf([full(1), log(1), full(2), log(2)], { log: {} })).toHaveLength(4)
})

describe('fulls by themselves', () => {
  const march = days(1, 31).map((date) => full(date))

  test('the newest of each day, week and month, as many as there are', () => {
    expect(keptOf(march, { keepLast: 2 })).toEqual(['full-30', 'full-31'])
    expect(keptOf(march, { keepDaily: 3, keepWeekly: 3 })).toEqual(['full-22', 'full-29', 'full-30', 'full-31'])
    expect(keptOf([...march, full(-40), full(-41)], { keepMonthly: 5 })).toEqual(['full--40', 'full-31'])
    expect(keptOf(march, { keepWithin: 3 * day })).toEqual(['full-29', 'full-30', 'full-31'])
    expect(keptOf(march, { keepLast: 100 })).toHaveLength(31)
  })

  test('young is counted from the newest, so that weeks without a backup, or a clock that jumps ahead, cost nothing', () => {
    const early = days(1, 10).map((date) => full(date))
    expect(keptOf(early, { keepWithin: 3 * day })).toEqual(['full-8', 'full-9', 'full-10'])
    const ahead = full(31, { id: 'ahead', beganAt: '2031-01-01T00:00:00Z' })
    expect(keptOf([...early, ahead], { keepWithin: 3 * day })).toEqual(['full-8', 'full-9', 'full-10', 'ahead'])
    const logs = early.flatMap((backup, index) => [backup, log(index + 1)])
    const kept = keptOf(logs, { keepLast: 1, log: { keepWithin: day * 1.5 } })
    // What lies early in the log of the 9th follows the full of the 8th.
    expect(kept.filter((id) => id.startsWith('log'))).toEqual(['log-8', 'log-9', 'log-10'])
  })

  test('two in one hour are one hour, and the newer one stays', () => {
    const twice = [full(1), full(1, { id: 'later', beganAt: '2026-03-01T12:20:00Z', position: at('s', 11) })]
    expect(keptOf(twice, { keepHourly: 2 })).toEqual(['later'])
    expect(keptOf(twice, { keepHourly: 2, keepLast: 2 })).toEqual(['full-1', 'later'])
  })

  test('each says why, with the values', () => {
    const rules = { keepLast: 1, keepDaily: 2, keepWeekly: 2, keepWithin: 30 * 3_600_000 }
    expect(saidOf('full-31', march, rules)).toEqual([
      'keep',
      'last: among the last 1',
      'daily: daily 2026-03-31',
      'weekly: weekly 2026-W14',
      'within: less than 30h older than the newest',
      'last-restorable: the last that can be restored',
    ])
    expect(saidOf('full-27', march, rules)).toEqual(['remove', 'superseded: superseded by full-29, which is weekly 2026-W13'])
    expect(saidOf('full-1', march, rules)).toEqual([
      'remove',
      'expired: older than what is kept: the last 1, of 2 days, of 2 weeks, all less than 30h older than the newest',
    ])
  })

  test('days are counted in the zone', () => {
    const evening = full(1, { id: 'evening', beganAt: '2026-03-01T23:30:00Z', endedAt: '2026-03-01T23:30:00Z', position: at('s', 11) })
    const morning = full(2, { id: 'morning', beganAt: '2026-03-02T08:00:00Z', endedAt: '2026-03-02T08:00:00Z' })
    expect(keptOf([evening, morning], { keepDaily: 5 })).toEqual(['evening', 'morning'])
    expect(keptOf([evening, morning], { keepDaily: 5 }, { timezone: 'Europe/Paris' })).toEqual(['morning'])
  })

  test('the last is kept though it is older than everything that the rules keep', () => {
    const set = [full(1), full(2, { beganAt: noon(-20) })]
    expect(saidOf('full-2', set, { keepWithin: 1 })).toEqual(['keep', 'last-restorable: the last that can be restored'])
    expect(keptOf([full(0), ...set], { keepWithin: 1 })).toEqual(['full-1', 'full-2'])
  })

  test('one that began after now is kept, and takes the place of none', () => {
    const ahead = full(31, { id: 'ahead', beganAt: '2031-01-01T00:00:00Z' })
    expect(keptOf([full(1), full(2), ahead], { keepLast: 1 })).toEqual(['full-2', 'ahead'])
    expect(saidOf('ahead', [full(1), full(2), ahead], { keepLast: 1 })[1]).toBe(
      'future: it began at 2031-01-01T00:00:00.000Z, which has yet to come',
    )
  })

  test('they are dated by when their runs began, not by the clock of a server that was set back', () => {
    const set = full(31, { consistentAt: '2020-01-01T00:00:00Z', beganAt: noon(31) })
    expect(keptOf([full(1), full(2), set], { keepLast: 1 })).toEqual(['full-31'])
  })
})

describe('what hangs on others', () => {
  test('a differential keeps its full, and counts beside fulls unless it has rules of its own', () => {
    const backups = [full(1), differential(2, 1), differential(3, 1), full(4), differential(5, 4)]
    expect(keptOf(backups, { keepLast: 3 })).toEqual(['full-1', 'differential-3', 'full-4', 'differential-5'])
    expect(saidOf('full-1', backups, { keepLast: 3 })).toEqual(['keep', 'needed: needed by differential-3'])
    expect(keptOf(backups, { keepLast: 1, differential: { keepLast: 1 } })).toEqual(['full-4', 'differential-5'])
    expect(keptOf(backups, { keepLast: 1, differential: {} })).toEqual(backups.map(({ id }) => id))
  })

  test('without rules for logs, every moment since the oldest full that is kept stays, and no more', () => {
    const backups = days(1, 10).flatMap((date) => [full(date), log(date)])
    const kept = keptOf(backups, { keepLast: 3 })
    expect(kept).toEqual(['full-8', 'log-8', 'full-9', 'log-9', 'full-10', 'log-10'])
    expect(saidOf('log-9', backups, { keepLast: 3 })).toEqual([
      'keep',
      'log-window: not older than full-8, the oldest full backup that is kept',
    ])
    expect(saidOf('log-7', backups, { keepLast: 3 })).toEqual([
      'remove',
      'before-log-window: older than full-8, the oldest full backup that is kept',
    ])
    expect(keptOf(backups, { keepWithin: 1 })).toEqual(['full-10', 'log-10'])
  })

  test('logs with rules are kept with all that leads to them, and older fulls without logs', () => {
    const backups = days(1, 10).flatMap((date) => [full(date), log(date)])
    expect(keptOf(backups, { keepLast: 5, log: { keepWithin: 1 } }).filter((id) => id.startsWith('log'))).toEqual(['log-9', 'log-10'])
    const recent = { keepLast: 5, log: { keepLast: 2 } }
    // Moments early in the log of the 9th are those after the full of the 8th.
    expect(keptOf(backups, recent)).toEqual(['full-6', 'full-7', 'full-8', 'log-8', 'full-9', 'log-9', 'full-10', 'log-10'])
    expect(saidOf('log-8', backups, recent)).toEqual(['keep', 'needed: needed by log-9'])
  })

  test('after a gap the full that logs begin with is kept, though the rules would not', () => {
    const backups = [full(1), log(1), full(4), log(4), full(5), log(5), full(6), log(6)]
    expect(keptOf(backups, { keepWeekly: 2 })).toEqual(['full-1', 'log-1', 'full-4', 'log-4', 'log-5', 'full-6', 'log-6'])
    expect(saidOf('full-4', backups, { keepWeekly: 2 })).toEqual(['keep', 'needed: needed by log-4'])
  })

  test('a differential whose full is elsewhere does not take the place of one that can be restored', () => {
    const backups = [full(1), differential(5, 4)]
    expect(keptOf(backups, { keepLast: 1 })).toEqual(['full-1', 'differential-5'])
    expect(keptOf([differential(3, 2), ...backups], { keepLast: 1 })).toEqual(['full-1', 'differential-5'])
  })

  test('logs are not thinned where no full says how old they may be', () => {
    expect(keptOf([log(1), log(2)], { keepLast: 1 })).toEqual(['log-1', 'log-2'])
  })

  test('what the store retains keeps what it needs, and nothing else that hangs on that', () => {
    const backups = days(1, 5).flatMap((date) => [full(date), log(date)])
    const stays = new Map([['log-2', 'the store retains it until 2027']])
    expect(keptOf(backups, { keepLast: 1 }, { stays })).toEqual(['full-1', 'log-1', 'log-2', 'full-5', 'log-5'])
    expect(saidOf('log-2', backups, { keepLast: 1 }, { stays })).toEqual(['keep', 'stays: the store retains it until 2027'])
  })

  test('the history that went on after a fork stays the newest', () => {
    const other = [full(20, { position: at('t', 1) }), log(21, { from: at('t', 1), position: at('t', 9) })]
    expect(keptOf([full(1), log(1), ...other], { keepLast: 1 })).toEqual(['full-20', 'log-21'])
  })
})

describe('partial and limited backups', () => {
  const limited = (date: number, ...items: string[]) =>
    full(date, { id: `limited-${date}`, limitedTo: items, items: full(date).items.filter(({ item }) => items.includes(item)) })
  const partial = (date: number) => withoutItemB(full(date, { id: `partial-${date}` }))

  test('they never take the place of a complete one', () => {
    expect(keptOf([full(1), partial(2), limited(3, 'a')], { keepLast: 1 })).toEqual(['full-1', 'partial-2', 'limited-3'])
    expect(keptOf([full(1), full(2), partial(3), partial(4)], { keepLast: 1 })).toEqual(['full-2', 'partial-4'])
  })

  test('limited ones stand for each other only with the same items', () => {
    const backups = [limited(1, 'a'), limited(2, 'b'), limited(3, 'a'), full(4)]
    expect(keptOf(backups, { keepLast: 1 })).toEqual(['limited-2', 'limited-3', 'full-4'])
  })

  test('the last good copy of an item that is still backed up is kept', () => {
    const within = 'within: less than 1ms older than the newest'
    const backups = [full(1), partial(5), partial(6), partial(7)]
    expect(keptOf(backups, { keepWithin: 1 })).toEqual(['full-1', 'partial-7'])
    expect(saidOf('full-1', backups, { keepWithin: 1 })).toEqual(['keep', within, 'last-restorable: the last that can be restored'])
    expect(saidOf('partial-7', backups, { keepWithin: 1 })).toEqual(['keep', within, 'last-of-item: the last that brings back a'])
    const before = [limited(1, 'b'), partial(2)]
    expect(saidOf('limited-1', before, { keepWithin: 1 })).toEqual(['keep', within, 'last-of-item: the last that brings back b'])
  })

  test('one in which nothing is takes the place of none', () => {
    expect(keptOf([full(1), full(2), full(3, { items: [] })], { keepLast: 1 })).toEqual(['full-2', 'full-3'])
  })
})

describe('an item that newer fulls lack', () => {
  const withC = (date: number, sketch: Partial<Backup> = {}) =>
    full(date, { items: [...full(date).items, { item: 'c', bytes: 1, facts: {} }], ...sketch })
  const held =
    'gone-item: the last that brings back c, which full backups lack since full-2; it stays until there is a backup of 2026-04-01T12:00:00.000Z'

  test('stays for 30 days after the first complete full without it, and says so', () => {
    const backups = [withC(0), withC(1), ...days(2, 31).map((date) => full(date))]
    expect(keptOf(backups, { keepLast: 1 })).toEqual(['full-1', 'full-2', 'full-31'])
    expect(saidOf('full-1', backups, { keepLast: 1 })).toEqual(['keep', held])
    expect(saidOf('full-2', backups, { keepLast: 1 })).toEqual([
      'keep',
      'first-without-item: the first without c, from which on full-1 stays until 2026-04-01T12:00:00.000Z',
    ])
    expect(saidOf('full-31', backups, { keepLast: 40 })).toEqual([
      'keep',
      'last: among the last 40',
      'last-restorable: the last that can be restored',
    ])
  })

  test('goes once, though each day is pruned by itself', () => {
    let left = [withC(1)]
    const daysWithIt = days(2, 40).filter((date) => {
      const today = new Date(Date.parse(noon(date)) + 1)
      const decisions = planRetention(historyOf([...left, full(date)], numbered), { keepLast: 2 }, today)
      left = decisions.filter(({ action }) => action === 'keep').map(({ backup }) => backup)
      return left.some(({ id }) => id === 'full-1')
    })
    expect(daysWithIt).toEqual(days(2, 31))
    expect(left.map(({ id }) => id)).toEqual(['full-39', 'full-40'])
  })

  test('goes after that with a reason that names it', () => {
    const backups = [withC(0), full(1), ...days(2, 31).map((date) => full(date))]
    expect(keptOf(backups, { keepLast: 1 })).toEqual(['full-31'])
    expect(saidOf('full-0', backups, { keepLast: 1 })).toEqual([
      'remove',
      'expired: older than what is kept: the last 1',
      'gone-item-expired: the last that brings back c, which full backups lack since full-1; its grace ended at 2026-03-31T12:00:00.000Z',
    ])
    expect(keptOf(backups.slice(0, -1), { keepLast: 1 })).toEqual(['full-0', 'full-1', 'full-30'])
  })

  test('is not lacked by partial, limited and empty ones, nor by those before a newer one that names it', () => {
    const partial = withoutItemB(full(2, { id: 'partial' }))
    expect(keptOf([withC(1), partial], { keepWithin: 1 })).toEqual(['full-1', 'partial'])
    const limited = full(2, { id: 'limited', limitedTo: ['a'], items: full(2).items.slice(0, 1) })
    expect(saidOf('full-1', [withC(1), limited, full(3, { items: [] })], { keepLast: 1 })).not.toContain(held)
    const failed = withC(4, {
      status: 'partial',
      items: withC(4).items.map((item) => (item.item === 'c' ? { ...item, failure: { code: 'APPLICATION', message: 'it broke' } } : item)),
    })
    expect(saidOf('full-1', [withC(1), full(2), failed], { keepLast: 1 })).toEqual(['keep', 'last-of-item: the last that brings back c'])
  })

  test('keeps the logs up to the full that lacks it, and not those behind it', () => {
    const backups = [withC(1), log(2), full(3), log(3), full(4), log(4), full(5), log(5)]
    const joined = backups.map((backup) => (backup.id === 'log-2' ? { ...backup, from: at('s', 10) } : backup))
    expect(keptOf(joined, { keepLast: 1 })).toEqual(['full-1', 'log-2', 'full-3', 'full-5', 'log-5'])
    expect(saidOf('full-1', joined, { keepLast: 1 })).toEqual(['keep', 'needed: needed by log-2'])
  })
})

test('an application whose items have histories of their own is seen item by item', () => {
  const items = (from: number | undefined, a: number, b: number) =>
    Object.entries({ a, b }).map(([item, number]) => ({
      item,
      bytes: 1,
      facts: {},
      ...(from === undefined ? {} : { from: at(item, from) }),
      to: at(item, number),
    }))
  const without = (backup: Backup): Backup => {
    const { position: _position, from: _from, ...rest } = backup
    return rest
  }
  const backups = [
    without(full(1, { items: items(undefined, 10, 10) })),
    without(differential(2, 1, { items: items(10, 20, 20) })),
    without(full(3, { items: items(undefined, 30, 30) })),
    without(log(4, { items: items(30, 40, 40) })),
  ]
  expect(keptOf(backups, { keepLast: 2 })).toEqual(['full-1', 'differential-2', 'full-3', 'log-4'])
  expect(keptOf(backups, { keepLast: 1 })).toEqual(['full-3', 'log-4'])
  expect(keptOf(backups, { keepLast: 1, log: { keepWithin: 1 } })).toEqual(['full-3', 'log-4'])
})

test('the time it takes does not grow with the square of the backups', () => {
  const minutes = Array.from({ length: 20_000 }, (_, minute) => {
    const consistentAt = new Date(now.getTime() - (20_000 - minute) * 60_000).toISOString()
    const ofDay =
      minute % 144 === 0 ? [sketched({ id: `full-${minute}`, kind: 'full', consistentAt, position: at('s', minute * 2 + 1) })] : []
    const positions = { from: at('s', minute * 2), position: at('s', minute * 2 + 2) }
    return [...ofDay, sketched({ id: `log-${minute}`, kind: 'log', consistentAt, ...positions })]
  }).flat()
  const began = performance.now()
  const decisions = planRetention(historyOf(minutes, numbered), { keepDaily: 4, log: { keepWithin: 3 * day, keepHourly: 100 } }, now)
  expect(performance.now() - began).toBeLessThan(15_000)
  expect(decisions.filter(({ action }) => action === 'remove').length).toBeGreaterThan(5000)
})
