import { describe, expect, it } from 'vitest'
import { createSftpUploader, plugin, type SftpSettings } from './index.ts'

const settings: SftpSettings = { host: 'host', path: '/srv/backups', password: 'tr0ub4dor' }

function refusal(more: object): unknown {
  try {
    createSftpUploader({ ...settings, ...more })
  } catch (error) {
    return error
  }
  return undefined
}

describe('createSftpUploader', () => {
  it.each([
    [{ host: '' }, 'host: must not be empty'],
    [{ host: '-oProxyCommand=x' }, 'host: must be a host name'],
    [{ host: 'a b' }, 'host: must be a host name'],
    [{ port: 0 }, 'port'],
    [{ path: '' }, 'path: must not be empty'],
    [{ path: '/a/../b' }, 'path: must not contain ..'],
    [{ path: '/a\0' }, 'NUL'],
    [{ privateKeyFile: 'relative' }, 'privateKeyFile: must be an absolute path'],
    [{ hostKeyFingerprint: 'aa:bb' }, 'SHA256:'],
    [{ hostKeyFingerprint: [] }, 'hostKeyFingerprint'],
    [{ connections: 0 }, 'connections'],
    [{ requests: 0 }, 'requests'],
    [{ abandonedAfterSeconds: 60 }, 'abandonedAfterSeconds'],
    [{ verify: 'sometimes' }, 'verify'],
    [{ passphrse: 'x' }, 'did you mean "passphrase"?'],
    [{ jump: { host: 'j', passwrd: 'x' } }, 'did you mean "password"?'],
    [{ jump: [] }, 'jump'],
  ])('refuses %j', (more, reason) => {
    expect(refusal(more)).toMatchObject({ code: 'INVALID_SETTINGS', message: expect.stringContaining(reason) as string })
    expect(JSON.stringify([String(refusal(more)), refusal(more)])).not.toContain('tr0ub4dor')
  })

  it('prints a destination without secrets', () => {
    expect(createSftpUploader({ ...settings, user: 'backup', port: 2222 }).destination).toBe('sftp://backup@host:2222/srv/backups')
  })
})

describe('plugin', () => {
  it('reads its own example', () => {
    expect(plugin.create(plugin.exampleDestination, undefined).destination).toBe(plugin.exampleDestination)
  })

  it('refuses a password in the destination, and settings that the destination has', () => {
    expect(() => plugin.create('sftp://a:b@host/x', {})).toThrow('holds a password')
    expect(() => plugin.create('sftp://a@host/x', { path: '/y' })).toThrow('unknown key "path"')
    expect(() => plugin.create('sftp://a@host/x', { hots: 'y' })).toThrow('unknown key "hots"')
  })
})
