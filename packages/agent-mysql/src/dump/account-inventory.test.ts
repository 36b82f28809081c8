import { expect, test } from 'vitest'
import { accountsSql, orderedGrants } from './account-inventory.ts'

test('roles are granted before privileges, and the default role comes last', () => {
  expect(orderedGrants(['SET DEFAULT ROLE `r` FOR `a`@`%`', 'GRANT USAGE ON *.* TO `a`@`%`', 'GRANT `r` TO `a`@`%`'])).toEqual([
    'GRANT `r` TO `a`@`%`',
    'GRANT USAGE ON *.* TO `a`@`%`',
    'SET DEFAULT ROLE `r` FOR `a`@`%`',
  ])
})

test('all users and roles exist before anything is granted', () => {
  const sql = accountsSql([
    { type: 'account', kind: 'user', user: 'a', host: '%', create: 'CREATE USER `a`@`%`', grants: ['GRANT `r` TO `a`@`%`'] },
    { type: 'account', kind: 'role', user: 'r', host: '', create: 'CREATE ROLE `r`', grants: ['GRANT SELECT ON `s`.* TO `r`'] },
  ])
  expect(sql.split('\n')).toEqual([
    'CREATE USER IF NOT EXISTS `a`@`%`;',
    'CREATE ROLE IF NOT EXISTS `r`;',
    'GRANT SELECT ON `s`.* TO `r`;',
    'GRANT `r` TO `a`@`%`;',
    '',
  ])
})
