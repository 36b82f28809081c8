import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ZodError } from 'zod'
import { parseLock } from './lock-record.ts'

it('reads a lock as restic writes it: its doc/design.rst, "Locks"', () => {
  const json = {
    time: '2015-06-27T12:18:51.759239612+02:00',
    exclusive: false,
    hostname: 'kasimir',
    username: 'fd0',
    pid: 13607,
    uid: 1000,
    gid: 100,
  }
  expect(parseLock(json)).toEqual(json)
})

it('reads a lock of Windows, which has no owner, and one without a process', () => {
  expect(parseLock({ time: '2026-01-01T00:00:00Z', exclusive: true })).toEqual({
    time: '2026-01-01T00:00:00Z',
    exclusive: true,
    hostname: '',
    username: '',
    pid: 0,
  })
})

it.each([
  ['nothing', null],
  ['no time', { exclusive: true }],
  ['a time that is none', { time: 'later', exclusive: true }],
  ['a kind that is none', { time: '2026-01-01T00:00:00Z', exclusive: 'yes' }],
  ['a process that is none', { time: '2026-01-01T00:00:00Z', exclusive: true, pid: 'x' }],
])('refuses a lock with %s', (_, json) => {
  expect(() => parseLock(json)).toThrow(ZodError)
})

it('gives a lock or a ZodError', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (json) => {
      expect(() => parseLock(json)).toThrow(ZodError)
    }),
  )
})
