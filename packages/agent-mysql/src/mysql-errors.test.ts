import { inspect } from 'node:util'
import { BackupError } from '@backup-planet/core'
import { expect, test } from 'vitest'
import { errorNumber, mysqlError, withoutValues } from './mysql-errors.ts'

/** As mysql2 makes it. */
function driverError(message: string, errno: number, sql: string): Error {
  return Object.assign(new Error(message), { errno, code: 'ER_X', sqlState: '42000', sqlMessage: message, sql })
}

const hash = '*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19'

test('nothing of an error holds the statement or the values that the server quotes', () => {
  const syntax = driverError(
    `You have an error in your SQL syntax; check the manual for the right syntax to use near 'AS '${hash}' REQUIRE NONE' at line 1`,
    1064,
    `CREATE USER a IDENTIFIED WITH mysql_native_password AS '${hash}'`,
  )
  const error = mysqlError(syntax, 'creating account a')
  expect(inspect(error, { depth: null, showHidden: true })).not.toContain(hash)
  expect(error).toMatchObject({
    message: expect.stringContaining("near 'AS …' at line 1"),
    cause: { errno: 1064, code: 'ER_X', sqlState: '42000' },
  })
  expect(errorNumber(error)).toBe(1064)
  const row = driverError("Duplicate entry 'ann@example.com' for key 'mail'", 1062, "INSERT INTO t VALUES ('ann@example.com')")
  const duplicate = mysqlError(row, 'loading t')
  expect(inspect(duplicate, { depth: null, showHidden: true })).not.toContain('ann@')
  expect(duplicate).toMatchObject({ code: 'ALREADY_EXISTS', message: expect.stringContaining("for key 'mail'") })
})

test('the stack of the driver stays, so that a bug can be found', () => {
  const original = driverError('Out of memory', 1037, 'SELECT 1')
  const { cause } = mysqlError(original, 'reading')
  expect(cause).toBeInstanceOf(Error)
  expect((cause as Error).stack).toBe(original.stack)
})

test.each([
  ["Duplicate entry 'it's' for key 'k'' for key 'u'", "Duplicate entry '…' for key 'u'"],
  ["Truncated incorrect DOUBLE value: '4111 1111'", "Truncated incorrect DOUBLE value: '…'"],
  ["Incorrect string value: '\\xF0\\x9F' for column `s`.`t`.`c` at row 7", "Incorrect string value: '…' for column `s`.`t`.`c` at row 7"],
  ["Invalid utf8mb4 character string: 'E9E8'", "Invalid utf8mb4 character string: '…'"],
  ['Table has no partition for value 4711', 'Table has no partition for value …'],
  ["BIGINT value is out of range in '(4711 * 5)'", "BIGINT value is out of range in '…'"],
  ["Unknown column 'name' in 'field list'", "Unknown column 'name' in 'field list'"],
  ["syntax to use near 'FORM t' at line 2", "syntax to use near 'FORM t' at line 2"],
  ["syntax to use near 'x\n\"secret' at line 2", "syntax to use near 'x\n…' at line 2"],
])('%s is told as %s', (message, told) => {
  expect(withoutValues(message)).toBe(told)
})

test('a command on a connection that is gone is UNREACHABLE', () => {
  const error = mysqlError(new Error("Can't add new command when connection is in closed state"), 'reading')
  expect(error).toMatchObject({ code: 'UNREACHABLE' })
})

test('an error with its code already, and a bug, are passed through', () => {
  const known = new BackupError('x', { code: 'CONFLICT' })
  expect(mysqlError(known, 'y')).toBe(known)
  const bug = new TypeError('z')
  expect(mysqlError(bug, 'y')).toBe(bug)
})

test.each([
  [1290, 'The MariaDB server is running with the --read-only option so it cannot execute this statement', 'ACCESS_DENIED'],
  [1836, 'Running in read-only mode', 'ACCESS_DENIED'],
  [1820, 'You must SET PASSWORD before executing this statement', 'WRONG_CREDENTIALS'],
])('error %i is told with what to do about it', (number, message, code) => {
  const error = mysqlError(driverError(message, number, ''), 'restoring')
  expect(error).toMatchObject({ code, hint: expect.not.stringContaining('Look up this error') })
})

test('an account that logs in by an unknown plugin is told which ones are known', () => {
  const error = mysqlError(Object.assign(new Error('unknown plugin client_ed25519'), { code: 'AUTH_SWITCH_PLUGIN_ERROR' }), 'connecting')
  expect(error).toMatchObject({ code: 'UNSUPPORTED', hint: expect.stringContaining('caching_sha2_password') })
})
