import { randomBytes } from 'node:crypto'
import { createMemoryUploader } from '@backup-planet/core/testing'
import { expect, it } from 'vitest'
import { stageOf, storeStage } from './__fixtures__/test-stage.ts'
import { createArchiveRepository } from './archive-repository.ts'

it('says what a backup takes in the store, all of its objects but the record itself, and nothing of what is not its own', async () => {
  const uploader = createMemoryUploader()
  const repository = createArchiveRepository({ uploader, encryption: { passphrase: 'right', workFactor: 10 } })
  const backup = await storeStage(repository, stageOf([{ item: 'shop', name: 'rows', bytes: randomBytes(3000) }]))
  const [folder] = [...uploader.objects.keys()]
    .filter((key) => key.endsWith('/manifest.json'))
    .map((key) => key.slice(0, -'manifest.json'.length))
  const sizes = [...uploader.objects]
    .filter(([key]) => key.startsWith(folder ?? '-') && !key.endsWith('/manifest.json'))
    .map(([, { bytes }]) => bytes.length)
  expect(sizes.length).toBeGreaterThan(2)
  expect(repository.storedBytes?.(backup)).toBe(sizes.reduce((sum, size) => sum + size, 0))
  expect(repository.storedBytes?.({ ...backup, storage: { format: 'another/1' } })).toBeUndefined()
})
