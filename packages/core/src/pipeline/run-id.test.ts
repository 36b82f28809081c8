import { expect, test } from 'vitest'
import { createRunId } from './run-id.ts'

test('run ids sort by time and do not repeat', () => {
  const early = createRunId(new Date('2026-11-22T08:03:12.999Z'))
  const late = createRunId(new Date('2026-11-22T08:03:13Z'))
  expect(early).toMatch(/^20261122T080312Z-[a-z2-7]{6}$/)
  expect(early < late).toBe(true)
  expect(new Set(Array.from({ length: 1000 }, () => createRunId(new Date(0)))).size).toBe(1000)
})
