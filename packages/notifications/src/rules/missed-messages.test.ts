import { expect, it } from 'vitest'
import { withMissed } from './missed-messages.ts'
import type { NotificationMessage } from './notification-message.ts'
import { applyOutcome } from './notification-rules.ts'
import { emptyNotificationState, type NotificationState } from './notification-state.ts'
import type { TaskOutcome } from './task-outcome.ts'

const facts = { host: 'db1' }
const at = (minutes: number): string => new Date(Date.parse('2026-07-24T00:00:00.000Z') + minutes * 60_000).toISOString()

function apply(state: NotificationState, minutes: number, code?: string) {
  const ended = { job: 'shop', task: 'log', at: at(minutes) }
  const outcome: TaskOutcome =
    code === undefined ? { ...ended, outcome: 'done' } : { ...ended, outcome: 'failed', failure: { code, message: 'no' } }
  const { messages, ...rest } = applyOutcome(state, outcome, facts)
  return { ...rest, messages: messages.filter(({ type }) => !type.startsWith('run-')) }
}

const failed = apply(emptyNotificationState, 0, 'X')
const message = failed.messages[0] as NotificationMessage

it('what is over, of another task, or no failure is not told again', () => {
  const over = apply(failed.state, 5).state
  expect(withMissed(over, [{ channel: 'mail', message }])).toBe(over)
  const anew = apply(over, 10, 'X').state
  expect(withMissed(anew, [{ channel: 'mail', message }])).toBe(anew)
  for (const other of [{ task: 'constructor' }, { job: 'crm' }, { job: undefined }, { task: undefined }, { type: 'recovered' as const }])
    expect(withMissed(failed.state, [{ channel: 'mail', message: { ...message, ...other } }])).toBe(failed.state)
})

it('what still fails is told to those that missed it, once; another code to everybody', () => {
  const missed = withMissed(failed.state, [
    { channel: 'mail', message },
    { channel: 'chat', message },
    { channel: 'mail', message },
  ])
  const again = apply(missed, 10, 'X')
  expect(again.messages).toMatchObject([{ type: 'failed', answers: message.id }])
  expect(again.only).toEqual({ [again.messages[0]?.id ?? '']: ['mail', 'chat'] })
  expect(apply(again.state, 15, 'X').messages).toEqual([])
  const another = apply(missed, 10, 'Y')
  expect(another.messages).toHaveLength(1)
  expect(another.only).toBeUndefined()
  expect(apply(another.state, 15, 'Y').messages).toEqual([])
})
