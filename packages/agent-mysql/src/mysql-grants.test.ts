import { expect, test } from 'vitest'
import { grantStatement, missingRights, parseGrants, quoteAccount, type RequiredRight } from './mysql-grants.ts'

const select: RequiredRight = { privilege: 'SELECT', scope: 'schema', purpose: 'read rows' }
const reload: RequiredRight = { privilege: 'RELOAD', scope: 'global', purpose: 'lock' }
const names = (lines: string[], required: RequiredRight[], schemas: string[]) =>
  missingRights(parseGrants(lines), required, schemas).map(({ right, schemas: lacking }) => [right.privilege, ...lacking])

test('USAGE gives nothing, and everything missing is named with its schemas', () => {
  expect(names(['GRANT USAGE ON *.* TO `b`@`%`'], [select, reload], ['a', 'b'])).toEqual([['SELECT', 'a', 'b'], ['RELOAD']])
})

test('ALL PRIVILEGES gives everything where it holds and nothing elsewhere', () => {
  expect(names(["GRANT ALL PRIVILEGES ON *.* TO `b`@`%` IDENTIFIED BY PASSWORD '*x' WITH GRANT OPTION"], [select, reload], ['a'])).toEqual(
    [],
  )
  expect(names(['GRANT ALL PRIVILEGES ON `a`.* TO `b`@`%`'], [select, reload], ['a', 'c'])).toEqual([['SELECT', 'c'], ['RELOAD']])
})

test.each([
  ['`shop\\_x`.*', 'shop_x', true],
  ['`shop\\_x`.*', 'shopyx', false],
  ['`shop_x`.*', 'shopyx', true],
  ['`shop%`.*', 'shop', true],
  ['`sh``op`.*', 'sh`op', true],
  ['`s.h`.*', 's.h', true],
  ['`a`.`t`', 'a', false],
])('a grant on %s covers schema %s: %s', (scope, schema, covered) => {
  expect(names([`GRANT SELECT, INSERT ON ${scope} TO 'b'@'%'`], [select], [schema])).toEqual(covered ? [] : [['SELECT', schema]])
})

test('a privilege on columns only does not count, nor does EXECUTE on one routine', () => {
  expect(names(['GRANT SELECT (`a`, `b`), INSERT ON `a`.* TO `b`@`%`'], [select], ['a'])).toEqual([['SELECT', 'a']])
  expect(names(['GRANT EXECUTE ON FUNCTION `a`.`f` TO `b`@`%`'], [select], ['a'])).toEqual([['SELECT', 'a']])
})

test('MySQL 8: long lists, dynamic privileges, roles and partial revokes', () => {
  const lines = [
    'GRANT SELECT, RELOAD, SHOW VIEW ON *.* TO `b`@`%`',
    'GRANT BACKUP_ADMIN,SHOW_ROUTINE ON *.* TO `b`@`%`',
    'GRANT `r`@`%` TO `b`@`%`',
    'REVOKE SELECT ON `secret`.* FROM `b`@`%`',
  ]
  const admin: RequiredRight = { privilege: 'BACKUP_ADMIN', scope: 'global', purpose: 'lock' }
  expect(names(lines, [select, reload, admin], ['a', 'secret'])).toEqual([['SELECT', 'secret']])
})

test('an alternative that includes the right counts', () => {
  const monitor: RequiredRight = { privilege: 'BINLOG MONITOR', scope: 'global', alternatives: ['REPLICATION CLIENT'], purpose: 'position' }
  expect(names(['GRANT REPLICATION CLIENT ON *.* TO `b`@`%`'], [monitor], [])).toEqual([])
})

test('the statement that grants names the account safely', () => {
  expect(grantStatement([select, reload], "o'neil@10.0.%")).toBe("GRANT SELECT, RELOAD ON *.* TO 'o''neil'@'10.0.%'")
  expect(quoteAccount('a@b@localhost')).toBe("'a@b'@'localhost'")
})
