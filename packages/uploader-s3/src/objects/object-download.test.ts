import { bytesOf } from '@backup-planet/core/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { createMemoryS3, type MemoryS3, type S3Call, s3Failure } from '../__fixtures__/memory-s3.ts'
import { createS3Uploader, type S3Uploader } from '../index.ts'

const bytes = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 251))

let memory: MemoryS3
let uploader: S3Uploader
beforeEach(() => {
  memory = createMemoryS3()
  memory.objects.set('key', { bytes, etag: 'etag', metadata: {}, input: {} })
  uploader = createS3Uploader({ bucket: 'bucket', profile: 'compatible', createClient: memory.createClient })
})

/** The answer to the whole, which breaks off after so many bytes. */
function brokenAfter(length: number): object {
  async function* body() {
    yield bytes.subarray(0, length)
    throw Object.assign(new Error('reset'), { code: 'ECONNRESET' })
  }
  return { ETag: '"etag"', ContentLength: bytes.byteLength, Body: body() }
}

/** The first answer breaks off after `length` bytes; `then` answers what goes on. */
function breakOnce(length: number, then: (call: S3Call) => object | undefined): void {
  let reads = 0
  memory.meet = (call) => (call.name !== 'GetObject' ? undefined : reads++ === 0 ? brokenAfter(length) : then(call))
}

describe('a download that breaks off', () => {
  test('goes on where it stopped', async () => {
    breakOnce(1234, () => undefined)
    expect((await bytesOf(uploader.download('key'))).equals(bytes)).toBe(true)
    expect(memory.calls.map(({ input }) => input.Range)).toEqual([undefined, 'bytes=1234-'])
  })

  test('is whole when only the end of the answer was missing', async () => {
    breakOnce(bytes.byteLength, () => {
      throw s3Failure('InvalidRange', 416)
    })
    expect((await bytesOf(uploader.download('key'))).equals(bytes)).toBe(true)
  })

  test('does not take the beginning for what it asked for', async () => {
    breakOnce(1234, () => ({ ETag: '"etag"', ContentLength: bytes.byteLength, Body: [bytes] }))
    await expect(bytesOf(uploader.download('key'))).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('1234') })
  })

  test('does not end where the store says that there is no more of it', async () => {
    breakOnce(1234, () => {
      throw s3Failure('InvalidRange', 416)
    })
    await expect(bytesOf(uploader.download('key'))).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  test('does not end before the length that the first answer gave', async () => {
    const rest = bytes.subarray(1234, 4000)
    breakOnce(1234, () => ({ ETag: '"etag"', ContentLength: rest.byteLength, ContentRange: 'bytes 1234-3999/4000', Body: [rest] }))
    await expect(bytesOf(uploader.download('key'))).rejects.toMatchObject({ code: 'CONFLICT' })
    const short = { ETag: '"etag"', ContentLength: rest.byteLength, ContentRange: 'bytes 1234-3999/5000', Body: [rest] }
    breakOnce(1234, ({ input }) => (input.Range === 'bytes=1234-' ? short : undefined))
    expect((await bytesOf(uploader.download('key'))).equals(bytes)).toBe(true)
  })
})

test('a range is refused when the answer is another', async () => {
  memory.meet = () => ({ ETag: '"etag"', ContentLength: bytes.byteLength, Body: [bytes] })
  await expect(bytesOf(uploader.download('key', { begin: 0, end: 10 }))).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  memory.meet = () => undefined
  expect((await bytesOf(uploader.download('key', { begin: 4990, end: 6000 }))).equals(bytes.subarray(4990))).toBe(true)
  expect((await bytesOf(uploader.download('key', { begin: 6000, end: 7000 }))).byteLength).toBe(0)
})
