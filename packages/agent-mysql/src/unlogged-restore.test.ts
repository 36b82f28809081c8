import { expect, it } from 'vitest'
import { unloggedSince } from './unlogged-restore.ts'

const beganAt = '2026-03-01T10:00:00.000Z'
const endedAt = '2026-03-01T10:05:00.000Z'

it('says something against every backup that was made before it ended', () => {
  expect(unloggedSince({ beganAt, endedAt }, '2026-03-01T09:00:00.000Z')).toContain(`ended at ${endedAt}`)
  expect(unloggedSince({ beganAt, endedAt }, '2026-03-01T10:03:00.000Z')).toContain(`ended at ${endedAt}`)
  expect(unloggedSince({ beganAt, endedAt }, endedAt)).toContain(`ended at ${endedAt}`)
})

it('says something against all of them while it has not ended', () => {
  expect(unloggedSince({ beganAt }, '2026-03-02T00:00:00.000Z')).toContain(`began at ${beganAt} and has not ended`)
})

it('says nothing against a backup that was made after it, nor where there was none', () => {
  expect(unloggedSince({ beganAt, endedAt }, '2026-03-01T10:05:00.001Z')).toBeUndefined()
  expect(unloggedSince(undefined, '2026-03-01T09:00:00.000Z')).toBeUndefined()
})
