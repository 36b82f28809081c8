import { describe, expect, it } from 'vitest'
import { checkAccounts } from './account-restore.ts'
import { checkGrantStatement } from './grant-guard.ts'

const user = { kind: 'user', user: 'u', host: '%' } as const
const role = { kind: 'role', user: 'r', host: '' } as const
const everybody = { kind: 'role', user: 'PUBLIC', host: '' } as const
const refusal = expect.objectContaining({ code: 'CORRUPTED' })

describe('checkGrantStatement refuses', () => {
  it.each([
    'GRANT ALL ON *.* TO `u`@`%`; DROP DATABASE b',
    'GRANT ALL ON *.* TO a; DROP DATABASE b',
    'SET GLOBAL x = 1',
    "SET PASSWORD FOR `u`@`%` = ''",
    'REVOKE ALL ON *.* FROM a',
    'GRANT ALL ON *.* TO `u`@`%` /*!50000 , b */',
    'GRANT ALL ON *.* TO `u`@`%`, `b`@`%`',
    'GRANT ALL ON *.* TO `root`@`localhost`',
    "GRANT ALL ON *.* TO `root`@`localhost` IDENTIFIED BY 'evil' WITH GRANT OPTION",
    'GRANT ALL ON *.* TO `u`@`localhost`',
    'GRANT ALL ON *.* TO `U`@`%`',
    'GRANT ALL ON *.* TO `u`',
    'GRANT ALL ON *.* TO PUBLIC',
    'GRANT ALL ON *.* TO public',
    'GRANT ALL ON *.* TO CURRENT_USER',
    'GRANT ALL ON *.* TO CURRENT_USER()',
    'GRANT `r` TO `u`@`%` TO `b`@`%`',
    'GRANT ALL ON *.*',
    "GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED BY 'clear'",
    "GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*A', `b`@`%`",
    "GRANT USAGE ON *.* TO `u`@`%` REQUIRE SSL AND ISSUER 'x', `b`@`%`",
    'SET DEFAULT ROLE `r` FOR `root`@`localhost`',
    'SET DEFAULT ROLE `r`',
    'SET DEFAULT ROLE `r` TO `u`@`%`, `b`@`%`',
    'GRANT SELECT ON a.b TO `u`@`%` AS `root`@`localhost`',
  ])('%s', (text) => {
    expect(() => checkGrantStatement(user, text)).toThrow(refusal)
  })

  it('what a role of the name of a keyword would mean to the server', () => {
    expect(() => checkGrantStatement({ ...role, user: 'CURRENT_USER' }, 'GRANT ALL ON *.* TO CURRENT_USER')).toThrow(refusal)
    expect(() => checkGrantStatement({ ...role, user: 'public' }, 'GRANT ALL ON *.* TO `public`')).toThrow(refusal)
    expect(() => checkGrantStatement(role, 'GRANT ALL ON *.* TO `r`@`%`')).toThrow(refusal)
  })

  it('a backup with such a line as a whole', () => {
    const create = "CREATE USER `app`@`%` IDENTIFIED BY PASSWORD '*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19'"
    const account = { type: 'account', kind: 'user', user: 'app', host: '%', create } as const
    const hostile = "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` IDENTIFIED BY 'evil' WITH GRANT OPTION"
    expect(() => checkAccounts([{ ...account, grants: [hostile] }])).toThrow(refusal)
    expect(() => checkAccounts([{ ...account, grants: ['GRANT SELECT ON *.* TO `app`@`%`'] }])).not.toThrow()
  })
})

describe('checkGrantStatement accepts', () => {
  it.each([
    [user, 'GRANT SELECT ON `a;b`.* TO `u`@`%`'],
    [user, "GRANT SELECT ON `a`.* TO 'u'@'%'"],
    [user, 'GRANT SELECT (`to`, b), INSERT ON `a`.`to` TO `u`@`%` WITH GRANT OPTION'],
    [user, 'GRANT `r1`@`%`,`r2`@`%` TO `u`@`%`'],
    [user, 'GRANT `r` TO `u`@`%` WITH ADMIN OPTION'],
    [user, "GRANT PROXY ON ''@'%' TO 'u'@'%' WITH GRANT OPTION"],
    [user, "GRANT USAGE ON *.* TO `u`@`%` REQUIRE SUBJECT 'a, b' WITH MAX_QUERIES_PER_HOUR 3"],
    [user, 'REVOKE SELECT ON `mysql`.* FROM `u`@`%`'],
    [user, 'SET DEFAULT ROLE `r` FOR `u`@`%`'],
    [role, 'GRANT SELECT ON `a`.* TO `r`'],
    [everybody, 'GRANT SELECT ON `a`.* TO PUBLIC'],
  ])('for %j: %s', (account, text) => {
    expect(checkGrantStatement(account, text).sql).toBe(text)
  })

  it.each([
    ["GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*A'", 'GRANT USAGE ON *.* TO `u`@`%`'],
    ["GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*A' WITH GRANT OPTION", 'GRANT USAGE ON *.* TO `u`@`%` WITH GRANT OPTION'],
    [
      "GRANT ALL ON *.* TO `u`@`%` IDENTIFIED VIA ed25519 USING 'x' OR unix_socket REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 3",
      'GRANT ALL ON *.* TO `u`@`%` REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 3',
    ],
  ])('a password that MariaDB prints again, and leaves it out: %s', (text, sql) => {
    expect(checkGrantStatement(user, text).sql).toBe(sql)
  })
})
