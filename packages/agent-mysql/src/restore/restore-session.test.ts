import { expect, it } from 'vitest'
import type { ServerFacts } from '../mysql-server.ts'
import { formerDefaults } from './restore-session.ts'

const mysql = (major: number) => ({ flavour: 'mysql', versionNumbers: [major, 0, 30] }) satisfies Partial<ServerFacts>
const mariadb = { flavour: 'mariadb', versionNumbers: [11, 4, 2] } satisfies Partial<ServerFacts>

it('gives MySQL 8 the collation that older servers mean by utf8mb4, and nobody else', () => {
  const former = ['SET SESSION default_collation_for_utf8mb4 = utf8mb4_general_ci']
  expect(formerDefaults(mysql(8), '5.7.44-log')).toEqual(former)
  expect(formerDefaults(mysql(9), '10.4.32-MariaDB')).toEqual(former)
  expect(formerDefaults(mysql(8), '8.4.3')).toEqual([])
  expect(formerDefaults(mysql(5), '5.7.44')).toEqual([])
  expect(formerDefaults(mariadb, '5.7.44')).toEqual([])
  expect(formerDefaults(mysql(8), '')).toEqual([])
})
