import { expect, test } from 'vitest'
import type { MysqlSession } from '../mysql-connection.ts'
import { serverRow } from '../mysql-rows.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { checkAccounts } from '../restore/account-restore.ts'
import { accountsSql, orderedGrants, readAccounts } from './account-inventory.ts'

test('roles are granted before privileges, and the default role comes last', () => {
  expect(orderedGrants(['SET DEFAULT ROLE `r` FOR `a`@`%`', 'GRANT USAGE ON *.* TO `a`@`%`', 'GRANT `r` TO `a`@`%`'])).toEqual([
    'GRANT `r` TO `a`@`%`',
    'GRANT USAGE ON *.* TO `a`@`%`',
    'SET DEFAULT ROLE `r` FOR `a`@`%`',
  ])
})

test('all users and roles exist before anything is granted', () => {
  const sql = accountsSql([
    {
      type: 'account',
      kind: 'user',
      user: 'a',
      host: '%',
      create: 'CREATE USER `a`@`%`',
      alter: 'ALTER USER `a`@`%` PASSWORD EXPIRE NEVER',
      grants: ['GRANT `r` TO `a`@`%`'],
    },
    { type: 'account', kind: 'role', user: 'r', host: '', create: 'CREATE ROLE `r`', grants: ['GRANT SELECT ON `s`.* TO `r`'] },
  ])
  expect(sql.split('\n')).toEqual([
    'CREATE USER IF NOT EXISTS `a`@`%`;',
    'ALTER USER `a`@`%` PASSWORD EXPIRE NEVER;',
    'CREATE ROLE IF NOT EXISTS `r`;',
    'GRANT SELECT ON `s`.* TO `r`;',
    'GRANT `r` TO `a`@`%`;',
    '',
  ])
})

test('MySQL 8: a default role is set once the roles are there and granted, not by CREATE USER', async () => {
  const answers: Readonly<Record<string, readonly (readonly string[])[]>> = {
    "SELECT user, host, 'N' AS is_role FROM mysql.user ORDER BY user, host": [['ann', '%', 'N']],
    "SHOW CREATE USER 'ann'@'%'": [
      [
        "CREATE USER `ann`@`%` IDENTIFIED WITH 'caching_sha2_password' AS 0x24 DEFAULT ROLE `reader`@`%`,`DEFAULT ROLE`@`10.%` REQUIRE NONE PASSWORD EXPIRE DEFAULT ACCOUNT UNLOCK",
      ],
    ],
    "SHOW GRANTS FOR 'ann'@'%'": [['GRANT USAGE ON *.* TO `ann`@`%`'], ['GRANT `reader`@`%`,`DEFAULT ROLE`@`10.%` TO `ann`@`%`']],
  }
  const session: MysqlSession = {
    run: async () => undefined,
    rows: async (sql: string, during = sql) => (answers[sql] ?? []).map((values) => serverRow(['user', 'host', 'is_role'], values, during)),
  }
  const server = { flavour: 'mysql', supports: { roles: true } } as ServerFacts
  const [account] = await readAccounts(session, server, false)
  expect(account).toMatchObject({
    create: "CREATE USER `ann`@`%` IDENTIFIED WITH 'caching_sha2_password' AS 0x24 REQUIRE NONE PASSWORD EXPIRE DEFAULT ACCOUNT UNLOCK",
    grants: [
      'GRANT `reader`@`%`,`DEFAULT ROLE`@`10.%` TO `ann`@`%`',
      'GRANT USAGE ON *.* TO `ann`@`%`',
      "SET DEFAULT ROLE `reader`@`%`,`DEFAULT ROLE`@`10.%` TO 'ann'@'%'",
    ],
  })
  expect(() => checkAccounts(account === undefined ? [] : [account])).not.toThrow()
})
