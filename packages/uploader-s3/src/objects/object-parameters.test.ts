import { expect, test } from 'vitest'
import { resolveS3Settings } from '../s3-settings.ts'
import { newObjectParameters } from './object-parameters.ts'

const object = { sha256: undefined, token: 'token' }
const now = new Date('2026-03-01T12:00:00Z')
const parametersOf = (more: object) => newObjectParameters(resolveS3Settings({ bucket: 'bucket', ...more }), object, now)

test.each([
  [{}, {}],
  [{ storageClass: 'STANDARD_IA' }, { StorageClass: 'STANDARD_IA' }],
  [{ tags: { 'a b': 'c&d' } }, { Tagging: 'a+b=c%26d' }],
  [{ serverSideEncryption: { kind: 's3' } }, { ServerSideEncryption: 'AES256' }],
  [{ serverSideEncryption: { kind: 'kms' } }, { ServerSideEncryption: 'aws:kms' }],
  [{ serverSideEncryption: { kind: 'kms', keyId: 'key' } }, { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'key' }],
  [
    { objectLock: { mode: 'GOVERNANCE', retainDays: 30 } },
    { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: new Date('2026-03-31T12:00:00Z') },
  ],
  [
    { objectLock: { mode: 'COMPLIANCE', until: '2030-01-01T01:00:00+01:00', legalHold: true } },
    { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: new Date('2030-01-01T00:00:00Z'), ObjectLockLegalHoldStatus: 'ON' },
  ],
])('%j', (settings, expected) => {
  expect(parametersOf(settings)).toEqual({
    ContentType: 'application/octet-stream',
    Metadata: { 'backup-planet-upload': 'token' },
    ...expected,
  })
})
