import {
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import type { RetainedObject } from '@backup-planet/core'
import { collect, eventually } from '@backup-planet/core/conformance'
import { reopenable } from '@backup-planet/core/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createS3Uploader, type S3UploaderSettings } from '../src/index.ts'
import { type CephPlace, startCephPlace } from './ceph-place.ts'

let ceph: CephPlace
beforeAll(async () => {
  ceph = await startCephPlace()
})
afterAll(() => ceph?.[Symbol.asyncDispose]())

const little = reopenable(Buffer.from('little'))

function client(): S3Client {
  return new S3Client({ endpoint: ceph.server.endpoint, region: 'us-east-1', forcePathStyle: true, credentials: { ...ceph.server.user } })
}

it('a check leaves no object that is locked, not even as an older version', async () => {
  const bucket = 'checked-locks'
  await ceph.server.createBucket(bucket, { objectLock: true })
  const objectLock = { mode: 'COMPLIANCE', retainDays: 1, legalHold: true } as const
  await using uploader = createS3Uploader(ceph.settings({ bucket, objectLock }))
  // This gateway does not heed the condition where a bucket keeps versions.
  expect(await uploader.check()).toMatchObject([{ severity: 'warning', message: expect.stringMatching(/^conditional put: /) }])
  const owner = client()
  const { Versions = [] } = await owner.send(new ListObjectVersionsCommand({ Bucket: bucket }))
  expect(Versions.length).toBeGreaterThan(0)
  for (const { Key = '', VersionId = '' } of Versions) await owner.send(new DeleteObjectCommand({ Bucket: bucket, Key, VersionId }))
  owner.destroy()
  await using nowhere = createS3Uploader(ceph.settings({ objectLock }))
  expect((await nowhere.check()).map(({ severity, message }) => `${severity}: ${message}`)).toEqual([
    expect.stringMatching(/^error: object lock: .*nothing can be stored with the lock that is set$/),
  ])
})

it('a removal that is refused says until when the object is locked, or that a legal hold does it', async () => {
  const bucket = 'kept-for-long'
  await ceph.server.createBucket(bucket, { objectLock: true })
  const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 86_400_000).toISOString()
  await using governed = createS3Uploader(ceph.settings({ bucket, prefix: 'x', objectLock: { mode: 'GOVERNANCE', until } }))
  await governed.upload('governed', little)
  await using held = createS3Uploader(ceph.settings({ bucket, prefix: 'x', objectLock: { legalHold: true } }))
  await held.upload('held', little)
  await using free = createS3Uploader(ceph.settings({ bucket, prefix: 'x' }))
  await free.upload('free', little)
  // A bucket that keeps versions hides what is locked; one whose owner does not want that refuses.
  const owner = client()
  const Statement = [{ Effect: 'Deny', Principal: '*', Action: ['s3:DeleteObject'], Resource: [`arn:aws:s3:::${bucket}/*`] }]
  await owner.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }))
  owner.destroy()
  const refused = (message: RegExp) => ({ code: 'ACCESS_DENIED', retryable: false, message: expect.stringMatching(message) })
  await expect(free.remove('governed')).rejects.toMatchObject(refused(new RegExp(`locked until ${until} \\(GOVERNANCE\\)`)))
  await expect(free.remove('held')).rejects.toMatchObject(refused(/locked by a legal hold/))
  await expect(free.remove('free')).rejects.toMatchObject(refused(/^removal of free failed with AccessDenied/))
  await expect(free.remove('governed')).rejects.toMatchObject({ hint: expect.stringMatching(/after the lock has ended/) })
  expect(await free.stat('governed')).toMatchObject({ size: 6 })
  const retained = [...(await free.removeAll(['governed', 'held', 'free']))].sort((a, b) => a.key.localeCompare(b.key))
  expect(retained).toMatchObject([
    { key: 'free' },
    { key: 'governed', reason: expect.stringMatching(new RegExp(`locked until ${until} \\(GOVERNANCE\\)`)) },
    { key: 'held', reason: expect.stringMatching(/locked by a legal hold/) },
  ])
})

it('of many that are to be removed those that are locked stay as they are, and are told with the end of the lock', async () => {
  const bucket = 'half-locked'
  await ceph.server.createBucket(bucket, { objectLock: true })
  const [soon, later] = [2, 86_400].map((seconds) => new Date(Math.ceil(Date.now() / 1000) * 1000 + seconds * 1000).toISOString())
  const placeOf = (more: Partial<S3UploaderSettings>) => createS3Uploader(ceph.settings({ bucket, prefix: 'x', ...more }))
  await using ending = placeOf({ objectLock: { mode: 'GOVERNANCE', until: soon } })
  await ending.upload('ending', little)
  await using governed = placeOf({ objectLock: { mode: 'COMPLIANCE', until: later } })
  await governed.upload('governed', little)
  await using held = placeOf({ objectLock: { legalHold: true } })
  await held.upload('held', little)
  // Who prunes need not be who locks.
  await using pruning = placeOf({})
  await pruning.upload('free', little)
  const keys = ['free', 'ending', 'governed', 'held', 'none']
  const locked = [
    { key: 'governed', reason: expect.stringContaining(`locked until ${later} (COMPLIANCE)`) },
    { key: 'held', reason: expect.stringContaining('locked by a legal hold') },
  ]
  const byKey = (removal: readonly RetainedObject[]) => removal.toSorted((a, b) => (a.key < b.key ? -1 : 1))
  expect(byKey(await pruning.removeAll(keys))).toEqual([
    { key: 'ending', reason: expect.stringContaining(`locked until ${soon} (GOVERNANCE)`) },
    ...locked,
  ])
  expect((await collect(pruning.list(''))).map(({ key }) => key)).toEqual(['ending', 'governed', 'held'])
  await eventually(() => Date.now() > Date.parse(soon ?? ''), 'the lock has ended')
  expect(byKey(await pruning.removeAll(keys))).toEqual(locked)
  expect((await collect(pruning.list(''))).map(({ key }) => key)).toEqual(['governed', 'held'])
})

it('a check finds nothing wrong with a bucket that locks everything by default', async () => {
  const bucket = 'locked-by-default'
  await ceph.server.createBucket(bucket, { objectLock: true })
  const owner = client()
  const Rule = { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } } as const
  const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled', Rule } as const
  await owner.send(new PutObjectLockConfigurationCommand({ Bucket: bucket, ObjectLockConfiguration }))
  owner.destroy()
  await using uploader = createS3Uploader(ceph.settings({ bucket }))
  expect((await uploader.check()).map(({ message }) => message)).toEqual([expect.stringMatching(/^conditional put: /)])
  expect(await collect(uploader.list(''))).toEqual([])
})

it('nothing is retained where a bucket keeps versions and has no locks, also for who may not ask for these', async () => {
  const bucket = 'with-versions'
  const remover = await ceph.server.addUser('remover')
  await ceph.server.createBucket(bucket)
  const owner = client()
  const VersioningConfiguration = { Status: 'Enabled' } as const
  await owner.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }))
  const Action = ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:ListBucket']
  for (const name of [bucket, 'backups']) {
    const Resource = [`arn:aws:s3:::${name}`, `arn:aws:s3:::${name}/*`]
    const Statement = [{ Effect: 'Allow', Principal: { AWS: ['arn:aws:iam:::user/remover'] }, Action, Resource }]
    await owner.send(new PutBucketPolicyCommand({ Bucket: name, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }))
    for (const settings of [ceph.settings({ bucket: name }), ceph.settings({ bucket: name, credentials: remover })]) {
      await using uploader = createS3Uploader(settings)
      const keys = ['a', 'b', 'c']
      for (const key of keys) await uploader.upload(key, little)
      expect(await uploader.removeAll(keys)).toEqual([])
      expect(await collect(uploader.list(''))).toEqual([])
    }
  }
  owner.destroy()
})
