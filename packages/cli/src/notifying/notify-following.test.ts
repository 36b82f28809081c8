import { BackupError, type RunEvent } from '@backup-planet/core'
import type { TaskOutcome } from '@backup-planet/notifications'
import { describe, expect, test } from 'vitest'
import { notifyFollowing } from './notify-following.ts'

const began = Date.parse('2026-07-24T00:00:00.000Z')
const waiting: RunEvent = {
  type: 'waiting',
  seconds: 1,
  problem: { severity: 'warning', code: 'UNREACHABLE', message: 'following cannot go on for now: nobody answers', hint: 'Start it.' },
}
const started: RunEvent = { type: 'started', action: 'backup' }
const finished: RunEvent = { type: 'finished', outcome: 'failed', seconds: 1, bytes: 0 }
const stored: RunEvent = { type: 'restorable', until: '2026-07-24T00:00:00.000Z', id: 'log-1' }

function follow() {
  const clock = { now: began }
  const seen: TaskOutcome[] = []
  const starts: string[] = []
  const notifier = {
    started: ({ task }: { readonly task: string }) => void starts.push(task),
    observe: (outcome: TaskOutcome) => void seen.push(outcome),
  }
  const told = notifyFollowing(notifier, 'shop', () => clock.now)
  return {
    clock,
    starts,
    seen,
    told,
    outcomes: () => seen.map(({ outcome }) => outcome),
    after(seconds: number, ...events: readonly RunEvent[]) {
      clock.now += seconds * 1000
      for (const event of events) told.onEvent(event)
    },
  }
}

test('that it cannot go on is a failure after a minute, and over when something is stored again', () => {
  const { after, outcomes, seen } = follow()
  after(0, started, finished, waiting)
  after(30, started, finished, waiting)
  expect(outcomes()).toEqual([])
  after(30, started, finished, waiting)
  expect(seen).toEqual([
    {
      job: 'shop',
      task: 'follow',
      at: '2026-07-24T00:01:00.000Z',
      outcome: 'failed',
      failure: { code: 'UNREACHABLE', message: 'following cannot go on for now: nobody answers', hint: 'Start it.' },
    },
  ])
  after(1, started, finished, stored)
  expect(seen.at(-1)).toMatchObject({ outcome: 'done', windowEnd: stored.type === 'restorable' ? stored.until : '' })
  after(5, waiting)
  after(5, stored)
  after(50, waiting)
  expect(outcomes()).toEqual(['failed', 'done', 'done'])
})

describe('waiting for another run of the job', () => {
  const behind: RunEvent & { readonly type: 'waiting' } = {
    type: 'waiting',
    seconds: 1,
    problem: { severity: 'warning', code: 'CONFLICT', message: 'job "shop" is already being backed up', hint: 'Wait for it.' },
  }
  const stalled: RunEvent = { type: 'stalled', seconds: 60 }
  const captured: RunEvent = { type: 'captured', items: 1, failed: 0, bytes: 1 }

  test('is a failure once it has taken an hour, told once, and over when something is stored again', () => {
    const { after, outcomes, seen } = follow()
    after(0, started, behind, { type: 'problem', problem: behind.problem })
    for (let minute = 1; minute < 60; minute++) after(60, stalled)
    expect(outcomes()).toEqual([])
    after(60, stalled)
    expect(seen).toEqual([
      {
        job: 'shop',
        task: 'follow',
        at: '2026-07-24T01:00:00.000Z',
        outcome: 'failed',
        failure: { code: 'CONFLICT', message: 'job "shop" is already being backed up', hint: 'Wait for it.' },
      },
    ])
    after(60, stalled)
    after(60, stalled, captured, finished, stored)
    expect(outcomes()).toEqual(['failed', 'done'])
  })

  test('is none where it was over before, though storing takes longer', () => {
    const { after, outcomes } = follow()
    after(0, started, behind)
    after(3599, stalled, captured)
    after(3600, stalled)
    after(0, finished, started, behind)
    after(3599, stalled)
    expect(outcomes()).toEqual([])
  })

  test('that was told is over as soon as something is stored, and that is noted at once', () => {
    const { after, outcomes } = follow()
    after(0, stored)
    after(1, started, behind)
    after(3600, stalled)
    after(1, captured, finished, stored)
    after(1, stored)
    expect(outcomes()).toEqual(['done', 'failed', 'done'])
  })
})

test('what goes well is noted once a minute', () => {
  const { after, outcomes, starts } = follow()
  for (let times = 0; times < 13; times++) after(10, stored)
  expect(outcomes()).toEqual(['done', 'done', 'done'])
  expect(starts).toEqual(['follow'])
})

test('its end is a failure where it failed, and nothing where it was stopped before anything was stored', () => {
  const { told, seen } = follow()
  const end = { seconds: 1, problems: [] }
  told.ended({ ...end, outcome: 'failed', error: new BackupError('wrong password', { code: 'WRONG_CREDENTIALS', hint: 'Correct it.' }) })
  told.ended({ ...end, outcome: 'aborted', error: new BackupError('not all was stored', { code: 'ABORTED' }) })
  told.ended({ ...end, outcome: 'done', result: { stored: 0, problems: [] } })
  told.ended({ ...end, outcome: 'done', result: { stored: 1, restorableUntil: '2026-07-24T00:00:00.000Z', problems: [] } })
  expect(seen).toMatchObject([
    { outcome: 'failed', failure: { code: 'WRONG_CREDENTIALS', message: 'wrong password', hint: 'Correct it.' } },
    { outcome: 'aborted' },
    { outcome: 'aborted' },
    { outcome: 'done', windowEnd: '2026-07-24T00:00:00.000Z' },
  ])
})
