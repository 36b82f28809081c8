import { expect, test } from 'vitest'
import { endedRun as ended } from './__fixtures__/scheduled-runs.ts'
import { createDaemonHealth } from './daemon-health.ts'

const begun = Date.parse('2026-03-01T02:00:00.000Z')

test('is not well from the first failure of a task until that task succeeds, whatever others do', () => {
  const { observe, health } = createDaemonHealth(() => begun, 60_000)
  expect(health()).toEqual({ healthy: true, details: { failed: [], schedule: 'watches' } })
  observe(ended('log', 'failed'))
  observe(ended('full', 'done'))
  observe(ended('log', 'aborted'))
  expect(health()).toMatchObject({ healthy: false, details: { failed: [{ job: 'shop', task: 'log', code: 'UNREACHABLE' }] } })
  observe(ended('log', 'partial'))
  expect(health().healthy).toBe(true)
})

test('is well again once the job that failed is not watched any more', () => {
  const { observe, health, watch } = createDaemonHealth(() => begun, 60_000)
  observe(ended('log', 'failed'))
  watch(['shop', 'other'])
  expect(health().healthy).toBe(false)
  watch(['other'])
  expect(health().healthy).toBe(true)
})

test('is not well when the schedule hangs', () => {
  let now = begun
  const { observe, health } = createDaemonHealth(() => now, 60_000)
  now += 61_000
  expect(health()).toMatchObject({ healthy: false, details: { schedule: 'hangs' } })
  observe({ type: 'idle', running: 0 })
  expect(health().healthy).toBe(true)
})
