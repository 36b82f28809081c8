import { expect, test } from 'vitest'
import { mysqlAgentSettingsSchema } from './mysql-agent-settings.ts'
import { isUnprotected } from './mysql-protection.ts'
import { driverOptions } from './mysql-session-setup.ts'

const settingsOf = (more: object) => mysqlAgentSettingsSchema.parse({ user: 'backup', ...more })

test.each([
  [{ host: 'db1.example.com' }, true],
  [{ host: '10.0.0.7' }, true],
  [{ host: '2001:db8::1' }, true],
  [{ host: 'localhost.example.com' }, true],
  [{ host: 'db1.example.com', ssl: false }, false],
  [{ host: 'db1.example.com', ssl: {} }, false],
  [{ host: 'db1.example.com', ssl: { rejectUnauthorized: false } }, false],
  [{}, false],
  [{ host: '127.8.9.10' }, false],
  [{ host: 'LocalHost' }, false],
  [{ host: '::1' }, false],
  [{ host: 'db1.example.com', socketPath: '/run/mysqld/mysqld.sock' }, false],
])('%j is warned of as unprotected: %s', (more, unprotected) => {
  expect(isUnprotected(settingsOf(more))).toBe(unprotected)
})

test('ssl: false is plain TCP, and ssl: true is no setting', () => {
  expect(driverOptions(settingsOf({ ssl: false }))).not.toHaveProperty('ssl')
  expect(driverOptions(settingsOf({ ssl: {} }))).toHaveProperty('ssl')
  expect(mysqlAgentSettingsSchema.safeParse({ user: 'backup', ssl: true }).success).toBe(false)
})
