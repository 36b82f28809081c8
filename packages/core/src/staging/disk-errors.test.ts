import { expect, test } from 'vitest'
import { BackupError } from '../errors/backup-error.ts'
import { diskError } from './disk-errors.ts'

test.each([
  ['ENOSPC', 'OUT_OF_SPACE'],
  ['EDQUOT', 'OUT_OF_SPACE'],
  ['EACCES', 'ACCESS_DENIED'],
  ['EROFS', 'ACCESS_DENIED'],
  ['ENOTDIR', 'CONFLICT'],
  ['EEXIST', 'CONFLICT'],
  ['EIO', 'CORRUPTED'],
  ['EMFILE', 'OVERLOADED'],
])('the system error %s is %s with a hint', (code, expected) => {
  const error = diskError(Object.assign(new Error('system text'), { code }), 'write', '/stage')
  expect(error).toMatchObject({ code: expected, message: expect.stringContaining('/stage'), hint: expect.stringMatching(/\.$/) })
})

test('errors that are no disk errors pass unchanged', () => {
  for (const error of [new BackupError('x', { code: 'UNKNOWN' }), new TypeError('x'), 'text'])
    expect(diskError(error, 'write', '/stage')).toBe(error)
})
