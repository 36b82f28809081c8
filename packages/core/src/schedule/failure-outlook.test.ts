import { describe, expect, test } from 'vitest'
import { failureOutlook, withLasting } from './failure-outlook.ts'
import { endRun, type JobHistory, leaveOut, type RunEnd, type SlotAttempts } from './schedule-history.ts'
import type { SchedulePolicy } from './schedule-policy.ts'

const policy: SchedulePolicy = { job: 'shop', entries: { full: '0 22 * * *' }, timezone: 'UTC', windows: [{ from: '22:00', to: '23:00' }] }
const moment = (text: string) => Date.parse(`2026-12-${text}Z`)
const failed: RunEnd = { outcome: 'failed' }

/** Runs of these days end one after the other. */
function endedAs(ends: readonly (readonly [slot: string, end: RunEnd])[], before: JobHistory = { watchedSince: 0, tasks: {} }): JobHistory {
  return ends.reduce((history, [day, end]) => {
    const slot = moment(`${day}T22:00:00`)
    return endRun(history, { task: 'full', slot, beganAt: slot }, end, slot + 60_000, policy).history
  }, before)
}

const attemptsOf = ({ tasks }: JobHistory): SlotAttempts | undefined => tasks.full?.attempts
const failedAt = (text: string, more: Partial<SlotAttempts> = {}): SlotAttempts => ({
  slot: moment('06T22:00:00'),
  failures: 1,
  interruptions: 0,
  notBefore: moment(text),
  ...more,
})

describe('a failure', () => {
  test.each([
    ['has another attempt while its window is open', '06T22:59:59', {}, '06T22:59:59', false],
    ['has none once its window has closed', '06T23:00:00', {}, '07T22:00:00', true],
    ['has none once the next slot comes due', '08T22:30:00', {}, '07T22:00:00', true],
    ['is a lasting one after three others', '06T22:30:00', { failures: 4 }, '06T22:30:00', true],
    ['is none of a quarter of an hour yet', '06T22:30:00', { failingSince: moment('06T21:55:01') }, '06T22:30:00', false],
    ['is a lasting one after a quarter of an hour', '06T22:30:00', { failingSince: moment('06T21:55:00') }, '06T22:30:00', true],
    ['stays a lasting one', '06T22:30:00', { lasting: true }, '06T22:30:00', true],
    ['is a lasting one after a slot that nobody was told of', '06T22:30:00', { untoldBefore: true }, '06T22:30:00', true],
  ] as const)('%s', (_, notBefore, more, retryAt, lasting) => {
    expect(failureOutlook(failedAt(notBefore, more), 'full', policy, moment('06T22:10:00'))).toEqual({ retryAt: moment(retryAt), lasting })
  })

  test('is not tried again in the past, and when a window is open, after a run that outlasted its next slot', () => {
    expect(failureOutlook(failedAt('08T12:01:00'), 'full', policy, moment('08T12:00:00'))).toEqual({
      retryAt: moment('08T22:00:00'),
      lasting: true,
    })
  })
})

test('a failure that nobody was told of is not forgotten where its slot, and those after it, are left out', () => {
  const untold = endedAs([['06', failed]])
  const later = (history: JobHistory) => attemptsOf(endedAs([['09', failed]], leaveOut(history, 'full', moment('08T22:00:00'))))
  expect(later(untold)).toMatchObject({ slot: moment('09T22:00:00'), failures: 1, untoldBefore: true })
  expect(later(withLasting(untold, 'full'))).not.toHaveProperty('untoldBefore')
  expect(leaveOut(endedAs([['06', { outcome: 'aborted' }]]), 'full', moment('08T22:00:00')).tasks.full).not.toHaveProperty('attempts')
})

test('a slot has been failing since the first attempt that failed began, through interruptions', () => {
  const slot = moment('06T22:00:00')
  const end = (history: JobHistory, minute: number, outcome: 'failed' | 'aborted') =>
    endRun(history, { task: 'full', slot, beganAt: slot + minute * 60_000 }, { outcome }, slot + (minute + 1) * 60_000, policy).history
  const interrupted = end({ watchedSince: 0, tasks: {} }, 0, 'aborted')
  expect(attemptsOf(interrupted)).not.toHaveProperty('failingSince')
  const failing = end(interrupted, 5, 'failed')
  const since = slot + 5 * 60_000
  expect(attemptsOf(failing)?.failingSince).toBe(since)
  expect(attemptsOf(end(end(failing, 7, 'aborted'), 9, 'failed'))?.failingSince).toBe(since)
  expect(attemptsOf(endedAs([['07', failed]], failing))?.failingSince).toBe(moment('07T22:00:00'))
})

describe('that nobody was told of a slot', () => {
  test.each([
    ['stays known with the next one', [], true],
    [
      'stays known beyond one that is only interrupted or deferred',
      [
        ['07', { outcome: 'aborted' }],
        ['07', { outcome: 'deferred', seconds: 30 }],
      ],
      true,
    ],
    ['ends with a run that is done', [['07', { outcome: 'done' }]], undefined],
    ['ends with one that is given up, which is told', [['07', { outcome: 'failed', retry: false }]], undefined],
  ] as const)('%s', (_, between, expected) => {
    expect(attemptsOf(endedAs([['06', failed], ...between, ['08', failed]]))?.untoldBefore).toBe(expected)
  })

  test('is not so of one that was told', () => {
    const told = withLasting(endedAs([['06', failed]]), 'full')
    expect(attemptsOf(told)?.lasting).toBe(true)
    const next = attemptsOf(endedAs([['07', failed]], told))
    expect(next).toMatchObject({ failures: 1 })
    expect(next).not.toHaveProperty('lasting')
    expect(next).not.toHaveProperty('untoldBefore')
  })
})
