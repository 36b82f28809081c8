import { createMemoryUploader } from '@backup-planet/core/testing'
import { expect, test } from 'vitest'
import { createMasterKey } from '../crypto/master-key.ts'
import type { OpenRepository } from '../repository-access.ts'
import { writeNamedObject } from '../repository-objects.ts'
import type { BlobWorkers } from '../workers/blob-workers.ts'
import { ReadAhead, type WantedBlob } from './blob-reader.ts'

const mebibyte = 1024 ** 2

test('what compresses well is not opened all at once: a thousand blobs of 8 MiB lie in one small pack', async () => {
  const uploader = createMemoryUploader()
  const pack = await writeNamedObject(uploader, 'data', Buffer.alloc(100), {})
  const repository: OpenRepository = { uploader, key: createMasterKey(), keyId: pack, config: undefined }
  let opened = 0
  const workers: BlobWorkers = {
    threads: 1,
    hash: () => Promise.reject(new TypeError('nothing is hashed here')),
    seal: () => Promise.reject(new TypeError('nothing is sealed here')),
    async open(_bytes, blobs) {
      opened += blobs.length
      return { blobs: blobs.map(() => new Uint8Array(1)) }
    },
    async [Symbol.asyncDispose]() {},
  }
  const location = { type: 'data', pack, packNumber: 0, offset: 0, length: 100, uncompressedLength: 8 * mebibyte } as const
  const wanted: WantedBlob[] = Array.from({ length: 1000 }, () => ({ id: pack, location }))
  let taken = 0
  let most = 0
  for await (const _ of new ReadAhead(repository, workers, {}).read(wanted)) {
    most = Math.max(most, opened - taken)
    taken++
  }
  expect(taken).toBe(1000)
  expect(most * 8 * mebibyte).toBeLessThanOrEqual(96 * mebibyte)
})
