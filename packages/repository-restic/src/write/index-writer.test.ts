import { BackupError } from '@backup-planet/core'
import { createMemoryUploader } from '@backup-planet/core/testing'
import { expect, it } from 'vitest'
import { createMasterKey } from '../crypto/master-key.ts'
import type { IndexedPack } from '../format/index-file.ts'
import { storageIdOf } from '../format/storage-id.ts'
import type { OpenRepository } from '../repository-access.ts'
import { findBlob, loadIndex } from '../repository-index.ts'
import { IndexWriter } from './index-writer.ts'

const unreachable = new BackupError('the store is gone', { code: 'UNREACHABLE', hint: 'Try again.' })

it('writes what was added since the last time, and nothing when that is nothing', async () => {
  const { repository, uploader } = place()
  const indexes = new IndexWriter(repository)
  await indexes.write({})
  expect(uploader.objects.size).toBe(0)
  indexes.add(pack(1))
  indexes.add(pack(2))
  await indexes.write({})
  indexes.add(pack(3))
  await indexes.write({})
  await indexes.write({})
  expect(indexes.written).toHaveLength(2)
  expect([...uploader.objects.keys()].sort()).toEqual(indexes.written.map((id) => `index/${id}`).sort())
  const { blobs } = await loadIndex(repository, {})
  for (const number of [1, 2, 3]) expect(findBlob(blobs, 'data', blobId(number, 0))?.pack).toBe(packId(number))
})

it('keeps what it could not write, and what came meanwhile, for the next time', async () => {
  const { repository, uploader } = place()
  const indexes = new IndexWriter(repository)
  uploader.injectFault({ operation: 'upload', occurrence: 1, action: 'fail', error: unreachable })
  indexes.add(pack(1))
  const failing = indexes.write({})
  indexes.add(pack(2))
  await expect(failing).rejects.toBe(unreachable)
  await indexes.write({})
  const { blobs } = await loadIndex(repository, {})
  expect(blobs.packCount).toBe(2)
  expect(indexes.written).toHaveLength(1)
})

it('is full with 10,000 blobs', async () => {
  const { repository } = place()
  const indexes = new IndexWriter(repository)
  indexes.add(pack(1, 9_999))
  expect(indexes.full).toBe(false)
  indexes.add(pack(2, 1))
  expect(indexes.full).toBe(true)
  await indexes.write({})
  expect(indexes.full).toBe(false)
})

function place() {
  const uploader = createMemoryUploader()
  const repository: OpenRepository = { uploader, key: createMasterKey(), keyId: storageIdOf(Buffer.of()), config: undefined }
  return { uploader, repository }
}

function packId(number: number) {
  return storageIdOf(Buffer.from(`pack ${number}`))
}

function blobId(pack: number, number: number) {
  return storageIdOf(Buffer.from(`blob ${pack} ${number}`))
}

function pack(number: number, count = 1): IndexedPack {
  const blobs = Array.from({ length: count }, (_, at) => ({
    type: 'data' as const,
    id: blobId(number, at),
    offset: at * 100,
    length: 100,
    uncompressedLength: 0,
  }))
  return { id: packId(number), blobs }
}
