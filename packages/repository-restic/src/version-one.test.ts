import type { Backup } from '@backup-planet/core'
import { createMemoryUploader } from '@backup-planet/core/testing'
import { describe, expect, it } from 'vitest'
import { cheapCost, openUploader, password, restored, storeContents } from './__fixtures__/small-repository.ts'
import { seal } from './crypto/sealed-bytes.ts'
import { configJson } from './format/repository-config.ts'
import { initializeRepository, openRepository } from './repository-access.ts'
import type { ResticRepository } from './restic-repository.ts'

describe('a repository of version 1', () => {
  it('is read', async () => {
    const { repository, backup } = await place()
    expect([...(await restored(repository, backup)).values()]).toEqual([Buffer.from('rows')])
    expect(await repository.keys.list()).toHaveLength(1)
  })

  const writing: readonly (readonly [string, (repository: ResticRepository, backup: Backup) => Promise<unknown>])[] = [
    ['store', (repository) => storeContents(repository, 'two', { shop: {} })],
    ['remove', (repository, backup) => repository.remove([backup])],
    ['keys.add', ({ keys }) => keys.add('battery staple')],
    ['keys.remove', ({ keys }) => keys.remove('0')],
    ['keys.changePassword', ({ keys }) => keys.changePassword('battery staple')],
    ['prune', (repository) => repository.prune()],
    ['rebuildIndex', (repository) => repository.rebuildIndex()],
  ]
  it.each(writing)('is not written by %s, not even a lock', async (_, write) => {
    const { repository, uploader, backup } = await place()
    const before = new Map(uploader.objects)
    const { upload } = uploader.calls
    await expect(write(repository, backup)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    expect(uploader.objects).toEqual(before)
    expect(uploader.calls.upload).toBe(upload)
  })
})

async function place() {
  const uploader = createMemoryUploader()
  await initializeRepository(uploader, { password, cost: cheapCost }, {})
  const backup = await storeContents(openUploader(uploader), 'one', { shop: { 'a.sql': Buffer.from('rows') } })
  const { key, config } = await openRepository(uploader, password, {})
  if (config === undefined) expect.unreachable()
  const bytes = seal(key, Buffer.from(configJson({ ...config, version: 1 })))
  uploader.objects.set('config', { bytes, modifiedAt: '', sha256: '' })
  return { uploader, backup, repository: openUploader(uploader) }
}
