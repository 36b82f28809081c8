import { throwIfAborted, type Uploader } from '@backup-planet/core'
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

describe('what several wait for', () => {
  const waits = [
    ['the password', 0, (session: ResticSession, signal?: AbortSignal) => session.open({ signal })],
    ['the index', 1, (session: ResticSession, signal?: AbortSignal) => session.index({ signal })],
  ] as const

  it.each(waits)('comes to the others when the first is aborted: %s', async (_, faults, wait) => {
    const { uploader } = await placeWithoutIndex()
    const gate = Promise.withResolvers<void>()
    const reached = Promise.withResolvers<void>()
    const list: Uploader['list'] = async function* (prefix, options) {
      if (prefix === (faults === 0 ? 'keys/' : 'index/')) {
        reached.resolve()
        await gate.promise
        throwIfAborted(options?.signal, 'listing')
      }
      yield* uploader.list(prefix, options)
    }
    const session = sessionOf({ ...uploader, list })
    const controller = new AbortController()
    const [first, second] = [wait(session, controller.signal), wait(session)]
    first.catch(() => undefined)
    await reached.promise
    controller.abort()
    await expect(first).rejects.toMatchObject({ code: 'ABORTED' })
    gate.resolve()
    await second
  })

  it.each(waits)('is aborted when nobody waits any more, and begun anew by the next: %s', async (_, faults, wait) => {
    const { uploader } = await placeWithoutIndex()
    const session = sessionOf(uploader)
    const before = uploader.calls.list
    uploader.injectFault({ operation: 'list', occurrence: before + faults + 1, action: 'stall' })
    const controllers = [new AbortController(), new AbortController()]
    const waiting = controllers.map(({ signal }) => wait(session, signal))
    for (const aborted of waiting) aborted.catch(() => undefined)
    await expect.poll(() => uploader.calls.list).toBe(before + faults + 1)
    for (const controller of controllers) controller.abort()
    for (const aborted of waiting) await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' })
    await wait(session)
  })
})

function sessionOf(uploader: Uploader): ResticSession {
  return new ResticSession(uploader, resolveResticSettings({ password, cacheDirectory: false, threads: 1 }))
}

/** A repository with one pack of three blobs. */
async function placeWithoutIndex() {
  const uploader = createMemoryUploader()
  await initializeRepository(uploader, { password, cost: cheapCost }, {})
  const session = sessionOf(uploader)
  const { key } = await session.open({})
  const plaintexts = [1, 2, 3].map((seed) => sampleBytes(100, seed))
  const blobs = plaintexts.map((plaintext, at) => {
    return { type: 'data', id: storageIdOf(plaintext), offset: at * 132, length: 132, uncompressedLength: 0 } as const
  })
  const pack = sealPack(key, blobs, Buffer.concat(plaintexts.map((plaintext) => seal(key, plaintext))))
  await uploadPack(uploader, pack, {})
  return { uploader, session, pack: pack.id, blobs: blobs.map(({ id }) => id) }
}
