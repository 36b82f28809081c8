import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { unlessAborted } from './unless-aborted.ts'

const never = new Promise<never>(() => undefined)

test('gives what the work gives, and leaves no listener behind', async () => {
  const { signal } = new AbortController()
  expect(await unlessAborted(Promise.resolve(7), 'waiting', signal)).toBe(7)
  await expect(unlessAborted(Promise.reject(new TypeError('a mistake')), 'waiting', signal)).rejects.toThrow(TypeError)
  expect(await unlessAborted(Promise.resolve(8), 'waiting', undefined)).toBe(8)
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('ends at once when it is aborted, before or meanwhile, whatever becomes of the work', async () => {
  const controller = new AbortController()
  const { promise: work, reject } = Promise.withResolvers<never>()
  const waiting = unlessAborted(work, 'waiting for a server', controller.signal)
  controller.abort()
  await expect(waiting).rejects.toMatchObject({ code: 'ABORTED', message: 'waiting for a server was aborted' })
  // Nobody hears it: an unhandled rejection would fail this run.
  reject(new Error('late'))
  await expect(unlessAborted(never, 'waiting', controller.signal)).rejects.toMatchObject({ code: 'ABORTED' })
  expect(getEventListeners(controller.signal, 'abort')).toEqual([])
})
