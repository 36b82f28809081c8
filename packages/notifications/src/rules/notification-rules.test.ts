import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { NotificationMessage } from './notification-message.ts'
import { applyOutcome, applyStart } from './notification-rules.ts'
import { emptyNotificationState, type NotificationState, notificationStateSchema } from './notification-state.ts'
import type { TaskOutcome } from './task-outcome.ts'

const facts = { host: 'db1' }
const began = Date.parse('2026-07-24T00:00:00.000Z')
const minute = 60_000

function at(minutes: number): string {
  return new Date(began + minutes * minute).toISOString()
}

/** As between two processes: what was saved is all there is. */
function saved(state: NotificationState): NotificationState {
  return notificationStateSchema.parse(JSON.parse(JSON.stringify(state)))
}

function told(
  outcomes: readonly TaskOutcome[],
  from = emptyNotificationState,
): { messages: NotificationMessage[]; state: NotificationState } {
  let state = from
  const messages: NotificationMessage[] = []
  for (const outcome of outcomes) {
    const result = applyOutcome(saved(state), outcome, facts)
    state = result.state
    messages.push(...result.messages.filter(({ type }) => !type.startsWith('run-')))
  }
  return { messages, state }
}

function run(minutes: number, code?: string, more: Partial<TaskOutcome> = {}): TaskOutcome {
  const ended = { job: 'shop', task: 'log', at: at(minutes) }
  if (code === undefined) return { ...ended, outcome: 'done', windowEnd: at(minutes), ...more }
  return { ...ended, outcome: 'failed', failure: { code, message: 'nobody answers at 127.0.0.1:3306', hint: 'Start it.' }, ...more }
}

const types = (messages: readonly NotificationMessage[]) => messages.map(({ type }) => type)

describe('odd outcomes', () => {
  it('a failure without a reason, with control characters or without end is told as text that can be read', () => {
    const message = `\u001b[31mred\u0000\ud800${'x'.repeat(10_000)}`
    const { messages } = told([
      run(0, 'UNKNOWN', { failure: { code: 'UNKNOWN', message } }),
      run(1, 'X', { failure: undefined, job: 'constructor' }),
    ])
    expect(messages).toHaveLength(2)
    expect(messages[0]?.body).toContain('\ufffd[31mred')
    expect(messages[0]?.body.length).toBeLessThan(2600)
    for (const odd of ['\u0000', '\u001b', '\ud800']) expect(messages[0]?.body.includes(odd)).toBe(false)
    expect(messages[1]?.subject).toBe('constructor: log backup failed (UNKNOWN)')
    expect(messages[1]?.body).toContain('nothing was said about why')
  })

  it('jobs and tasks with the names of members of objects are jobs and tasks', () => {
    for (const name of ['constructor', 'toString', 'hasOwnProperty']) {
      expect(types(told([run(0, undefined, { job: name, task: name }), run(1, 'X', { job: name, task: name })]).messages)).toEqual([
        'failed',
      ])
    }
  })
})

describe('a streak of failures', () => {
  it('is told once, again in another way, and its end once', () => {
    const { messages } = told([
      run(0),
      run(15, 'UNREACHABLE'),
      run(30, 'UNREACHABLE'),
      run(45, 'OUT_OF_SPACE'),
      run(60, 'UNREACHABLE'),
      run(75),
      run(90),
    ])
    expect(types(messages)).toEqual(['failed', 'failed', 'recovered'])
    const [first, second, end] = messages
    expect(first).toMatchObject({
      subject: 'shop: log backup failed (UNREACHABLE)',
      severity: 'bad',
      code: 'UNREACHABLE',
      lastSuccess: at(0),
      restorableUntil: at(0),
      host: 'db1',
    })
    expect(second).toMatchObject({ answers: first?.id, code: 'OUT_OF_SPACE' })
    expect(end).toMatchObject({ answers: first?.id, subject: 'shop: log backup works again', restorableUntil: at(75) })
    expect(end?.body).toContain('It had failed 4 times since 2026-07-24 00:15:00 UTC, for 1h, last with:\n  UNREACHABLE')
  })

  it('says the message, the hint, the host, when it was last done and up to when it can be restored', () => {
    const { messages } = told([run(0), run(135, 'UNREACHABLE')])
    expect(messages[0]?.body).toBe(
      [
        'The log backup of job shop on db1 failed, 2026-07-24 02:15:00 UTC.',
        '',
        '  UNREACHABLE',
        '  nobody answers at 127.0.0.1:3306',
        '  What to do: Start it.',
        '',
        'Last success: 2026-07-24 00:00:00 UTC, 2h 15m before',
        'Restorable until: 2026-07-24 00:00:00 UTC, 2h 15m before',
        '',
        'This is told once. The next word comes when it is done again or fails in another way; digests list it until then.',
      ].join('\n'),
    )
  })

  it('goes on while runs are partial or aborted, and partial ones name the items', () => {
    const partial = run(30, undefined, {
      outcome: 'partial',
      backup: { id: 'b', kind: 'full', bytes: 1, failedItems: ['orders'] },
      problems: [{ severity: 'error', code: 'APPLICATION', message: '"orders" is marked as crashed', hint: 'Repair it.' }],
    })
    const { messages } = told([
      run(0, 'UNREACHABLE'),
      run(15, undefined, { outcome: 'aborted' }),
      partial,
      { ...partial, at: at(45) },
      run(60),
    ])
    expect(types(messages)).toEqual(['failed', 'partial', 'recovered'])
    expect(messages[1]).toMatchObject({ severity: 'warning', code: 'APPLICATION', hint: 'Repair it.' })
    expect(messages[1]?.body).toContain('Not in this backup: orders')
  })

  it('of drills has words of its own', () => {
    const { messages } = told([run(0, 'CORRUPTED', { task: 'drill' }), run(1, undefined, { task: 'drill' })])
    expect(messages.map(({ type, subject }) => [type, subject])).toEqual([
      ['drill-failed', 'shop: drill failed (CORRUPTED)'],
      ['drill-recovered', 'shop: drill works again'],
    ])
  })

  it('is told once more where the state was lost', () => {
    expect(types(told([run(0, 'UNREACHABLE')], told([run(0, 'UNREACHABLE')]).state).messages)).toEqual([])
    expect(types(told([run(0, 'UNREACHABLE')]).messages)).toEqual(['failed'])
  })
})

describe('each run', () => {
  it('is told to who asks for that, streaks or not; one that was aborted is not', () => {
    const all = [run(0, 'X'), run(1, 'X'), run(2), run(3, undefined, { outcome: 'aborted' }), run(4, undefined, { outcome: 'partial' })]
    let state = emptyNotificationState
    const seen = all.flatMap((outcome) => {
      const result = applyOutcome(state, outcome, facts)
      state = result.state
      return types(result.messages).filter((type) => type.startsWith('run-'))
    })
    expect(seen).toEqual(['run-failed', 'run-failed', 'run-succeeded', 'run-failed'])
    expect(applyStart(state, { job: 'shop', task: 'full', at: at(5) }, facts).messages).toMatchObject([
      { type: 'run-started', subject: 'shop: full backup begins' },
    ])
  })
})

/** One after the other, of several jobs and tasks that know nothing of each other. */
const history = fc.array(
  fc.record({
    job: fc.constantFrom('shop', 'crm', 'toString'),
    task: fc.constantFrom('full', 'log', 'drill'),
    outcome: fc.constantFrom('done', 'partial', 'failed', 'aborted'),
    code: fc.constantFrom('UNREACHABLE', 'TIMED_OUT', 'OUT_OF_SPACE'),
  }),
  { maxLength: 60 },
)

it('tells every streak exactly once in each of its ways and its end exactly once, whatever runs between and however often the process is started anew', () => {
  fc.assert(
    fc.property(history, (runs) => {
      let state = emptyNotificationState
      const messages = runs.flatMap(({ job, task, outcome, code }, index): NotificationMessage[] => {
        const failure = outcome === 'done' || outcome === 'aborted' ? undefined : { code, message: 'x' }
        const result = applyOutcome(saved(state), { job, task, at: at(index), outcome, failure }, facts)
        state = result.state
        return result.messages.filter(({ type }) => !type.startsWith('run-'))
      })
      // An oracle of its own: each task by itself, cut into streaks.
      const expected: string[] = []
      for (const job of ['shop', 'crm', 'toString']) {
        for (const task of ['full', 'log', 'drill']) {
          let open: Set<string> | undefined
          for (const [index, run] of runs.entries()) {
            if (run.job !== job || run.task !== task || run.outcome === 'aborted') continue
            const ends = run.outcome === 'done'
            if (ends && open !== undefined) expected.push(`${index} ${job} ${task} end`)
            if (!ends && open?.has(run.outcome + run.code) !== true) expected.push(`${index} ${job} ${task} ${run.outcome} ${run.code}`)
            open = ends ? undefined : (open ?? new Set()).add(run.outcome + run.code)
          }
        }
      }
      const seen = messages.map(({ at: when, job, task, severity, code }) => {
        const what = severity === 'good' ? 'end' : `${severity === 'warning' ? 'partial' : 'failed'} ${code}`
        return `${(Date.parse(when) - began) / minute} ${job} ${task} ${what}`
      })
      expect(seen.toSorted()).toEqual(expected.toSorted())
      expect(new Set(messages.map(({ id }) => id)).size).toBe(messages.length)
    }),
    { numRuns: 500 },
  )
})
