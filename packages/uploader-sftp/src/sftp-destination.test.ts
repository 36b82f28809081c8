import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseSftpDestination, printSftpDestination } from './sftp-destination.ts'

describe('parseSftpDestination', () => {
  it.each([
    ['', 'does not begin'],
    ['/srv/backups', 'does not begin'],
    ['ssh://host/path', 'does not begin'],
    ['sftp:host/path', 'does not begin'],
    ['sftp:///path', 'names no host'],
    ['sftp://user@/path', 'names no host'],
    ['sftp://host', 'has no path'],
    ['sftp://user:secret@host/path', 'holds a password'],
    ['sftp://user:@host/path', 'holds a password'],
    ['sftp://user;fingerprint=x:y@host/path', 'holds a password'],
    ['sftp://@host/path', 'user name is empty'],
    ['sftp://host:0/path', 'no port'],
    ['sftp://host:70000/path', 'no port'],
    ['sftp://host:22x/path', 'cannot be read'],
    ['sftp://[::1/path', 'cannot be read'],
    ['sftp://-oProxyCommand=x/path', 'no host name'],
    ['sftp://a%20b/path', 'no host name'],
    ['sftp://host/a/../b', '. or ..'],
    ['sftp://host/%2e%2e/b', '. or ..'],
    ['sftp://host/a%00b', 'NUL'],
    ['sftp://host/100%', '%25'],
    ['sftp://host/a?b', '%3F'],
    ['sftp://host/a#b', '%23'],
  ])('refuses %s', (destination, reason) => {
    expect(() => parseSftpDestination(destination)).toThrow(
      expect.objectContaining({ code: 'INVALID_SETTINGS', message: expect.stringContaining(reason) as string }),
    )
  })

  it('never shows a password, and says where it belongs', () => {
    try {
      parseSftpDestination('sftp://user:tr0ub4dor@host/path')
      expect.unreachable()
    } catch (error) {
      expect(JSON.stringify([String(error), error])).not.toContain('tr0ub4dor')
      expect(error).toMatchObject({ hint: expect.stringContaining('password:') as string })
    }
  })

  it.each([
    ['sftp://host/srv/backups', { host: 'host', port: undefined, user: undefined, path: '/srv/backups' }],
    ['SFTP://backup@host:2222/srv//backups/', { host: 'host', port: 2222, user: 'backup', path: '/srv/backups/' }],
    ['sftp://a%40b@host/~/backups', { host: 'host', port: undefined, user: 'a@b', path: 'backups' }],
    ['sftp://host/~', { host: 'host', port: undefined, user: undefined, path: '.' }],
    ['sftp://host/~/', { host: 'host', port: undefined, user: undefined, path: '.' }],
    ['sftp://host/~backups', { host: 'host', port: undefined, user: undefined, path: '/~backups' }],
    ['sftp://[fe80::1]:22/my%20backups/100%25', { host: 'fe80::1', port: 22, user: undefined, path: '/my backups/100%' }],
  ])('reads %s', (destination, place) => {
    expect(parseSftpDestination(destination)).toEqual(place)
  })

  it('reads what was printed of any place', () => {
    const segment = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter((text) => !/[/\0]/.test(text) && !/^(\.|\.\.|~)$/.test(text) && text.isWellFormed())
    const path = fc
      .tuple(fc.boolean(), fc.array(segment, { minLength: 1, maxLength: 4 }))
      .map(([absolute, segments]) => (absolute ? '/' : '') + segments.join('/'))
    const place = fc.record({
      host: fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6()),
      port: fc.option(
        fc.integer({ min: 1, max: 65_535 }).filter((port) => port !== 22),
        { nil: undefined },
      ),
      user: fc.option(
        fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => text.isWellFormed() && !text.includes(':')),
        { nil: undefined },
      ),
      path,
    })
    fc.assert(
      fc.property(place, (given) => {
        expect(parseSftpDestination(printSftpDestination(given))).toEqual(given)
      }),
    )
  })
})
