import { expect, it } from 'vitest'
import type { NotificationMessage } from './notification-message.ts'
import { applyOutcome } from './notification-rules.ts'
import { emptyNotificationState, type NotificationState } from './notification-state.ts'
import { applyWindowLimits } from './window-rules.ts'

const facts = { host: 'db1' }
const limits = { shop: 45 * 60_000 }
const at = (minutes: number): string => new Date(Date.parse('2026-07-24T00:00:00.000Z') + minutes * 60_000).toISOString()

function play(steps: readonly (readonly ['look', number] | readonly ['log', number, number?] | readonly ['fail', number])[]) {
  let state: NotificationState = emptyNotificationState
  const messages: NotificationMessage[] = []
  for (const [what, minutes, end] of steps) {
    const ended = { job: 'shop', task: 'log', at: at(minutes) }
    const result =
      what === 'look'
        ? applyWindowLimits(state, at(minutes), limits, facts)
        : what === 'fail'
          ? applyOutcome(state, { ...ended, outcome: 'failed', failure: { code: 'UNREACHABLE', message: 'x' } }, facts)
          : applyOutcome(state, { ...ended, outcome: 'done', windowEnd: at(end ?? minutes) }, facts)
    state = result.state
    messages.push(...result.messages.filter(({ type }) => type.startsWith('window')))
  }
  return { messages, told: messages.map(({ type, at: when }) => [type, (Date.parse(when) - Date.parse(at(0))) / 60_000]) }
}

it('a window that stands still for longer than its limit is told once, and once when it moves again', () => {
  const { told, messages } = play([
    ['log', 0],
    ['look', 45],
    ['look', 46],
    ['fail', 50],
    ['look', 90],
    ['log', 100],
    ['log', 115],
    ['look', 130],
  ])
  expect(told).toEqual([
    ['window-stopped-growing', 46],
    ['window-grows-again', 100],
  ])
  expect(messages[1]?.answers).toBe(messages[0]?.id)
  expect(messages[0]?.subject).toBe('shop: nothing newer than 2026-07-24 00:00:00 UTC can be restored')
  expect(messages[0]?.body).toContain('has not grown for 46m; it should at least every 45m.')
})

it('runs that are done do not help while the end stays where it is', () => {
  expect(
    play([
      ['log', 0],
      ['log', 30, 0],
      ['log', 46, 0],
      ['look', 47],
    ]).told,
  ).toEqual([['window-stopped-growing', 47]])
})

it('of a job that was never backed up the time counts from when it was first looked at', () => {
  const { told, messages } = play([
    ['look', 10],
    ['look', 50],
    ['fail', 51],
    ['look', 56],
  ])
  expect(told).toEqual([['window-stopped-growing', 56]])
  expect(messages[0]?.subject).toBe('shop: nothing can be restored yet')
  expect(messages[0]?.body).toContain('What fails: log (UNREACHABLE) since 2026-07-24 00:51:00 UTC.')
})

it('a window that was cut short grows from where it is now', () => {
  expect(
    play([
      ['log', 60],
      ['log', 65, 5],
      ['look', 100],
      ['log', 101, 10],
      ['look', 120],
    ]).told,
  ).toEqual([])
})

it('a clock that is set back hides nothing for as long as it was ahead', () => {
  expect(
    play([
      ['log', 1000],
      ['look', 10],
      ['look', 56],
    ]).told,
  ).toEqual([['window-stopped-growing', 56]])
})

it('jobs without a limit are left alone', () => {
  const state = applyOutcome(
    emptyNotificationState,
    { job: 'crm', task: 'full', at: at(0), outcome: 'done', windowEnd: at(0) },
    facts,
  ).state
  expect(applyWindowLimits(state, at(100_000), {}, facts)).toEqual({ state, messages: [] })
})
