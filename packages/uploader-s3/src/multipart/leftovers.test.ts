import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { currentOwner, ownedName, type Reopenable } from '@backup-planet/core'
import { sha256Of } from '@backup-planet/core/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createMemoryS3, type MemoryS3, type MemoryUpload, type S3Call, s3Failure } from '../__fixtures__/memory-s3.ts'
import { createS3Store, type S3Store } from '../client/s3-store.ts'
import { createS3Uploader, type S3Uploader, type S3UploaderSettings } from '../index.ts'
import { creationFingerprint } from '../objects/object-parameters.ts'
import { uploadObject } from '../objects/object-upload.ts'
import { resolveS3Settings } from '../s3-settings.ts'
import { createLeftovers } from './leftovers.ts'
import { createPartMemory } from './part-memory.ts'
import { createUploadJournals, type UploadJournals } from './upload-journal.ts'

const mebibyte = 1024 ** 2
const day = 86_400_000
const partBytes = 5 * mebibyte
const destination = 's3://bucket'

function contentOf(fill: string): Reopenable & { readonly bytes: Buffer } {
  const bytes = Buffer.alloc(11 * mebibyte, fill)
  return {
    bytes,
    size: bytes.byteLength,
    sha256: sha256Of(bytes),
    async *open() {
      yield bytes
    },
  }
}
const content = contentOf('what is sent in parts ')

function full(): Promise<never> {
  return Promise.reject(Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }))
}

let directory: string
let memory: MemoryS3
let settings: S3UploaderSettings
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bp-s3-leftovers-'))
  memory = createMemoryS3()
  const { createClient } = memory
  const small = { partBytes, memoryBytes: 4 * partBytes }
  settings = { bucket: 'bucket', profile: 'compatible', createClient, journalDirectory: directory, ...small }
})
afterEach(() => rm(directory, { recursive: true, force: true }))

function isOfKey({ input }: S3Call, key: string): boolean {
  return input.Key === key
}

function sentParts(): readonly (number | undefined)[] {
  return memory.calls.flatMap(({ name, input }) => (name === 'UploadPart' ? [input.PartNumber] : [])).sort()
}

/** As a store that has stopped answering. */
function silence({ signal }: S3Call): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(Object.assign(new Error(), { name: 'AbortError' }))))
}

/** An upload in the store with its first part, and its journal, as a process leaves them that was killed. */
async function leaveUpload(key: string, more: { readonly settings?: string } = {}): Promise<UploadJournals> {
  const store = createS3Store(resolveS3Settings(settings))
  const bytes = content.bytes.subarray(0, partBytes)
  memory.uploads.set(`left-${key}`, {
    key,
    input: { Metadata: { 'backup-planet-upload': 'token' } },
    begunAt: new Date(),
    parts: new Map(),
  })
  const upload = memory.uploads.get(`left-${key}`)
  const md5 = createHash('md5').update(bytes).digest('hex')
  upload?.parts.set(1, { bytes, etag: md5, storedAt: new Date() })
  const journals = createUploadJournals(directory, destination)
  const { size = 0, sha256 = '' } = content
  const journal = await journals.begin({
    destination,
    key,
    size,
    sha256,
    partBytes,
    settings: creationFingerprint(store.settings),
    token: 'token',
    begunAt: new Date().toISOString(),
    uploadId: `left-${key}`,
    ...more,
  })
  await journal.note({ part: 1, etag: md5, md5 })
  await journal.close()
  return journals
}

async function makeOld(): Promise<void> {
  for (const name of await readdir(directory)) await utimes(join(directory, name), new Date(0), new Date(0))
}

async function expectStored(uploader: S3Uploader): Promise<void> {
  await uploader[Symbol.asyncDispose]()
  expect(memory.objects.get('key')?.bytes.equals(content.bytes)).toBe(true)
  expect([...memory.uploads.keys()]).toEqual([])
  expect(await readdir(directory)).toEqual([])
}

describe('an upload whose first beginning was lost', () => {
  test('is not removed by another that ends while the store answers the second', async () => {
    const uploader = createS3Uploader(settings)
    let begun = 0
    memory.meet = async (call) => {
      if (call.name !== 'CreateMultipartUpload' || !isOfKey(call, 'key')) return undefined
      const answer = call.carryOut()
      if (++begun === 1) throw s3Failure('InternalError', 500)
      await uploader.upload('other', content)
      return answer
    }
    await uploader.upload('key', content)
    await expectStored(uploader)
  })

  test('goes on with the next attempt although the first beginning could not be removed before', async () => {
    const uploader = createS3Uploader(settings)
    let begun = 0
    let broken = true
    memory.meet = ({ name, input, carryOut }) => {
      if (name === 'CreateMultipartUpload' && ++begun === 1) {
        carryOut()
        throw s3Failure('InternalError', 500)
      }
      if (broken && (name === 'ListMultipartUploads' || input.PartNumber === 3)) throw s3Failure('SlowDown', 503)
      return undefined
    }
    await expect(uploader.upload('key', content)).rejects.toMatchObject({ code: 'OVERLOADED' })
    broken = false
    memory.calls.length = 0
    await uploader.upload('key', content)
    expect(sentParts()).toEqual([3])
    await expectStored(uploader)
  }, 60_000)
})

describe('what a journal says', () => {
  test('is gone on with', async () => {
    await leaveUpload('key')
    const uploader = createS3Uploader(settings)
    await uploader.upload('key', content)
    expect(sentParts()).toEqual([2, 3])
    await expectStored(uploader)
  })

  test.each([
    ['tags', { tags: { kept: 'longer' } }],
    ['lock', { objectLock: { mode: 'COMPLIANCE', retainDays: 30 } }],
    ['encryption', { serverSideEncryption: { kind: 's3' } }],
    ['storage class', { storageClass: 'GLACIER' }],
    ['checksum', { checksums: 'sha256' }],
  ] as const)('is not gone on with when the %s is another', async (_, changed) => {
    await leaveUpload('key')
    const uploader = createS3Uploader({ ...settings, ...changed })
    await uploader.upload('key', content)
    expect(sentParts()).toEqual([1, 2, 3])
    expect(memory.calls.filter(({ name }) => name === 'AbortMultipartUpload')).toHaveLength(1)
    await expectStored(uploader)
  })

  test('is left alone while another process works on it, whatever it sends', async () => {
    const journals = await leaveUpload('key')
    const claim = await journals.claim('key')
    const uploader = createS3Uploader(settings)
    for (const given of [content, contentOf('something else ')]) await uploader.upload('key', given)
    expect([...memory.uploads.keys()]).toEqual(['left-key'])
    expect((await journals.read('key'))?.facts.uploadId).toBe('left-key')
    await claim?.release()
    await uploader.upload('key', content)
    await expectStored(uploader)
  })

  test.each([
    ['before it', { claim: full }],
    ['at its beginning', { begin: full }],
    ['when it is gone on with', { resume: full }],
    ['on the way', { note: full, noteWhole: full, remove: full }],
  ])('is given up when the disk is full %s, and the upload is not', async (when, failing) => {
    if (when === 'when it is gone on with') await leaveUpload('key')
    const real = createUploadJournals(directory, destination)
    const journals: UploadJournals = { ...real, begin: async (facts) => ({ ...(await real.begin(facts)), ...failing }), ...failing }
    const store = createS3Store(resolveS3Settings(settings))
    const parts = { store, journals, leftovers: createLeftovers(store, journals), memory: createPartMemory(4 * partBytes) }
    await uploadObject(parts, 'key', content, undefined)
    expect(memory.objects.get('key')?.bytes.equals(content.bytes)).toBe(true)
    expect(memory.uploads.size).toBe(0)
  })
})

describe('what is abandoned', () => {
  const week = 7 * 86_400

  async function removed(store: S3Store, journals?: UploadJournals): Promise<number> {
    return await createLeftovers(store, journals).removeAbandoned(week)
  }

  function leave(uploadId: string, begunAt: number, ...storedAt: readonly number[]): void {
    const parts = storedAt.map((time, index) => [index + 1, { bytes: Buffer.alloc(1), etag: 'e', storedAt: new Date(time) }] as const)
    memory.uploads.set(uploadId, { key: uploadId, input: {}, begunAt: new Date(begunAt), parts: new Map(parts) })
  }

  test('is that to which nothing was sent for long, however long ago it began', async () => {
    const now = Date.now()
    leave('empty', now - 8 * day)
    leave('slow', now - 30 * day, now - 29 * day, now - day)
    leave('left', now - 30 * day, now - 29 * day, now - 8 * day)
    leave('new', now - day)
    expect(await removed(createS3Store(resolveS3Settings(settings)))).toBe(2)
    expect([...memory.uploads.keys()]).toEqual(['slow', 'new'])
  })

  test('is so by the clock of the store', async () => {
    leave('left', Date.now())
    const store = createS3Store(resolveS3Settings(settings))
    const ahead: S3Store = { ...store, send: async (...of) => ({ ...(await store.send(...of)), at: new Date(Date.now() + 8 * day) }) }
    expect(await removed(ahead)).toBe(1)
  })

  test('does not stay because something else cannot be removed, and the failure is told', async () => {
    for (const key of ['a', 'b', 'c']) await leaveUpload(key)
    await writeFile(join(directory, 'unreadable.journal'), 'x')
    await makeOld()
    const journals = createUploadJournals(directory, destination)
    const claim = await createUploadJournals(directory, destination).claim('c')
    memory.meet = ({ name, input }) => {
      if (name === 'AbortMultipartUpload' && input.Key === 'b') throw s3Failure('AccessDenied', 403)
      return undefined
    }
    await expect(removed(createS3Store(resolveS3Settings(settings)), journals)).rejects.toMatchObject({ name: 'AccessDenied' })
    expect([...memory.uploads.keys()]).toEqual(['left-b', 'left-c'])
    await claim?.release()
    expect(await readdir(directory)).toHaveLength(2)
  })
})

describe('an upload that nobody can go on with', () => {
  const streamed: Reopenable = { open: content.open }

  test('is marked while it is on its way, and is left alone as long as its process lives', async () => {
    const uploader = createS3Uploader(settings)
    const other = createS3Uploader(settings)
    let names: readonly string[] = []
    memory.meet = async ({ name }) => {
      if (name !== 'UploadPart' || names.length > 0) return undefined
      names = await readdir(directory)
      expect(await other.removeAbandonedUploads()).toBe(0)
      return undefined
    }
    await uploader.upload('key', streamed)
    expect(names).toEqual([expect.stringMatching(/^upload\.begun~/)])
    await expectStored(uploader)
  })

  test('is marked until it is gone, when it cannot be removed at once', async () => {
    const uploader = createS3Uploader(settings)
    memory.meet = ({ name }) => {
      if (name === 'UploadPart' || name === 'AbortMultipartUpload') throw s3Failure('AccessDenied', 403)
      return undefined
    }
    await expect(uploader.upload('key', streamed)).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    expect(await readdir(directory)).toEqual([expect.stringMatching(/^upload\.begun~/)])
    memory.meet = () => undefined
    await uploader[Symbol.asyncDispose]()
    expect(memory.uploads.size).toBe(0)
    expect(await readdir(directory)).toEqual([])
  })

  test('is removed by the next process when its own was killed', async () => {
    let left: { readonly name: string; readonly text: string } | undefined
    memory.meet = async ({ name, input }) => {
      if (name !== 'UploadPart' || left !== undefined) return undefined
      const [found = ''] = await readdir(directory)
      left = { name: found, text: await readFile(join(directory, found), 'utf8') }
      // Not removed with the rest of the upload below.
      memory.uploads.set('left', memory.uploads.get(input.UploadId ?? '') as MemoryUpload)
      return undefined
    }
    const first = createS3Uploader(settings)
    await first.upload('key', streamed)
    await first[Symbol.asyncDispose]()
    const owner = await currentOwner()
    const [beginning = ''] = left?.name.split('~') ?? []
    const killed = ownedName(beginning, { ...owner, pid: 2 ** 22 + 1 })
    await writeFile(join(directory, killed), left?.text.replace(/upload-\d+/, 'left') ?? '')
    await writeFile(join(directory, ownedName(beginning, { ...owner, pid: 2 ** 22 + 1 })), '{"cut')
    const second = createS3Uploader(settings)
    await second.upload('key', streamed)
    await expectStored(second)
  })
})

describe('an abort', () => {
  test('does not wait for a store that does not answer what is left of an earlier upload', async () => {
    const uploader = createS3Uploader(settings)
    memory.meet = ({ name }) => {
      if (name === 'UploadPart' || name === 'AbortMultipartUpload') throw s3Failure('AccessDenied', 403)
      return undefined
    }
    for (const key of ['one', 'two']) await expect(uploader.upload(key, content)).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    memory.meet = (call) => (call.name === 'AbortMultipartUpload' ? silence(call) : undefined)
    const began = Date.now()
    await expect(uploader.upload('key', content, { signal: AbortSignal.timeout(100) })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(Date.now() - began).toBeLessThan(6000)
    memory.meet = () => undefined
    await uploader[Symbol.asyncDispose]()
    expect(memory.uploads.size).toBe(0)
  }, 30_000)

  test('does not wait for long to look at an object that is confirmed', async () => {
    const uploader = createS3Uploader(settings)
    const controller = new AbortController()
    memory.meet = (call) => {
      if (call.name !== 'HeadObject') return undefined
      controller.abort()
      return silence(call)
    }
    const began = Date.now()
    expect(await uploader.upload('key', content, { signal: controller.signal })).toMatchObject({ size: content.size })
    expect(Date.now() - began).toBeLessThan(6000)
    await expectStored(uploader)
  }, 30_000)
})
