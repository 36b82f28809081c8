import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { plugin } from './s3-plugin.ts'
import { resolveS3Settings } from './s3-settings.ts'
import { createS3Uploader } from './s3-uploader.ts'

const least = { bucket: 'bucket' }
const secret = 'hush-hush'

describe('settings', () => {
  test('need no more than a bucket', () => {
    expect(resolveS3Settings(least)).toMatchObject({
      bucket: 'bucket',
      prefix: '',
      profileName: 'aws',
      memoryBytes: 64 * 1024 ** 2,
      concurrency: 4,
      profile: { checksum: 'crc32', pathStyle: false },
    })
  })

  test('follow the endpoint, and the profile where one is given', () => {
    const at = 'https://s3.eu-central-003.backblazeb2.com/'
    expect(resolveS3Settings({ ...least, endpoint: at })).toMatchObject({
      endpoint: at.slice(0, -1),
      profileName: 'b2',
      region: 'eu-central-003',
      profile: { checksum: 'md5', pathStyle: true },
    })
    expect(
      resolveS3Settings({ ...least, endpoint: at, region: 'x', profile: 'minio', pathStyle: false, checksums: 'sha256' }),
    ).toMatchObject({
      profileName: 'minio',
      region: 'x',
      profile: { checksum: 'sha256', pathStyle: false },
    })
    expect(resolveS3Settings({ ...least, profile: 'gcs' })).toMatchObject({
      endpoint: 'https://storage.googleapis.com',
      profileName: 'gcs',
    })
  })

  test.each([
    [{}, /bucket/],
    [{ bucket: '../x' }, /bucket: must be the name of a bucket/],
    [{ ...least, prefix: 'a/' }, /prefix: must be segments/],
    [{ ...least, endpont: 'x' }, /unknown key "endpont".*did you mean "endpoint"/],
    [{ ...least, endpoint: 'host:9000' }, /endpoint: must be http/],
    [{ ...least, profile: 'ceph' }, /endpoint: must be given for the profile ceph/],
    [{ ...least, credentials: { accessKeyId: 'x', secret } }, /credentials/],
    [{ ...least, memoryBytes: 6 * 1024 ** 2 }, /memoryBytes: must be at least partBytes/],
    [{ ...least, partBytes: 1024 }, /partBytes/],
    [{ ...least, concurrency: 0 }, /concurrency/],
    [{ ...least, objectLock: { mode: 'COMPLIANCE' } }, /objectLock: must have mode with retainDays or until/],
    [{ ...least, objectLock: { mode: 'COMPLIANCE', retainDays: 1, until: '2040-01-01T00:00:00Z' } }, /objectLock/],
    [{ ...least, objectLock: { retainDays: 1 } }, /objectLock/],
    [{ ...least, serverSideEncryption: { kind: 'customer', key: secret } }, /key: must be 32 bytes in base64/],
    [{ ...least, serverSideEncryption: { kind: 's3', keyId: 'x' } }, /keyId/],
    [
      { ...least, tags: Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`tag${index}`, 'x'])) },
      /tags: must not be more than 10/,
    ],
    [{ ...least, proxy: `socks5://user:${secret}@host` }, /proxy: must be a URL/],
    [{ ...least, journalDirectory: 'relative' }, /journalDirectory: must be an absolute path/],
    [{ ...least, ca: secret }, /ca: must be certificates/],
    [{ ...least, createClient: () => undefined, credentials: { profile: 'x' } }, /credentials: must not be given beside createClient/],
  ])('%j are refused', (settings, reason) => {
    expect(() => createS3Uploader(settings as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_SETTINGS', message: expect.stringMatching(reason) }),
    )
    expect(() => createS3Uploader(settings as never)).not.toThrow(expect.objectContaining({ message: expect.stringContaining(secret) }))
  })

  test('read certificates from a file, and say which one holds none', () => {
    const directory = mkdtempSync(join(tmpdir(), 'bp-s3-ca-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    const caFile = join(directory, 'ca.pem')
    expect(() => resolveS3Settings({ ...least, caFile })).toThrow(/ca\.pem cannot be read/)
    writeFileSync(caFile, 'nothing')
    expect(() => resolveS3Settings({ ...least, caFile })).toThrow(/ca\.pem holds no certificate/)
    writeFileSync(caFile, '-----BEGIN CERTIFICATE-----\n')
    expect(resolveS3Settings({ ...least, caFile }).ca).toContain('BEGIN CERTIFICATE')
  })
})

describe('the plugin', () => {
  test('takes a destination, and what it does not say as settings', () => {
    const uploader = plugin.create('s3://bucket/some/prefix?endpoint=https://s3.example.com', {
      credentials: { accessKeyId: 'x', secretAccessKey: secret },
    })
    expect(uploader.destination).toBe('s3://bucket/some/prefix?endpoint=https://s3.example.com')
    expect(uploader.supports).toEqual({ atomicReplace: true, concurrency: 4, rangeRead: true, resume: false })
  })

  test('opens its own example', () => {
    expect(plugin.create(plugin.exampleDestination, undefined).destination).toBe(plugin.exampleDestination)
  })

  test('refuses what both say, what neither knows, and settings that are none', () => {
    expect(() => plugin.create('s3://bucket', { bucket: 'other', region: 'x' })).toThrow(/bucket, region of the uploader must not be given/)
    expect(() => plugin.create('s3://bucket', { storageclass: 'GLACIER' })).toThrow(/did you mean "storageClass"/)
    expect(() => plugin.create('s3://bucket', 'text')).toThrow(expect.objectContaining({ code: 'INVALID_SETTINGS' }))
  })
})
