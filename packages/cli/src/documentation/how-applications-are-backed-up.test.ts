import { expect, test } from 'vitest'
import { howApplicationsAreBackedUp } from './how-applications-are-backed-up.ts'

test('plans become numbered lists below their application', () => {
  const steps = [
    { number: 1, text: 'hold it' },
    { number: 2, text: 'copy it' },
  ]
  const plan = { application: 'sample', source: 's', kind: 'log' as const, items: [], steps }
  const text = howApplicationsAreBackedUp([{ title: 'Sample', plans: [plan, { ...plan, kind: 'full', reason: 'no log can follow' }] }])
  expect(text).toContain(
    '\n\n## Sample\n\n### A log backup\n\n1. hold it\n2. copy it\n\n### A full backup\n\nWhy full: no log can follow.\n\n1. hold it',
  )
  expect(text.endsWith('copy it\n')).toBe(true)
})
