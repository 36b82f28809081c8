import { createMemoryUploader, sampleBytes } from '@backup-planet/core/testing'
import { describe, expect, it } from 'vitest'
import { cheapCost, password } from './__fixtures__/small-repository.ts'
import { seal } from './crypto/sealed-bytes.ts'
import { storageIdOf } from './format/storage-id.ts'
import { initializeRepository } from './repository-access.ts'
import { ResticSession } from './restic-session.ts'
import { resolveResticSettings } from './restic-settings.ts'
import { sealPack, uploadPack } from './write/pack-upload.ts'

describe('a blob that no index knows', () => {
  it('is found by everybody who looks for it while the headers are read', async () => {
    const { session, blobs } = await placeWithoutIndex()
    const found = await Promise.all(blobs.map((id) => session.locate('data', id, {})))
    expect(found.map(({ type }) => type)).toEqual(['data', 'data', 'data'])
  })

  it('is found after a look that the store did not answer', async () => {
    const { session, uploader, blobs, pack } = await placeWithoutIndex()
    await session.index({})
    uploader.injectFault({ operation: 'download', occurrence: uploader.calls.download + 1, action: 'fail' })
    await expect(session.locate('data', blobs[0] ?? '', {})).rejects.toMatchObject({ code: 'UNREACHABLE' })
    expect(await session.locate('data', blobs[0] ?? '', {})).toMatchObject({ pack })
  })
})

/** A repository with one pack of three blobs. */
async function placeWithoutIndex() {
  const uploader = createMemoryUploader()
  await initializeRepository(uploader, { password, cost: cheapCost }, {})
  const session = new ResticSession(uploader, resolveResticSettings({ password, cacheDirectory: false, threads: 1 }))
  const { key } = await session.open({})
  const plaintexts = [1, 2, 3].map((seed) => sampleBytes(100, seed))
  const blobs = plaintexts.map((plaintext, at) => {
    return { type: 'data', id: storageIdOf(plaintext), offset: at * 132, length: 132, uncompressedLength: 0 } as const
  })
  const pack = sealPack(key, blobs, Buffer.concat(plaintexts.map((plaintext) => seal(key, plaintext))))
  await uploadPack(uploader, pack, {})
  return { uploader, session, pack: pack.id, blobs: blobs.map(({ id }) => id) }
}
