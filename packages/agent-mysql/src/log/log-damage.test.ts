import { BackupError } from '@backup-planet/core'
import { expect, it } from 'vitest'
import { damageOf } from './log-damage.ts'

it.each([
  ['CORRUPTED', 'binlog b.000003 is damaged at offset 421: the checksum of XID does not match'],
  ['APPLICATION', 'reading binlog b.000003 from 4 on failed: event read from binlog did not pass crc check (error 1236)'],
] as const)('says what leads past a binlog that is damaged: %s', (code, message) => {
  const error = damageOf(new BackupError(message, { code, hint: 'x' }), 'b.000004')
  expect(error).toMatchObject({ code: 'CORRUPTED', message, hint: expect.stringContaining("PURGE BINARY LOGS TO 'b.000004'") })
})

it.each([
  new BackupError('gone', { code: 'NOT_FOUND', hint: 'x' }),
  new BackupError('something else failed (error 1030)', { code: 'APPLICATION', hint: 'x' }),
  new TypeError('a mistake'),
])('leaves everything else as it is: %s', (error) => {
  expect(damageOf(error, 'b.000004')).toBe(error)
})
