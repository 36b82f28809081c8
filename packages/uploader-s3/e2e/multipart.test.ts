import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HeadObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { BackupError, type Reopenable } from '@backup-planet/core'
import { bytesOf } from '@backup-planet/core/testing'
import { type HttpFault, startHttpFaultProxy } from '@backup-planet/tooling/http-fault-proxy'
import { cephKmsKeyId } from '@backup-planet/tooling/throwaway-ceph-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createS3Uploader } from '../src/index.ts'
import { type CephPlace, startCephPlace } from './ceph-place.ts'
import { testContent, unannounced } from './test-content.ts'

const mebibyte = 1024 ** 2
/** The least that S3 allows, so that little content has many parts. */
const small = { partBytes: 5 * mebibyte, memoryBytes: 20 * mebibyte }
const content = testContent(33 * mebibyte + 12_345, 1)

let ceph: CephPlace
let journalDirectory: string
beforeAll(async () => {
  ceph = await startCephPlace()
  journalDirectory = await mkdtemp(join(tmpdir(), 'bp-s3-journal-'))
})
afterAll(async () => {
  await ceph?.[Symbol.asyncDispose]()
  await rm(journalDirectory, { recursive: true, force: true })
})

describe('an upload in parts', () => {
  it.each([
    ['of announced content', content],
    ['of content that announces nothing', unannounced(content)],
    ['whose last part is full', testContent(35 * mebibyte, 2)],
  ])('%s is whole and verified', async (_, given: Reopenable) => {
    const settings = ceph.settings(small)
    await using uploader = createS3Uploader(settings)
    const stored = await uploader.upload('large', given)
    const bytes = await bytesOf(uploader.download('large'))
    expect(bytes.equals(await bytesOf(given.open()))).toBe(true)
    expect(stored.size).toBe(bytes.byteLength)
    expect(await uploader.stat('large')).toMatchObject({
      size: bytes.byteLength,
      ...(given.sha256 === undefined ? {} : { sha256: given.sha256 }),
    })
    expect(await ceph.everythingStored(settings)).toEqual(['large'])
  })

  it('reads ranges over the borders of parts', async () => {
    await using uploader = createS3Uploader(ceph.settings(small))
    await uploader.upload('large', content)
    for (const [begin, end] of [
      [5 * mebibyte - 3, 5 * mebibyte + 3],
      [0, 1],
      [content.size - 5, content.size + 5],
      [4 * mebibyte, 21 * mebibyte],
    ] as const) {
      const found = await bytesOf(uploader.download('large', { begin, end }))
      expect(found.equals(content.bytes.subarray(begin, end))).toBe(true)
    }
  })

  it.each([
    ['ends early', { ...content, size: content.size + 1 }],
    ['is longer than announced', { ...content, size: content.size - 1 }],
    ['has another hash than announced', { ...content, sha256: '0'.repeat(64) }],
  ])('refuses content that %s and leaves nothing', async (_, lie: Reopenable) => {
    for (const journal of [undefined, journalDirectory]) {
      const settings = ceph.settings({ ...small, journalDirectory: journal })
      await using uploader = createS3Uploader(settings)
      await expect(uploader.upload('lie', lie)).rejects.toMatchObject({ code: 'CORRUPTED' })
      expect(await ceph.everythingStored(settings)).toEqual([])
      expect(await readdir(journalDirectory)).toEqual([])
    }
  })

  it('leaves nothing when it is aborted, with a journal or without', async () => {
    for (const journal of [undefined, journalDirectory]) {
      for (const given of [content, unannounced(content)]) {
        const settings = ceph.settings({ ...small, journalDirectory: journal })
        await using uploader = createS3Uploader(settings)
        const controller = new AbortController()
        let read = 0
        const aborting: Reopenable = {
          ...given,
          async *open() {
            for await (const chunk of given.open()) {
              read += chunk.byteLength
              if (read > 20 * mebibyte) controller.abort(new Error('half-way'))
              yield chunk
            }
          },
        }
        await expect(uploader.upload('aborted', aborting, { signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' })
        expect(await ceph.everythingStored(settings)).toEqual([])
        expect(await readdir(journalDirectory)).toEqual([])
      }
    }
  })

  it('sends single parts again, as long as the store asks to wait', async () => {
    const faults = new Map<string, HttpFault>([
      ['1', { kind: 'answer', status: 503, code: 'SlowDown', retryAfterSeconds: 1 }],
      ['2', { kind: 'cut-request', afterBytes: 2 * mebibyte }],
      ['3', { kind: 'flip-request', atByte: 1_000_000 }],
      ['4', { kind: 'lose-answer' }],
      ['5', { kind: 'replace-answer', status: 500, code: 'InternalError' }],
    ])
    await using proxy = await startHttpFaultProxy({
      target: ceph.server.endpoint,
      fault({ method, query }) {
        const part = query.get('partNumber') ?? ''
        const fault = method === 'PUT' ? faults.get(part) : undefined
        if (fault !== undefined) faults.delete(part)
        return fault
      },
    })
    const settings = ceph.settings({ ...small, endpoint: proxy.endpoint })
    await using uploader = createS3Uploader(settings)
    await uploader.upload('large', content)
    expect(faults.size).toBe(0)
    expect((await bytesOf(uploader.download('large'))).equals(content.bytes)).toBe(true)
    const parts = proxy.requests.filter(({ method, query }) => method === 'PUT' && query.has('partNumber'))
    expect(parts.length).toBe(7 + 5)
    expect(await ceph.everythingStored(settings)).toEqual(['large'])
  })

  it.each<[string, HttpFault]>([
    ['is lost', { kind: 'lose-answer' }],
    ['is an error although it was done', { kind: 'replace-answer', status: 500, code: 'InternalError' }],
    ['is that it was not done', { kind: 'answer', status: 503, code: 'SlowDown' }],
  ])('is complete when the answer to its completion %s', async (_, fault) => {
    let met = 0
    await using proxy = await startHttpFaultProxy({
      target: ceph.server.endpoint,
      fault: ({ method, query }) => (method === 'POST' && query.has('uploadId') && met++ === 0 ? fault : undefined),
    })
    const settings = ceph.settings({ ...small, endpoint: proxy.endpoint })
    await using uploader = createS3Uploader(settings)
    const { size } = await uploader.upload('large', content)
    expect(size).toBe(content.size)
    expect(met).toBeGreaterThan(0)
    expect(await ceph.everythingStored(settings)).toEqual(['large'])
  })

  it('removes an upload whose id never arrived as soon as the content is stored, although the store does not answer at once', async () => {
    let met = 0
    let listed = 0
    await using proxy = await startHttpFaultProxy({
      target: ceph.server.endpoint,
      fault({ method, query }) {
        if (method === 'POST' && query.has('uploads')) return met++ < 2 ? { kind: 'lose-answer' } : undefined
        // Those that were left by others are looked for first, before this upload.
        const looksForOurs = method === 'GET' && query.has('uploads') && met > 0
        return looksForOurs && listed++ < 2 ? { kind: 'answer', status: 503, code: 'SlowDown' } : undefined
      },
    })
    const settings = ceph.settings({ ...small, endpoint: proxy.endpoint })
    await using uploader = createS3Uploader(settings)
    await uploader.upload('large', content)
    expect(met).toBe(3)
    expect(listed).toBeGreaterThan(2)
    expect(await ceph.everythingStored(settings)).toEqual(['large'])
  })
})

describe('with a journal', () => {
  it('goes on with the parts that are there, after an attempt that failed', async () => {
    let broken = true
    await using proxy = await startHttpFaultProxy({
      target: ceph.server.endpoint,
      fault: ({ query }) => (broken && Number(query.get('partNumber')) > 4 ? { kind: 'answer', status: 503, code: 'SlowDown' } : undefined),
    })
    const settings = ceph.settings({ ...small, endpoint: proxy.endpoint, journalDirectory })
    const first = createS3Uploader(settings)
    expect(first.supports.resume).toBe(true)
    await expect(first.upload('large', content)).rejects.toMatchObject({ code: 'OVERLOADED', retryable: true })
    expect(await ceph.everythingStored(settings)).toEqual(['large (unfinished)'])
    const [journal = ''] = await readdir(journalDirectory)
    expect((await stat(join(journalDirectory, journal))).mode & 0o777).toBe(0o600)
    expect(await readFile(join(journalDirectory, journal), 'utf8')).not.toContain(ceph.server.user.secretAccessKey)
    await first[Symbol.asyncDispose]()
    broken = false
    const before = proxy.requests.length
    await using second = createS3Uploader(settings)
    await second.upload('large', content)
    const sent = proxy.requests.slice(before).flatMap(({ method, query }) => (method === 'PUT' ? [Number(query.get('partNumber'))] : []))
    expect(sent.sort()).toEqual([5, 6, 7])
    expect((await bytesOf(second.download('large'))).equals(content.bytes)).toBe(true)
    expect(await ceph.everythingStored(settings)).toEqual(['large'])
    expect(await readdir(journalDirectory)).toEqual([])
  })

  it('takes nothing of other content under the same key', async () => {
    let broken = true
    await using proxy = await startHttpFaultProxy({
      target: ceph.server.endpoint,
      fault: ({ query }) => (broken && Number(query.get('partNumber')) > 2 ? { kind: 'answer', status: 503, code: 'SlowDown' } : undefined),
    })
    const settings = ceph.settings({ ...small, endpoint: proxy.endpoint, journalDirectory })
    await using uploader = createS3Uploader(settings)
    await expect(uploader.upload('large', content)).rejects.toMatchObject({ code: 'OVERLOADED' })
    broken = false
    const other = testContent(content.size, 3)
    await uploader.upload('large', other)
    expect((await bytesOf(uploader.download('large'))).equals(other.bytes)).toBe(true)
    expect(await ceph.everythingStored(settings)).toEqual(['large'])
    expect(await readdir(journalDirectory)).toEqual([])
  })

  it('says what directory it cannot write', async () => {
    await using uploader = createS3Uploader(ceph.settings({ ...small, journalDirectory: '/dev/null/journal' }))
    const error = await uploader.upload('large', content).catch((failure: unknown) => failure)
    expect(BackupError.is(error) && error.message).toMatch(/journal.*ENOTDIR in \/dev\/null\/journal/)
  })
})

describe('what is stored', () => {
  it.each([
    ['keys of the store itself', { kind: 's3' }],
    ['keys of its key service', { kind: 'kms', keyId: cephKmsKeyId }],
    ['a key of the customer', { kind: 'customer', key: randomBytes(32).toString('base64') }],
  ] as const)('is encrypted with %s, small and in parts, and read again', async (_, serverSideEncryption) => {
    const settings = ceph.settings({ ...small, serverSideEncryption, journalDirectory })
    await using uploader = createS3Uploader(settings)
    const little = testContent(1000, 4)
    for (const [key, given] of [
      ['little', little],
      ['large', content],
    ] as const) {
      await uploader.upload(key, given)
      expect((await bytesOf(uploader.download(key))).equals(given.bytes)).toBe(true)
      expect(await uploader.stat(key)).toMatchObject({ size: given.size, sha256: given.sha256 })
    }
    expect(await ceph.everythingStored(settings)).toHaveLength(2)
  })

  it.each(['crc32', 'crc32c', 'sha256'] as const)(
    'carries %s, small and in parts, also to a store that does not look at it',
    async (checksums) => {
      await using uploader = createS3Uploader(ceph.settings({ ...small, checksums }))
      const little = testContent(1000, 4)
      await uploader.upload('little', little)
      expect((await bytesOf(uploader.download('little'))).equals(little.bytes)).toBe(true)
      expect(await uploader.upload('large', content)).toMatchObject({ size: content.size, sha256: content.sha256 })
      expect(await uploader.check()).toEqual([])
    },
  )

  it('has the tags and the storage class that were asked for', async () => {
    const settings = ceph.settings({ ...small, tags: { 'kept by': 'backup & planet' }, storageClass: 'STANDARD' })
    await using uploader = createS3Uploader(settings)
    await uploader.upload('tagged', testContent(10, 5))
    const client = new S3Client({
      endpoint: ceph.server.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { ...ceph.server.user },
    })
    const found = await client.send(new HeadObjectCommand({ Bucket: ceph.bucket, Key: `${settings.prefix}/tagged` }))
    expect(found.Metadata?.sha256).toBe(testContent(10, 5).sha256)
    client.destroy()
  })
})

describe('removal', () => {
  it('takes many at once, odd names too, and what is not there', async () => {
    const settings = ceph.settings()
    await using uploader = createS3Uploader(settings)
    const keys = [...Array.from({ length: 12 }, (_, index) => `many/${index}`), 'a&b<c>"d', 'new\nline', 'größe/+ %2F']
    for (const key of keys) await uploader.upload(key, testContent(10, 1))
    await uploader.upload('kept', testContent(10, 1))
    expect(await uploader.removeAll([...keys, 'never/there'])).toEqual([])
    expect(await ceph.everythingStored(settings)).toEqual(['kept'])
  })
})
