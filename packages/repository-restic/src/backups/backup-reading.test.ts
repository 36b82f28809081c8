import { bytesOf, createMemoryUploader, sampleBytes } from '@backup-planet/core/testing'
import { expect, it, vi } from 'vitest'
import {
  type Contents,
  cheapCost,
  differences,
  filesOf,
  openUploader,
  password,
  restoredAtOnce,
  storeContents,
} from '../__fixtures__/small-repository.ts'
import { initializeRepository } from '../repository-access.ts'
import { ResticSession } from '../restic-session.ts'

it('looks for the blobs of a file when they are wanted, and not for those of the whole backup before the first byte', async () => {
  const uploader = createMemoryUploader()
  await initializeRepository(uploader, { password, cost: cheapCost }, {})
  const names = Array.from({ length: 40 }, (_, at) => `part-${at}`)
  const contents: Contents = {
    shop: {
      empty: Buffer.alloc(0),
      ...Object.fromEntries(names.map((name, at) => [name, sampleBytes(2 * 1024 ** 2, at)])),
      last: Buffer.alloc(0),
    },
  }
  const backup = await storeContents(openUploader(uploader), 'one', contents)
  const repository = openUploader(uploader)
  await repository.inventory(backup)
  const locate = vi.spyOn(ResticSession.prototype, 'locate')
  try {
    for await (const { name, content } of repository.read(backup, () => true)) {
      await bytesOf(content)
      if (name === names[0]) break
    }
    expect(locate.mock.calls.filter(([type]) => type === 'data').length).toBeLessThanOrEqual(40)
  } finally {
    locate.mockRestore()
  }
  expect(differences(await restoredAtOnce(repository, backup), filesOf(contents))).toEqual([])
})
