import { BackupError } from '@backup-planet/core'
import { expect, it } from 'vitest'
import { atPlace, placeError } from './place-errors.ts'

it.each([
  ['EBUSY', 'UNSUPPORTED'],
  ['EXDEV', 'UNSUPPORTED'],
  ['EACCES', 'ACCESS_DENIED'],
  ['EROFS', 'ACCESS_DENIED'],
  ['ENOSPC', 'OUT_OF_SPACE'],
  ['ENOTEMPTY', 'CONFLICT'],
])('says %s of the file system as %s, with the path and what to do', async (errno, code) => {
  const work = () => Promise.reject(Object.assign(new Error('no'), { code: errno }))
  await expect(atPlace('rename', '/srv/data', work)).rejects.toMatchObject({
    code,
    message: expect.stringMatching(/^cannot rename \/srv\/data: .*\(E[A-Z]+\)$/),
    hint: expect.stringMatching(/^[A-Z].*\.$/),
  })
})

it('passes on what it does not know', () => {
  const known = new BackupError('x', { code: 'CONFLICT' })
  const other = new TypeError('x')
  expect(placeError(known, 'rename', '/x')).toBe(known)
  expect(placeError(other, 'rename', '/x')).toBe(other)
})
