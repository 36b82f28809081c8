import { describe, expect, it } from 'vitest'
import { mysqlAgentSettingsSchema } from '../mysql-agent-settings.ts'
import { optionFileText } from './option-file.ts'

const settings = (more: object) => mysqlAgentSettingsSchema.parse({ user: 'backup', ...more })

describe('an option file', () => {
  it('holds user, password and place, quoted', () => {
    expect(optionFileText('mariadb-backup', settings({ socketPath: '/run/s.sock', password: 'a"b\\c#d\'e' }), {})).toBe(
      '[client]\nuser="backup"\npassword="a\\"b\\\\c#d\'e"\nsocket="/run/s.sock"\n',
    )
    expect(optionFileText('xtrabackup', settings({ host: 'db1', port: 3307 }), {}, '/etc/keys.cnf')).toBe(
      '!include /etc/keys.cnf\n[client]\nuser="backup"\npassword=""\nhost="db1"\nport="3307"\nprotocol="tcp"\n',
    )
  })

  it('asks for TLS in the words of each tool', () => {
    const tls = (family: 'mariadb-backup' | 'xtrabackup', ssl: unknown) =>
      optionFileText(family, settings({ ssl }), {})
        .split('\n')
        .filter((line) => line.includes('ssl'))
    expect(tls('mariadb-backup', {})).toEqual(['ssl', 'ssl-verify-server-cert'])
    expect(tls('mariadb-backup', { rejectUnauthorized: false })).toEqual(['ssl'])
    expect(tls('mariadb-backup', false)).toEqual(['skip-ssl'])
    expect(tls('xtrabackup', {})).toEqual(['ssl-mode=VERIFY_IDENTITY'])
    expect(tls('xtrabackup', { verifyIdentity: false })).toEqual(['ssl-mode=VERIFY_CA'])
    expect(tls('xtrabackup', { rejectUnauthorized: false })).toEqual(['ssl-mode=REQUIRED'])
    expect(tls('xtrabackup', false)).toEqual(['ssl-mode=DISABLED'])
    expect(tls('xtrabackup', undefined)).toEqual([])
  })

  it('never holds what would be another line', () => {
    for (const password of ['a\nuser=root', 'a\rb', 'a\0b']) {
      expect(() => optionFileText('mariadb-backup', settings({ password }), {})).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }))
    }
  })
})
