import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Reopenable, withRetry } from '@backup-planet/core'
import { sha256Of } from '@backup-planet/core/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createMemoryS3, type MemoryS3, s3Failure } from '../__fixtures__/memory-s3.ts'
import { createS3Uploader, type S3Uploader } from '../index.ts'

const mebibyte = 1024 ** 2
const bytes = Buffer.alloc(11 * mebibyte, 'what is sent in parts ')
const content: Reopenable = {
  size: bytes.byteLength,
  sha256: sha256Of(bytes),
  async *open() {
    yield bytes
  },
}

let directory: string
let memory: MemoryS3
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bp-s3-completion-'))
  memory = createMemoryS3()
})
afterEach(() => rm(directory, { recursive: true, force: true }))

function uploaderTo({ createClient }: MemoryS3): S3Uploader {
  const parts = { partBytes: 5 * mebibyte, memoryBytes: 10 * mebibyte }
  return createS3Uploader({ bucket: 'bucket', profile: 'compatible', createClient, journalDirectory: directory, ...parts })
}

/** What a store does once whose object is another than its parts. */
function damage(key: string): void {
  const found = memory.objects.get(key)
  if (found === undefined) throw new Error(`no object ${key}`)
  const damaged = Buffer.from(found.bytes)
  damaged.writeUInt8(damaged.readUInt8(7) ^ 1, 7)
  memory.objects.set(key, { ...found, bytes: damaged, etag: `${'0'.repeat(32)}-3` })
}

async function expectStored(): Promise<void> {
  expect(memory.objects.get('key')?.bytes.equals(bytes)).toBe(true)
  expect(memory.uploads.size).toBe(0)
  expect(await readdir(directory)).toEqual([])
}

describe('an object that is not what its parts were', () => {
  test.each(['says so at once', 'is looked at', 'is found after its confirmation was lost'])(
    'is removed when it %s, and sent anew',
    async (how) => {
      let damagedOnce = false
      memory.meet = ({ name, carryOut }) => {
        if (name !== 'CompleteMultipartUpload' || damagedOnce) return undefined
        damagedOnce = true
        const answer = carryOut()
        damage('key')
        if (how === 'is found after its confirmation was lost') throw s3Failure('InternalError', 500)
        return how === 'is looked at' ? answer : { ETag: memory.objects.get('key')?.etag }
      }
      await using uploader = uploaderTo(memory)
      await expect(uploader.upload('key', content)).rejects.toMatchObject({ code: 'CORRUPTED', retryable: true })
      expect(memory.objects.size).toBe(0)
      expect(await readdir(directory)).toEqual([])
      await uploader.upload('key', content)
      await expectStored()
      expect(memory.calls.filter(({ name }) => name === 'UploadPart')).toHaveLength(6)
    },
  )

  test('is not taken for a stored one by the next process', async () => {
    memory.meet = ({ name, carryOut }) => {
      if (name === 'HeadObject' && memory.objects.size > 0) throw s3Failure('AccessDenied', 403)
      if (name !== 'CompleteMultipartUpload') return undefined
      if (memory.uploads.size > 0) {
        carryOut()
        damage('key')
      }
      throw s3Failure('RequestTimeout', 408)
    }
    const first = uploaderTo(memory)
    // It ends while nobody can tell whether the object is there.
    await expect(first.upload('key', content)).rejects.toMatchObject({ retryable: true })
    expect(await readdir(directory)).toHaveLength(1)
    memory.meet = () => undefined
    await using second = uploaderTo(memory)
    await second.upload('key', content)
    await expectStored()
  }, 30_000)
})

describe('the confirmation of an object', () => {
  test('is none when something else answers with success, and the parts are completed again', async () => {
    let pages = 0
    memory.meet = ({ name }) => (name === 'CompleteMultipartUpload' && pages++ === 0 ? {} : undefined)
    await using uploader = uploaderTo(memory)
    await uploader.upload('key', content)
    expect(pages).toBe(2)
    await expectStored()
  })

  test.each(['nothing', 'an object of somebody else'])('is none when there is %s and its ETag is another', async (there) => {
    const foreign = { bytes, etag: 'x', metadata: {}, input: {} }
    memory.meet = ({ name }) => {
      if (name !== 'CompleteMultipartUpload' || memory.objects.has('seen')) return undefined
      memory.objects.set('seen', foreign)
      if (there !== 'nothing') memory.objects.set('key', foreign)
      return { ETag: '"opaque"' }
    }
    await using uploader = uploaderTo(memory)
    await uploader.upload('key', content)
    memory.objects.delete('seen')
    await expectStored()
  })

  test('is enough when somebody else has replaced the object and its ETag is that of the parts', async () => {
    const foreign = { bytes: Buffer.from('other'), etag: 'x', metadata: {}, input: {} }
    memory.meet = ({ name, carryOut }) => {
      if (name !== 'CompleteMultipartUpload') return undefined
      const answer = carryOut()
      memory.objects.set('key', foreign)
      return answer
    }
    await using uploader = uploaderTo(memory)
    expect(await uploader.upload('key', content)).toMatchObject({ size: bytes.byteLength })
    expect(memory.objects.get('key')).toBe(foreign)
  })

  test('that never comes fails in a way that is tried again', async () => {
    let lost = true
    memory.meet = ({ name, carryOut }) => {
      if (name !== 'CompleteMultipartUpload' || !lost) return undefined
      lost = false
      const answer = carryOut()
      memory.objects.delete('key')
      return answer
    }
    await using uploader = withRetry(uploaderTo(memory), { firstDelayMs: 1 })
    await uploader.upload('key', content)
    await expectStored()
  })
})
