import { createMemoryUploader } from '@backup-planet/core/testing'
import { expect, it, vi } from 'vitest'
import { BlobIndex } from '../blob-index/blob-index.ts'
import { createMasterKey } from '../crypto/master-key.ts'
import { seal, sealOverhead } from '../crypto/sealed-bytes.ts'
import type { PackedBlob } from '../format/pack-header.ts'
import { storageIdOf } from '../format/storage-id.ts'
import type { OpenRepository } from '../repository-access.ts'
import { addPack } from '../repository-index.ts'
import { listObjects, writeNamedObject } from '../repository-objects.ts'
import { ResticSession } from '../restic-session.ts'
import { resolveResticSettings } from '../restic-settings.ts'
import { BlobDamage } from './blob-damage.ts'
import { checkPacks } from './pack-check.ts'

it('of a pack without its header the blobs are checked that the index names in it, without an id in hex for each of all others', async () => {
  const uploader = createMemoryUploader()
  const key = createMasterKey()
  const contents = ['whole', 'torn!'].map((text) => Buffer.from(text))
  const length = sealOverhead + 5
  const blobs = contents.map((bytes, at): PackedBlob => {
    return { type: 'data', id: storageIdOf(bytes), offset: at * length, length, uncompressedLength: 0 }
  })
  const content = Buffer.concat([...contents.map((bytes) => seal(key, bytes)), Buffer.alloc(100, 0xff)])
  content[length + 20] = (content[length + 20] ?? 0) ^ 1
  const id = await writeNamedObject(uploader, 'data', content, {})
  const repository: OpenRepository = { uploader, key, keyId: id, config: undefined }
  const index = new BlobIndex()
  for (let number = 0; number < 3000; number++) {
    const other = storageIdOf(Buffer.from(`${number}`))
    addPack(index, {
      id: storageIdOf(Buffer.from(`pack ${number % 10}`)),
      blobs: [{ type: 'data', id: other, offset: number, length: 1, uncompressedLength: 0 }],
    })
  }
  addPack(index, { id, blobs })
  const sizes = new Map<string, number>()
  for await (const { id: pack, size } of listObjects(uploader, 'data', {})) sizes.set(pack, size)
  const damage = new BlobDamage(index, sizes, new Set())
  const session = new ResticSession(uploader, resolveResticSettings({ password: 'none', cacheDirectory: false }))
  const hexIds = vi.spyOn(index, 'packId')
  const request = { session, repository, index, sizes, damage, wanted: undefined, subset: undefined }
  const messages: string[] = []
  for await (const { message } of checkPacks(request, {})) messages.push(message)
  expect(hexIds.mock.calls.length).toBeLessThan(100)
  expect(messages).toEqual([expect.stringContaining('its header claims'), expect.stringContaining('authentication code is wrong')])
  expect(blobs.map((blob) => damage.reasonOf(blob.type, blob.id))).toEqual([undefined, expect.stringContaining('authentication code')])
})
