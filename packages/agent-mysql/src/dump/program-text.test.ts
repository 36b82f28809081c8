import { expect, test } from 'vitest'
import { withDefiner, withoutAutoIncrement } from './program-text.ts'

const strip = { stripDefiner: true, definerMap: {} }

test.each([
  ['CREATE DEFINER=`a`@`%` PROCEDURE `p`() SELECT 1', 'CREATE PROCEDURE `p`() SELECT 1'],
  [
    'CREATE ALGORITHM=UNDEFINED DEFINER=`a``b`@`h` SQL SECURITY DEFINER VIEW `v` AS select 1',
    'CREATE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW `v` AS select 1',
  ],
  ['CREATE DEFINER="a"@"h" FUNCTION f() RETURNS int RETURN 1', 'CREATE FUNCTION f() RETURNS int RETURN 1'],
  ['CREATE DEFINER=`role` TRIGGER t', 'CREATE TRIGGER t'],
  [
    "CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW SET @a = 'CREATE DEFINER=`a`@`b` '",
    "CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW SET @a = 'CREATE DEFINER=`a`@`b` '",
  ],
])('the definer is left out of %s', (create, expected) => {
  expect(withDefiner(create, strip)).toBe(expected)
})

test('a mapped definer is replaced and quoted, any other is kept', () => {
  const rule = { stripDefiner: false, definerMap: { 'a@%': 'o`x@local host' } }
  expect(withDefiner('CREATE DEFINER=`a`@`%` EVENT e', rule)).toBe('CREATE DEFINER=`o``x`@`local host` EVENT e')
  expect(withDefiner('CREATE DEFINER=`b`@`%` EVENT e', rule)).toBe('CREATE DEFINER=`b`@`%` EVENT e')
})

test('the next AUTO_INCREMENT value is no part of the structure, a column comment that looks like it is', () => {
  const create = (option: string) =>
    `CREATE TABLE \`t\` (\n  \`a\` int COMMENT ') AUTO_INCREMENT=3'\n) ENGINE=InnoDB${option} DEFAULT CHARSET=utf8mb4`
  expect(withoutAutoIncrement(create(' AUTO_INCREMENT=17'))).toBe(create(''))
  expect(withoutAutoIncrement(create(''))).toBe(create(''))
})
