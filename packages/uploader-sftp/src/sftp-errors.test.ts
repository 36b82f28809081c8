import { BackupError } from '@backup-planet/core'
import { describe, expect, it } from 'vitest'
import { classifySftpError, connectError, SftpFailure, sftpError } from './sftp-errors.ts'

describe('classifySftpError', () => {
  it.each([
    [1, 'CORRUPTED'],
    [2, 'NOT_FOUND'],
    [3, 'ACCESS_DENIED'],
    [4, 'UNKNOWN'],
    [5, 'INVALID_INPUT'],
    [6, 'UNREACHABLE'],
    [7, 'UNREACHABLE'],
    [8, 'UNSUPPORTED'],
    [10, 'NOT_FOUND'],
    [11, 'CONFLICT'],
    [12, 'ACCESS_DENIED'],
    [14, 'OUT_OF_SPACE'],
    [15, 'OUT_OF_SPACE'],
    [19, 'CONFLICT'],
    [28, 'CORRUPTED'],
    [99, 'UNKNOWN'],
  ])('status %i is %s', (status, code) => {
    expect(classifySftpError(new SftpFailure(status, 'said', 'open', '/a'))).toBe(code)
    expect(classifySftpError(Object.assign(new Error('said'), { code: status }))).toBe(code)
  })

  it.each(['No space left on device', 'Disk quota exceeded', 'write: quota exceeded', 'not enough space on disk'])(
    'reads %j as a full disk',
    (said) => {
      expect(classifySftpError(new SftpFailure(4, said, 'write', undefined))).toBe('OUT_OF_SPACE')
    },
  )

  it.each([
    [{ level: 'client-authentication' }, 'All configured authentication methods failed', 'WRONG_CREDENTIALS'],
    [{ level: 'client-timeout' }, 'Keepalive timeout', 'TIMED_OUT'],
    [{ level: 'client-socket' }, 'read ECONNRESET', 'UNREACHABLE'],
    [{ level: 'client-socket', code: 'ETIMEDOUT' }, 'connect ETIMEDOUT', 'TIMED_OUT'],
    [{ level: 'client-dns' }, 'lookup', 'UNREACHABLE'],
    [{ level: 'handshake' }, 'Handshake failed: no matching key exchange algorithm', 'UNSUPPORTED'],
    [{ level: 'handshake' }, 'Handshake failed: signature verification failed', 'UNREACHABLE'],
    [{ level: 'protocol' }, 'Connection lost before handshake', 'UNREACHABLE'],
    [{ reason: 1 }, '(SSH) Channel open failure: open failed', 'ACCESS_DENIED'],
    [{ reason: 2 }, '(SSH) Channel open failure: open failed', 'UNREACHABLE'],
    [{ reason: 4 }, '(SSH) Channel open failure: open failed', 'OVERLOADED'],
    [{ code: 'ECONNREFUSED' }, 'connect', 'UNREACHABLE'],
    [{ code: 'ENOTFOUND' }, 'getaddrinfo', 'UNREACHABLE'],
    [{}, 'No response from server', 'UNREACHABLE'],
    [{ name: 'AbortError' }, 'aborted', 'ABORTED'],
    [{}, 'something else', 'UNKNOWN'],
  ] as const)('%j with %j is %s', (facts, message, code) => {
    expect(classifySftpError(Object.assign(new Error(message), facts))).toBe(code)
  })

  it('passes on the code of a BackupError', () => {
    expect(classifySftpError(new BackupError('x', { code: 'OVERLOADED' }))).toBe('OVERLOADED')
  })
})

describe('sftpError and connectError', () => {
  it('say what was asked, what was answered, and what to do', () => {
    for (let status = 1; status <= 31; status++) {
      const error = sftpError(new SftpFailure(status, 'said', 'open', '/srv/a'), 'upload of a', 'sftp://host/srv')
      expect(error).toMatchObject({
        message: expect.stringMatching(/upload of a failed: the server answered "said" \(status \d+\) to open of \/srv\/a/) as string,
      })
      expect((error as BackupError).hint?.length).toBeGreaterThan(20)
    }
  })

  it('leave mistakes of the programmer as they are', () => {
    const mistake = new TypeError('x')
    expect(sftpError(mistake, 'upload', 'sftp://host')).toBe(mistake)
  })

  it('give every failed connection a hint', () => {
    for (const level of ['client-authentication', 'client-timeout', 'client-socket', 'client-dns', 'handshake', 'protocol']) {
      expect(connectError(Object.assign(new Error('x'), { level }), 'a@b:22', 20).hint?.length).toBeGreaterThan(20)
    }
  })
})
