import type { RunEvent } from '@backup-planet/core'
import { expect, test } from 'vitest'
import type { CommandContext } from '../command-context.ts'
import { createSecretMask } from '../configuration/secret-mask.ts'
import { createOutput } from '../output/output.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { endedRun, runOf } from './__fixtures__/scheduled-runs.ts'
import { type LogLevel, structuredLog } from './structured-log.ts'

function bench(level: LogLevel = 'info') {
  const lines: string[] = []
  const mask = createSecretMask()
  mask.remember('hunter"22')
  mask.remember('event')
  const stream = { write: (text: string) => lines.push(text) }
  const output = createOutput({ stdout: stream, stderr: stream, json: false, mask })
  const context = { output, mask, now: () => 0 } as unknown as CommandContext
  const log = structuredLog(level)(context, {} as Workspace)
  return { log, lines, read: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) }
}

const problem: RunEvent = {
  type: 'problem',
  problem: {
    severity: 'error',
    code: 'APPLICATION',
    message: '100% of %s refused with hunter"22\n{"level":"info"}',
    hint: 'Look at hunter%2222.',
  },
}

test('no secret is in any line, none that is also a name of a field makes it unreadable, and no text makes a line of its own', () => {
  const { log, lines, read } = bench()
  log.onRunEvent?.({ job: 'shop', task: 'full', event: problem })
  log.onDaemonEvent?.({ type: 'configuration-refused', failure: { code: 'X', message: 'hunter"22', hint: 'H.' } as never })
  expect(lines).toHaveLength(2)
  expect(lines.join('')).not.toMatch(/hunter\W*22/)
  expect(lines.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true)
  expect(read()).toMatchObject([
    { level: 'error', job: 'shop', task: 'full', time: '1970-01-01T00:00:00.000Z', event: { type: 'problem' } },
    { level: 'error', event: { type: 'configuration-refused', failure: { message: '***' } } },
  ])
  expect(String(read()[0]?.msg)).toContain('100% of %s refused with ***')
})

test('each event names its run, until that is finished', () => {
  const { log, read } = bench()
  const of = { job: 'shop', task: 'full' } as const
  log.onRunEvent?.({ ...of, event: { type: 'started', action: 'backup', id: 'r1' } })
  log.onRunEvent?.({ job: 'crm', task: 'full', event: { type: 'confirmed', id: 'x' } })
  log.onRunEvent?.({ ...of, event: { type: 'confirmed', id: 'r1' } })
  log.onRunEvent?.({ ...of, event: { type: 'finished', outcome: 'partial', seconds: 1, bytes: 1 } })
  log.onRunEvent?.({ ...of, event: { type: 'stalled', seconds: 60 } })
  expect(read().map(({ level, run, job }) => [level, run, job])).toEqual([
    ['info', 'r1', 'shop'],
    ['info', undefined, 'crm'],
    ['info', 'r1', 'shop'],
    ['warn', 'r1', 'shop'],
    ['warn', undefined, 'shop'],
  ])
})

test.each([
  ['passed', 'info'],
  ['partial', 'warn'],
  ['failed', 'error'],
  ['impossible', 'error'],
] as const)('a drill that is %s is of level %s', (outcome, level) => {
  const { log, read } = bench()
  log.onRunEvent?.({ job: 'shop', task: 'drill', event: { type: 'drilled', job: 'shop', id: 'd1', outcome, stored: 1 } })
  expect(read()).toMatchObject([{ level }])
})

test('what the schedule does has the level of what came of it', () => {
  const { log, read } = bench('warn')
  log.onScheduleEvent?.({ type: 'run-started', run: runOf('log') })
  log.onScheduleEvent?.({ type: 'idle', running: 0 })
  log.onScheduleEvent?.(endedRun('log', 'done'))
  log.onScheduleEvent?.(endedRun('log', 'failed'))
  log.onScheduleEvent?.(endedRun('log', 'partial'))
  expect(read()).toMatchObject([
    { level: 'error', job: 'shop', task: 'log', msg: expect.stringContaining('nobody answers') as string },
    { level: 'warn', job: 'shop', task: 'log' },
  ])
})

test('bytes are told to who asks for them', () => {
  const event: RunEvent = { type: 'bytes', phase: 'store', bytes: 1, rate: 1 }
  for (const [level, lines] of [['info', 0] as const, ['debug', 1] as const]) {
    const here = bench(level)
    here.log.onRunEvent?.({ job: 'shop', task: 'full', event })
    expect(here.lines).toHaveLength(lines)
  }
})
