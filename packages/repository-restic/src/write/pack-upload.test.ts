import { BackupError, type Uploader } from '@backup-planet/core'
import { createMemoryUploader, sampleBytes } from '@backup-planet/core/testing'
import { expect, it } from 'vitest'
import { createMasterKey } from '../crypto/master-key.ts'
import { seal } from '../crypto/sealed-bytes.ts'
import type { PackedBlob } from '../format/pack-header.ts'
import { storageIdOf } from '../format/storage-id.ts'
import { readPackHeader } from '../repository-index.ts'
import { sealPack, uploadPack } from './pack-upload.ts'

const key = createMasterKey()

it('makes a pack that its header describes, named by its SHA-256', async () => {
  const uploader = createMemoryUploader()
  const { blobs, content } = packed([0, 10, 3_000_000])
  const pack = sealPack(key, blobs, content)
  await uploadPack(uploader, pack, {})
  const stored = uploader.objects.get(`data/${pack.id.slice(0, 2)}/${pack.id}`)
  expect(storageIdOf(stored?.bytes ?? Buffer.of())).toBe(pack.id)
  expect(stored?.bytes.byteLength).toBe(pack.size)
  const repository = { uploader, key, keyId: pack.id, config: undefined }
  expect(await readPackHeader(repository, pack.id, pack.size, {})).toEqual(blobs)
})

it('is never the same pack twice, so that nobody sees that two hold the same', () => {
  const { blobs, content } = packed([100])
  expect(sealPack(key, blobs, content).id).not.toBe(sealPack(key, blobs, content).id)
})

it('sends pieces that can be held back, and the same again for another attempt', async () => {
  const memory = createMemoryUploader()
  const sizes: number[] = []
  const upload: Uploader['upload'] = async (name, content, options) => {
    for await (const piece of content.open()) sizes.push(piece.byteLength)
    return await memory.upload(name, content, options)
  }
  const { blobs, content } = packed([3_000_000])
  await uploadPack({ ...memory, upload }, sealPack(key, blobs, content), {})
  expect(Math.max(...sizes)).toBe(1024 ** 2)
})

it('gives nothing any more to an attempt that goes on after the upload has settled', async () => {
  const memory = createMemoryUploader()
  const late: AsyncIterator<Uint8Array>[] = []
  const upload: Uploader['upload'] = async (name, content, options) => {
    const iterator = content.open()[Symbol.asyncIterator]()
    await iterator.next()
    late.push(iterator)
    if (name.endsWith('f')) throw new BackupError('timed out', { code: 'TIMED_OUT', hint: 'Try again.' })
    return await memory.upload(name, content, options)
  }
  const { blobs, content } = packed([3_000_000])
  const stored = { ...sealPack(key, blobs, content), id: 'a'.repeat(64) }
  await uploadPack({ ...memory, upload }, stored, {})
  await expect(uploadPack({ ...memory, upload }, { ...stored, id: 'f'.repeat(64) }, {})).rejects.toMatchObject({ code: 'TIMED_OUT' })
  expect(late).toHaveLength(2)
  for (const iterator of late) await expect(iterator.next()).rejects.toThrow('after its upload has settled')
})

it('takes a pack that arrived cut for a failure', async () => {
  const memory = createMemoryUploader()
  const upload: Uploader['upload'] = async (...call) => ({ ...(await memory.upload(...call)), size: 99 })
  const { blobs, content } = packed([100])
  await expect(uploadPack({ ...memory, upload }, sealPack(key, blobs, content), {})).rejects.toMatchObject({
    code: 'CORRUPTED',
    retryable: true,
    message: expect.stringContaining('99 of'),
  })
})

function packed(sizes: readonly number[]): { readonly blobs: PackedBlob[]; readonly content: Buffer } {
  let offset = 0
  const blobs: PackedBlob[] = []
  const pieces = sizes.map((size, at) => {
    const plaintext = sampleBytes(size, 1 + at)
    const sealed = seal(key, plaintext)
    blobs.push({ type: 'data', id: storageIdOf(plaintext), offset, length: sealed.byteLength, uncompressedLength: 0 })
    offset += sealed.byteLength
    return sealed
  })
  return { blobs, content: Buffer.concat(pieces) }
}
