import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { inspect, promisify } from 'node:util'
import { PutBucketPolicyCommand, PutObjectLockConfigurationCommand, S3Client } from '@aws-sdk/client-s3'
import { BackupError } from '@backup-planet/core'
import { collect, eventually } from '@backup-planet/core/conformance'
import { reopenable } from '@backup-planet/core/testing'
import { freePort } from '@backup-planet/tooling/free-port'
import { startHttpFaultProxy } from '@backup-planet/tooling/http-fault-proxy'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createS3Uploader, type S3Uploader, type S3UploaderSettings } from '../src/index.ts'
import { type CephPlace, startCephPlace } from './ceph-place.ts'

let ceph: CephPlace
beforeAll(async () => {
  ceph = await startCephPlace()
})
afterAll(() => ceph?.[Symbol.asyncDispose]())

const run = promisify(execFile)

const little = reopenable(Buffer.from('little'))

const operations: readonly [string, (uploader: S3Uploader) => Promise<unknown>][] = [
  ['upload', (uploader) => uploader.upload('key', little)],
  ['download', (uploader) => collect(uploader.download('key'))],
  ['stat', (uploader) => uploader.stat('key')],
  ['list', (uploader) => collect(uploader.list(''))],
  ['remove', (uploader) => uploader.remove('key')],
]

/** Fails every operation in the same way, with a hint, and without a secret. */
async function expectFailures(settings: S3UploaderSettings, code: string, hint: RegExp, only = operations): Promise<void> {
  for (const [name, act] of only) {
    await using uploader = createS3Uploader(settings)
    const error = await act(uploader).then(
      () => new Error(`${name} succeeded`),
      (failure: unknown) => failure,
    )
    if (!BackupError.is(error)) throw error
    expect({ name, code: error.code }).toEqual({ name, code })
    expect(error.hint).toMatch(hint)
    expect(error.message).toMatch(/^[a-z]/)
    const printed = inspect(error, { depth: 20, showHidden: true })
    expect(printed).not.toContain('secret-of-nobody')
    expect(printed).not.toContain(ceph.server.user.secretAccessKey)
    expect(printed).not.toMatch(/Signature=|authorization:/i)
  }
}

function client(): S3Client {
  return new S3Client({ endpoint: ceph.server.endpoint, region: 'us-east-1', forcePathStyle: true, credentials: { ...ceph.server.user } })
}

describe('a clear error with a hint', () => {
  it('for a bucket that does not exist', async () => {
    await expectFailures(ceph.settings({ bucket: 'no-such-bucket' }), 'NOT_FOUND', /Create the bucket no-such-bucket/)
  })

  it('for an access key that nobody has', async () => {
    const credentials = { accessKeyId: 'NOBODY', secretAccessKey: 'secret-of-nobody' }
    await expectFailures(ceph.settings({ credentials }), 'WRONG_CREDENTIALS', /does not know this access key/)
  })

  it('for a wrong secret key', async () => {
    const credentials = { accessKeyId: ceph.server.user.accessKeyId, secretAccessKey: 'secret-of-nobody' }
    await expectFailures(ceph.settings({ credentials }), 'WRONG_CREDENTIALS', /secret key does not belong/)
  })

  it('for no credentials at all', async () => {
    const { credentials: _, ...settings } = ceph.settings()
    const kept = { ...process.env }
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name]
    Object.assign(process.env, {
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    })
    try {
      await expectFailures(settings, 'WRONG_CREDENTIALS', /No credentials were found/)
    } finally {
      for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name]
      Object.assign(process.env, kept)
    }
  })

  it('for a clock that is 20 minutes off', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 20 * 60_000 })
    try {
      await expectFailures(ceph.settings(), 'WRONG_CREDENTIALS', /clock of this machine is wrong/)
    } finally {
      vi.useRealTimers()
    }
  })

  it('for a user without rights, and one who may only read', async () => {
    const reader = await ceph.server.addUser('reader')
    await expectFailures(ceph.settings({ credentials: reader }), 'ACCESS_DENIED', /the README has the policy/)
    const bucket = 'readable'
    await ceph.server.createBucket(bucket)
    const owner = client()
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { AWS: ['arn:aws:iam:::user/reader'] },
          Action: ['s3:GetObject', 's3:ListBucket'],
          Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
        },
      ],
    })
    await owner.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }))
    owner.destroy()
    const settings = ceph.settings({ bucket, credentials: reader })
    const writing = operations.filter(([name]) => name === 'upload' || name === 'remove')
    await expectFailures(settings, 'ACCESS_DENIED', /write/, writing)
    await using uploader = createS3Uploader(settings)
    expect(await uploader.stat('key')).toBeUndefined()
    expect(await uploader.check()).toMatchObject([{ severity: 'error', code: 'ACCESS_DENIED' }])
  })

  it('for a quota that is used up', async () => {
    const user = await ceph.server.addUser('thrifty')
    await ceph.server.createBucket('thrifty', { user })
    await ceph.server.admin(['quota', 'set', '--quota-scope=bucket', '--uid=thrifty', '--max-objects=1'])
    await ceph.server.admin(['quota', 'enable', '--quota-scope=bucket', '--uid=thrifty'])
    const settings = ceph.settings({ bucket: 'thrifty', credentials: user })
    await using uploader = createS3Uploader(settings)
    await uploader.upload('first', little)
    await expectFailures(settings, 'OUT_OF_SPACE', /quota/, operations.slice(0, 1))
  })

  it('for an object that is locked', async () => {
    const bucket = 'locked'
    await ceph.server.createBucket(bucket, { objectLock: true })
    const settings = ceph.settings({ bucket, objectLock: { mode: 'COMPLIANCE', retainDays: 1, legalHold: true }, partBytes: 5 * 1024 ** 2 })
    await using uploader = createS3Uploader(settings)
    await uploader.upload('kept', little)
    await uploader.upload('in-parts', { open: reopenable(Buffer.alloc(12 * 1024 ** 2, 7)).open })
    // The bucket keeps versions: a removal hides the object and keeps what is locked.
    await uploader.remove('kept')
    expect(await uploader.stat('kept')).toBeUndefined()
    const owner = client()
    await owner.send(
      new PutObjectLockConfigurationCommand({
        Bucket: bucket,
        ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: 1 } } },
      }),
    )
    owner.destroy()
    await expectFailures(
      ceph.settings({ objectLock: { mode: 'COMPLIANCE', retainDays: 1 } }),
      'UNSUPPORTED',
      /its own words are in the cause/,
      operations.slice(0, 1),
    )
  })

  it('for a bucket in another region', async () => {
    for (const code of ['PermanentRedirect', 'AuthorizationHeaderMalformed']) {
      const answer = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>wrong</Message><Region>eu-north-1</Region></Error>`
      const server = createServer((request, response) => {
        request.resume()
        response.writeHead(code === 'PermanentRedirect' ? 301 : 400, { 'x-amz-bucket-region': 'eu-north-1' })
        response.end(request.method === 'HEAD' ? undefined : answer)
      })
      const port = await freePort()
      await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
      await expectFailures(ceph.settings({ endpoint: `http://127.0.0.1:${port}` }), 'INVALID_SETTINGS', /region=eu-north-1/)
      server.closeAllConnections()
      server.close()
    }
  })

  it('for a port on which nobody listens, and one where something else does', async () => {
    await expectFailures(ceph.settings({ endpoint: `http://127.0.0.1:${await freePort()}` }), 'UNREACHABLE', /endpoint in the destination/)
    const server = createServer((_, response) => response.end('<html>this is no store</html>'))
    const port = await freePort()
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    const answered = operations.filter(([name]) => name !== 'remove')
    await expectFailures(ceph.settings({ endpoint: `http://127.0.0.1:${port}` }), 'UNREACHABLE', /endpoint in the destination/, answered)
    server.closeAllConnections()
    server.close()
  })

  it('for a store that falls silent', async () => {
    await using proxy = await startHttpFaultProxy({
      target: ceph.server.endpoint,
      fault: ({ path }) => (path.endsWith('/key') ? { kind: 'stall-answer', afterBytes: 0 } : undefined),
    })
    const settings = ceph.settings({ endpoint: proxy.endpoint, silenceMilliseconds: 1000 })
    await using uploader = createS3Uploader(settings)
    await expect(collect(uploader.download('key'))).rejects.toMatchObject({ code: 'TIMED_OUT', retryable: true })
  })
})

describe('check', () => {
  it('finds nothing wrong with a store that can do everything, and leaves nothing', async () => {
    const settings = ceph.settings()
    await using uploader = createS3Uploader(settings)
    expect(await uploader.check()).toEqual([])
    expect(await ceph.everythingStored(settings)).toEqual([])
  })

  it('names what the store cannot do, and leaves nothing', async () => {
    await using proxy = await startHttpFaultProxy({
      target: ceph.server.endpoint,
      fault: ({ method, query }) =>
        (method === 'POST' && query.has('uploads')) || (method === 'GET' && query.has('uploads'))
          ? { kind: 'answer', status: 501, code: 'NotImplemented' }
          : undefined,
    })
    const settings = ceph.settings({ endpoint: proxy.endpoint })
    await using uploader = createS3Uploader(settings)
    const problems = await uploader.check()
    expect(problems.map(({ severity, code, message }) => [severity, code, message.split(':')[0]])).toEqual([
      ['error', 'UNSUPPORTED', 'multipart'],
      ['warning', 'UNSUPPORTED', 'list of unfinished uploads'],
    ])
    expect(await ceph.everythingStored(settings)).toEqual([])
  })

  it('says once what is wrong with the place itself', async () => {
    await using uploader = createS3Uploader(ceph.settings({ bucket: 'no-such-bucket' }))
    expect(await uploader.check()).toMatchObject([
      { severity: 'error', code: 'NOT_FOUND', hint: expect.stringContaining('Create the bucket') },
    ])
  })
})

// The last one: the cluster stays as it is.
it('a cluster that is full says nothing, which is told as silence that may pass', async () => {
  const configuration = join(ceph.server.directory, 'ceph.conf')
  const administer = (...words: readonly string[]) => run('ceph', ['-c', configuration, ...words], { timeout: 10_000 })
  await administer('tell', 'osd.0', 'injectfull', 'full')
  // The monitor sometimes refuses this for a moment, with EPERM.
  const dump = () =>
    administer('osd', 'dump').then(
      ({ stdout }) => stdout,
      () => '',
    )
  await eventually(async () => /exists,full/.test(await dump()), 'the cluster is full', 20_000)
  await using uploader = createS3Uploader(ceph.settings({ silenceMilliseconds: 1500 }))
  await expect(uploader.upload('key', little)).rejects.toMatchObject({
    code: 'TIMED_OUT',
    retryable: true,
    hint: expect.stringContaining('Ceph that is full'),
  })
})
