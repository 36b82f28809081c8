import { inspect } from 'node:util'
import { BackupError, failureCodes } from '@backup-planet/core'
import { describe, expect, test } from 'vitest'
import { classifyS3Error, retryAfterOf, s3Error } from './s3-errors.ts'

const place = { destination: 's3://bucket/prefix', bucket: 'bucket' }

/** As the SDK throws what a store answered. */
function answered(name: string, status: number, more: object = {}): Error {
  return Object.assign(new Error('the words of the store'), { name, $metadata: { httpStatusCode: status }, ...more })
}

describe('every error has a code', () => {
  test.each([
    ['NoSuchBucket', 404, 'NOT_FOUND'],
    ['NoSuchKey', 404, 'NOT_FOUND'],
    ['NotFound', 404, 'NOT_FOUND'],
    ['404', 404, 'NOT_FOUND'],
    ['NoSuchUpload', 404, 'CONFLICT'],
    ['AccessDenied', 403, 'ACCESS_DENIED'],
    ['403', 403, 'ACCESS_DENIED'],
    ['InvalidAccessKeyId', 403, 'WRONG_CREDENTIALS'],
    ['SignatureDoesNotMatch', 403, 'WRONG_CREDENTIALS'],
    ['ExpiredToken', 400, 'WRONG_CREDENTIALS'],
    ['RequestTimeTooSkewed', 403, 'WRONG_CREDENTIALS'],
    ['PermanentRedirect', 301, 'INVALID_SETTINGS'],
    ['AuthorizationHeaderMalformed', 400, 'INVALID_SETTINGS'],
    ['SlowDown', 503, 'OVERLOADED'],
    ['ServiceUnavailable', 503, 'OVERLOADED'],
    ['InternalError', 500, 'OVERLOADED'],
    ['UnknownError', 502, 'OVERLOADED'],
    ['TooManyRequests', 429, 'OVERLOADED'],
    ['RequestTimeout', 400, 'TIMED_OUT'],
    ['GatewayTimeout', 504, 'TIMED_OUT'],
    ['QuotaExceeded', 403, 'OUT_OF_SPACE'],
    ['InsufficientStorage', 507, 'OUT_OF_SPACE'],
    ['EntityTooLarge', 400, 'UNSUPPORTED'],
    ['NotImplemented', 501, 'UNSUPPORTED'],
    ['InvalidObjectState', 403, 'UNSUPPORTED'],
    ['BadDigest', 400, 'CORRUPTED'],
    ['PreconditionFailed', 412, 'CONFLICT'],
    ['OperationAborted', 409, 'CONFLICT'],
    ['Teapot', 418, 'UNKNOWN'],
    ['constructor', 200, 'UNREACHABLE'],
  ])('%s with HTTP %i', (name, status, code) => {
    const error = answered(name, status)
    expect(classifyS3Error(error)).toBe(code)
    const named = s3Error(error, 'stat of key', place)
    if (!BackupError.is(named)) throw error
    expect(named.code).toBe(code)
    expect(named.message).toMatch(/^stat of key failed with /)
    expect(named.hint).toMatch(/[.]$|true$/)
  })

  test.each([
    ['ECONNREFUSED', 'UNREACHABLE'],
    ['ECONNRESET', 'UNREACHABLE'],
    ['ENOTFOUND', 'UNREACHABLE'],
    ['EAI_AGAIN', 'UNREACHABLE'],
    ['EPIPE', 'UNREACHABLE'],
    ['HPE_INVALID_CONSTANT', 'UNREACHABLE'],
    ['ETIMEDOUT', 'TIMED_OUT'],
    ['EMFILE', 'OVERLOADED'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'ACCESS_DENIED'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'ACCESS_DENIED'],
  ])('%s of the network', (errno, code) => {
    const error = Object.assign(new Error('x'), { code: errno })
    expect(classifyS3Error(error)).toBe(code)
    expect(classifyS3Error(Object.assign(new AggregateError([error]), {}))).toBe(code)
    const named = s3Error(error, 'list', place) as BackupError
    expect(named.retryable).toBe(code !== 'ACCESS_DENIED')
  })

  test.each([
    [Object.assign(new Error('x'), { name: 'TimeoutError' }), 'TIMED_OUT'],
    [Object.assign(new Error('x'), { name: 'AbortError' }), 'ABORTED'],
    [Object.assign(new Error('x'), { name: 'CredentialsProviderError' }), 'WRONG_CREDENTIALS'],
    [new Error('socket hang up'), 'UNREACHABLE'],
    [new Error('Region is missing'), 'INVALID_SETTINGS'],
    [new TypeError('bug'), 'UNKNOWN'],
    [undefined, 'UNKNOWN'],
    ['text', 'UNKNOWN'],
  ])('%s', (error, code) => {
    expect(failureCodes).toContain(classifyS3Error(error))
    expect(classifyS3Error(error)).toBe(code)
  })
})

describe('the error that is thrown', () => {
  test('names the region of the bucket where the store does', () => {
    for (const more of [{ Region: 'eu-north-1' }, { $response: { headers: { 'x-amz-bucket-region': 'eu-north-1' } } }]) {
      expect((s3Error(answered('AuthorizationHeaderMalformed', 400, more), 'list', place) as BackupError).hint).toContain(
        'region=eu-north-1',
      )
    }
  })

  test('holds no request, no signature and no key', () => {
    const request = { headers: { authorization: 'AWS4 Signature=hush-hush', 'x-amz-security-token': 'hush-hush' } }
    const error = answered('SlowDown', 503, { $response: { headers: { 'retry-after': '7' } }, $request: request, request })
    const named = s3Error(error, 'list', place)
    expect(inspect(named, { depth: 20, showHidden: true })).not.toContain('hush-hush')
    expect(retryAfterOf(named)).toBe(7000)
  })

  test('is the same for a BackupError and for a mistake of the programmer', () => {
    const known = new BackupError('known', { code: 'CORRUPTED' })
    const bug = new TypeError('bug')
    expect(s3Error(known, 'list', place)).toBe(known)
    expect(s3Error(bug, 'list', place)).toBe(bug)
  })

  test('waits as long as a store asks, by seconds or by date', () => {
    const after = (value: string) => retryAfterOf(answered('SlowDown', 503, { $response: { headers: { 'retry-after': value } } }))
    expect(after('3')).toBe(3000)
    expect(after(new Date(Date.now() + 5000).toUTCString())).toBeGreaterThan(3000)
    expect(after('Thu, 01 Jan 1970 00:00:00 GMT')).toBe(0)
    expect(after('soon')).toBeUndefined()
  })
})
