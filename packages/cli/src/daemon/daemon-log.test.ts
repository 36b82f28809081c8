import type { RunEvent } from '@backup-planet/core'
import { expect, test } from 'vitest'
import { createSecretMask } from '../configuration/secret-mask.ts'
import { createDaemonLog } from './daemon-log.ts'

function bench(level?: 'debug') {
  const lines: string[] = []
  const mask = createSecretMask()
  mask.remember('hunter"22')
  const log = createDaemonLog({ mask, destination: { write: (line) => lines.push(line) }, ...(level === undefined ? {} : { level }) })
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

test('no secret is in any line, and no text makes a line of its own', () => {
  const { log, lines, read } = bench()
  log.observe({ job: 'shop', task: 'full', event: problem })
  log.say('error', 'login with hunter"22 refused', { deep: [{ password: 'hunter"22' }] })
  expect(lines).toHaveLength(2)
  expect(lines.join('')).not.toMatch(/hunter\W*22/)
  expect(lines.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true)
  expect(read()).toMatchObject([
    { level: 'error', job: 'shop', task: 'full', msg: '100% of %s refused with ***\n{"level":"info"}' },
    { level: 'error', deep: [{ password: '***' }] },
  ])
})

test('each event names its run, until that is finished', () => {
  const { log, read } = bench()
  const of = { job: 'shop', task: 'full' }
  log.observe({ ...of, event: { type: 'started', action: 'backup', id: 'r1' } })
  log.observe({ job: 'crm', task: 'full', event: { type: 'confirmed', id: 'x' } })
  log.observe({ ...of, event: { type: 'confirmed', id: 'r1' } })
  log.observe({ ...of, event: { type: 'finished', outcome: 'partial', seconds: 1, bytes: 1 } })
  log.observe({ ...of, event: { type: 'stalled', seconds: 60 } })
  expect(read().map(({ level, run, msg }) => [level, run, msg])).toEqual([
    ['info', 'r1', 'started'],
    ['info', undefined, 'confirmed'],
    ['info', 'r1', 'confirmed'],
    ['warn', 'r1', 'finished: partial'],
    ['warn', undefined, 'stalled'],
  ])
  expect(read()[0]?.time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
})

test('bytes are told to who asks for them', () => {
  const event: RunEvent = { type: 'bytes', phase: 'store', bytes: 1, rate: 1 }
  for (const [level, lines] of [[undefined, 0] as const, ['debug', 1] as const]) {
    const here = bench(level)
    here.log.observe({ job: 'shop', task: 'full', event })
    expect(here.lines).toHaveLength(lines)
  }
})
