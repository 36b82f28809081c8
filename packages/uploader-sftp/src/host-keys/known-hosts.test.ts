import { createHmac, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { judgeHostKey, keyTypeOf, knownKeyTypes, parseKnownHosts } from './known-hosts.ts'

// As `ssh-keygen -t ed25519`, `-t ecdsa` and `ssh-keygen -H` of OpenSSH 9.2 wrote them.
const ed25519 = 'AAAAC3NzaC1lZDI1NTE5AAAAIFXOAlTyPuSoQd7s3FKWSVhgGh+4Ws1CBSaBqZMPsmY3'
const other = 'AAAAC3NzaC1lZDI1NTE5AAAAIMk4Hn0X0pRmY6YbZ8LrSgqk2mYqf3Uu9OlHRUuBfJ1C'
const ecdsa = keyOf('ecdsa-sha2-nistp256', 70).toString('base64')
const key = Buffer.from(ed25519, 'base64')

function keyOf(type: string, bytes: number): Buffer {
  const name = Buffer.from(type)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(name.length)
  return Buffer.concat([length, name, Buffer.alloc(bytes, 7)])
}

function judged(text: string, host = 'backup.example.org', port = 22, shown = key) {
  return judgeHostKey(parseKnownHosts(text), host, port, shown)
}

function hashed(name: string, salt = randomBytes(20)): string {
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`
}

describe('parseKnownHosts', () => {
  it.each([
    ['', 'nothing'],
    ['# comment\n\n   \n', 'comments and empty lines'],
    ['host', 'a name alone'],
    ['host ssh-ed25519', 'no key'],
    ['host ssh-ed25519 !!!!', 'a key that is no base64'],
    [`host ssh-rsa ${ed25519}`, 'a key of another kind than is said'],
    [`@unheard-of host ssh-ed25519 ${ed25519}`, 'a marker nobody knows'],
    ['host 1024 35 1234567', 'a key of the first protocol'],
  ])('leaves out %j: %s', (text) => {
    expect(parseKnownHosts(text)).toEqual([])
  })

  it('never fails, whatever the file holds', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => parseKnownHosts(text).length >= 0))
  })

  it('reads carriage returns, tabs and comments behind a key', () => {
    expect(parseKnownHosts(`a,b\tssh-ed25519  ${ed25519} root@host of mine\r\n`)).toEqual([
      { marker: undefined, names: ['a', 'b'], type: 'ssh-ed25519', key },
    ])
  })
})

describe('keyTypeOf', () => {
  it('says nothing of what is no key', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(3), Buffer.from([0, 0, 0, 9, 1]), Buffer.from([255, 255, 255, 255, 1])]) {
      expect(keyTypeOf(bytes)).toBe('')
    }
  })
})

describe('judgeHostKey', () => {
  it.each([
    [`other.example.org ssh-ed25519 ${ed25519}`, 'unknown'],
    [`backup.example.org ssh-ed25519 ${other}`, 'changed'],
    [`backup.example.org ecdsa-sha2-nistp256 ${ecdsa}`, 'changed'],
    [`backup.example.org ssh-ed25519 ${ed25519}`, 'known'],
    [`BACKUP.Example.org ssh-ed25519 ${ed25519}`, 'known'],
    [`backup.example.org ssh-ed25519 ${other}\nbackup.example.org ssh-ed25519 ${ed25519}`, 'known'],
    [`*.example.org ssh-ed25519 ${ed25519}`, 'known'],
    [`backup?example.org ssh-ed25519 ${ed25519}`, 'known'],
    [`*.example.org,!backup.example.org ssh-ed25519 ${ed25519}`, 'unknown'],
    [`!backup.example.org,*.example.org ssh-ed25519 ${ed25519}`, 'unknown'],
    [`backup.example.org ssh-ed25519 ${ed25519}\n@revoked * ssh-ed25519 ${ed25519}`, 'revoked'],
    [`@revoked backup.example.org ssh-ed25519 ${other}\nbackup.example.org ssh-ed25519 ${ed25519}`, 'known'],
    [`@cert-authority *.example.org ssh-ed25519 ${other}`, 'authority-only'],
    [`@cert-authority *.example.org ssh-ed25519 ${ed25519}`, 'authority-only'],
    [`backup.example ssh-ed25519 ${ed25519}`, 'unknown'],
    [`[backup.example.org]:2222 ssh-ed25519 ${ed25519}`, 'unknown'],
  ])('%s is %s', (text, verdict) => {
    expect(judged(text)).toBe(verdict)
  })

  it('looks for a port other than 22 in brackets, and falls back to the host as ssh does', () => {
    const entry = `[backup.example.org]:2222 ssh-ed25519 ${ed25519}`
    expect(judged(entry, 'backup.example.org', 2222)).toBe('known')
    expect(judged(entry, 'backup.example.org', 2223)).toBe('unknown')
    expect(judged(`backup.example.org ssh-ed25519 ${ed25519}`, 'backup.example.org', 2222)).toBe('known')
    expect(judged(`${entry.replace(ed25519, other)}\nbackup.example.org ssh-ed25519 ${ed25519}`, 'backup.example.org', 2222)).toBe(
      'changed',
    )
    expect(judged(`@revoked backup.example.org ssh-ed25519 ${ed25519}\n${entry}`, 'backup.example.org', 2222)).toBe('revoked')
  })

  it('finds hashed names that ssh-keygen -H wrote', () => {
    const line = `|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= ssh-ed25519 ${ed25519}`
    expect(judged(line, '192.168.1.61')).toBe('known')
    expect(judged(line, '192.168.1.62')).toBe('unknown')
  })

  it('finds any hashed name, with its port, and no other', () => {
    fc.assert(
      fc.property(fc.domain(), fc.integer({ min: 1, max: 65_535 }), (host, port) => {
        const name = port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`
        const line = `${hashed(name)} ssh-ed25519 ${ed25519}`
        expect(judged(line, host, port)).toBe('known')
        expect(judged(line, `x${host}`, port)).toBe('unknown')
        expect(judged(line, host, port, Buffer.from(other, 'base64'))).toBe('changed')
      }),
    )
  })

  it.each(['|1|', '|2|AA==|AA==', '|1|AA==', '|', '|1|AA==|AA=='])('takes no broken hash %s for a name', (name) => {
    expect(judged(`${name} ssh-ed25519 ${ed25519}`)).toBe('unknown')
  })

  it('takes no letter of a name for a pattern', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'a.+^$(){}[]\\x') }), (name) => {
        expect(judged(`${name || 'x'} ssh-ed25519 ${ed25519}`, 'zz')).toBe('unknown')
      }),
    )
  })
})

describe('knownKeyTypes', () => {
  it('names the kinds that are known of a host, without those of authorities', () => {
    const entries = parseKnownHosts(
      [
        `h ecdsa-sha2-nistp256 ${ecdsa}`,
        `h ssh-ed25519 ${ed25519}`,
        `h ssh-ed25519 ${other}`,
        `@cert-authority h ssh-ed25519 ${other}`,
      ].join('\n'),
    )
    expect(knownKeyTypes(entries, 'h', 22)).toEqual(['ecdsa-sha2-nistp256', 'ssh-ed25519'])
    expect(knownKeyTypes(entries, 'i', 22)).toEqual([])
  })
})
