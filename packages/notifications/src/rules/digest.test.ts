import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { applyDigest } from './digest-rules.ts'
import { type DigestSchedule, nextDigest, weekdays } from './digest-schedule.ts'
import type { ListedWindow } from './listed-window.ts'
import { applyOutcome } from './notification-rules.ts'
import { emptyNotificationState, type NotificationState } from './notification-state.ts'
import { applyWindowLimits } from './window-rules.ts'

const facts = { host: 'db1' }
const daily: DigestSchedule = { every: 'daily', at: '07:00', day: 'mon', timezone: 'Europe/Paris' }

describe('the next digest', () => {
  const iso = (schedule: DigestSchedule, after: string) => new Date(nextDigest(schedule, Date.parse(after))).toISOString()

  it('is at its time on the clock of its zone, on both sides of a change of clocks', () => {
    expect(iso(daily, '2026-03-28T05:59:59Z')).toBe('2026-03-28T06:00:00.000Z')
    expect(iso(daily, '2026-03-28T06:00:00Z')).toBe('2026-03-29T05:00:00.000Z')
    expect(iso(daily, '2026-10-24T05:00:00Z')).toBe('2026-10-25T06:00:00.000Z')
    expect(iso({ ...daily, every: 'weekly' }, '2026-07-24T12:00:00Z')).toBe('2026-07-27T05:00:00.000Z')
    expect(iso({ ...daily, timezone: 'Pacific/Kiritimati' }, '2026-07-24T12:00:00Z')).toBe('2026-07-24T17:00:00.000Z')
  })

  it('of a zone that is not known is refused', () => {
    expect(() => nextDigest({ ...daily, timezone: 'Mars/Base' }, 0)).toThrow(expect.objectContaining({ code: 'INVALID_SETTINGS' }))
  })

  it('comes once for each day, or chosen day, of a year in every zone, at its time or within an hour of it', () => {
    const schedule = fc.record({
      every: fc.constantFrom('daily' as const, 'weekly' as const),
      at: fc
        .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
        .map((time) => time.map((part) => String(part).padStart(2, '0')).join(':')),
      day: fc.constantFrom(...weekdays),
      timezone: fc.constantFrom('UTC', 'Europe/Paris', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', 'Pacific/Apia'),
    })
    fc.assert(
      fc.property(schedule, (chosen) => {
        const end = Date.parse('2027-02-01T00:00:00Z')
        const clock = new Intl.DateTimeFormat('sv', { timeZone: chosen.timezone, dateStyle: 'short', timeStyle: 'short' })
        const local = (moment: number) => clock.format(moment)
        const days = new Set<string>()
        let moment = nextDigest(chosen, Date.parse('2026-01-31T12:00:00Z'))
        let count = 0
        for (; moment < end; moment = nextDigest(chosen, moment)) {
          count++
          days.add(local(moment).slice(0, 10))
          const [, hours = 0, minutes = 0] = /(\d\d):(\d\d)/.exec(local(moment))?.map(Number) ?? []
          const [wantedHours = 0, wantedMinutes = 0] = chosen.at.split(':').map(Number)
          const late = (hours * 60 + minutes - wantedHours * 60 - wantedMinutes + 1440) % 1440
          if (late > 60) throw new Error(`${local(moment)} for ${chosen.at}`)
        }
        expect(days.size).toBe(count)
        expect(count).toBeGreaterThanOrEqual(chosen.every === 'daily' ? 364 : 51)
      }),
      { numRuns: 8 },
    )
  })
})

describe('a digest', () => {
  const look = (state: NotificationState, now: string) => applyDigest(state, now, daily, ['shop', 'crm'], facts)

  it('says what ran, sizes, failures and windows, and counts anew', () => {
    let state = look(emptyNotificationState, '2026-07-23T10:00:00.000Z').state
    const run = (at: string, more: object) => {
      state = applyOutcome(state, { job: 'shop', task: 'log', at, outcome: 'done', ...more }, facts).state
    }
    run('2026-07-23T20:00:00.000Z', {
      windowEnd: '2026-07-23T20:00:00.000Z',
      seconds: 90,
      backup: { id: 'b', kind: 'log', bytes: 3 * 1024 ** 2, storedBytes: 1024 ** 2 },
    })
    run('2026-07-23T20:15:00.000Z', { outcome: 'failed', failure: { code: 'UNREACHABLE', message: 'nobody answers\nat all' } })
    const { messages, state: after } = look(state, '2026-07-24T05:00:00.000Z')
    expect(messages).toMatchObject([{ type: 'digest', severity: 'warning', subject: 'backups of db1: failing: shop' }])
    expect(messages[0]?.body).toBe(`What ran on db1 from 2026-07-23 10:00:00 UTC to 2026-07-24 05:00:00 UTC: failing: shop.

shop (failing)
  log backup: 1 done, 1 failed, 3.0 MiB, 1.0 MiB stored, 1m 30s in all, last done 9h before
    failing since 2026-07-23 20:15:00 UTC: UNREACHABLE nobody answers
  restorable until 2026-07-23 20:00:00 UTC, 9h before

crm
  nothing has run`)
    const next = look(after, '2026-07-25T05:00:00.000Z').messages[0]
    expect(next?.body).toContain('log backup: did not run, last done 1d 9h before')
    expect(next?.body).toContain('failing since 2026-07-23 20:15:00 UTC')
  })

  it('says of what can be restored what a look into the repositories has shown, and what is remembered where nobody could look', () => {
    const begun = look(emptyNotificationState, '2026-07-23T10:00:00.000Z').state
    const windowEnd = '2026-07-23T20:00:00.000Z'
    const seen = applyOutcome(begun, { job: 'shop', task: 'log', at: windowEnd, outcome: 'done', windowEnd }, facts).state
    const digest = (listed: Readonly<Record<string, ListedWindow>>, state = seen) => {
      const [message] = applyDigest(state, '2026-07-24T05:00:00.000Z', daily, ['shop'], facts, listed).messages
      return [message?.subject, ...(message?.body.split('\n').filter((line) => /restor|looked|moved/.test(line)) ?? [])]
    }
    const [well, failing] = ['backups of db1: all well', 'backups of db1: failing: shop']
    const problem = { code: 'UNREACHABLE', message: 'nobody answers\nat all' }
    const until = '2026-07-24T04:00:00.000Z'
    expect(digest({ shop: { until } })).toEqual([well, '  restorable until 2026-07-24 04:00:00 UTC, 1h before'])
    expect(digest({ crm: { until } })).toEqual([well, '  restorable until 2026-07-23 20:00:00 UTC, 9h before'])
    expect(digest({ shop: {} })).toEqual([failing, '  nothing of it can be restored'])
    const why = '  not all of its repositories could be looked into: UNREACHABLE nobody answers'
    expect(digest({ shop: { until, problem } })).toEqual([failing, '  restorable until 2026-07-24 04:00:00 UTC, 1h before', why])
    const remembered = '  restorable until 2026-07-23 20:00:00 UTC, 9h before, by the last run that is known here'
    expect(digest({ shop: { problem } })).toEqual([failing, remembered, why])
    const told = applyWindowLimits(seen, '2026-07-23T23:00:00.000Z', { shop: 60_000 }, facts).state
    expect(digest({ shop: { until: windowEnd } }, told)).toContain('  which has not moved since 2026-07-23 20:00:00 UTC')
    expect(digest({ shop: { until } }, told)).not.toContain('  which has not moved since 2026-07-23 20:00:00 UTC')
  })

  it('that was missed comes once, and jobs that are gone are forgotten', () => {
    let state = look(emptyNotificationState, '2026-07-20T10:00:00.000Z').state
    state = applyOutcome(state, { job: 'gone', task: 'log', at: '2026-07-20T11:00:00.000Z', outcome: 'done' }, facts).state
    const late = look(state, '2026-07-24T09:00:00.000Z')
    expect(late.messages).toHaveLength(1)
    expect(late.messages[0]?.body).not.toContain('gone')
    expect(Object.keys(late.state.jobs)).toEqual(['shop', 'crm'])
    expect(look(late.state, '2026-07-24T09:01:00.000Z').messages).toEqual([])
    expect(look(late.state, '2026-07-25T04:59:59.000Z').messages).toEqual([])
    expect(look(late.state, '2026-07-25T05:00:00.000Z').messages).toHaveLength(1)
  })
})
