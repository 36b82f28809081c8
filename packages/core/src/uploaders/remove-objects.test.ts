import { expect, it } from 'vitest'
import { BackupError } from '../errors/backup-error.ts'
import { uploaderLayer } from '../layers/uploader-layer.ts'
import { reopenable } from '../testing/chunks-of.ts'
import { createMemoryUploader, type MemoryUploader } from '../testing/memory-uploader.ts'
import { removeObjects } from './remove-objects.ts'

const keys = Array.from({ length: 20 }, (_, index) => `object-${index}`)

async function filled(settings: { readonly removesSeveral?: boolean } = {}): Promise<MemoryUploader> {
  const uploader = createMemoryUploader(settings)
  for (const key of [...keys, 'kept']) await uploader.upload(key, reopenable(Buffer.from(key)))
  return uploader
}

it.each([false, true])('removes what it is given, with one call where one is enough (%s)', async (removesSeveral) => {
  const uploader = await filled({ removesSeveral })
  expect(await removeObjects(uploader, [...keys, 'never-there'])).toEqual([])
  expect([...uploader.objects.keys()]).toEqual(['kept'])
  expect(uploader.calls.remove).toBe(removesSeveral ? 1 : keys.length + 1)
})

it('removes all but what is refused', async () => {
  const uploader = await filled()
  const locked = uploaderLayer(uploader, {
    async remove(key, options) {
      if (key.endsWith('7')) throw new BackupError(`${key} is locked`, { code: 'ACCESS_DENIED', hint: 'Wait.' })
      await uploader.remove(key, options)
    },
  })
  expect(await removeObjects(locked, keys)).toEqual([
    { key: 'object-7', reason: 'object-7 is locked' },
    { key: 'object-17', reason: 'object-17 is locked' },
  ])
  expect([...uploader.objects.keys()]).toEqual(['object-7', 'object-17', 'kept'])
})

it('takes a refusal by the name that the uploader gives it', async () => {
  const uploader = await filled()
  const foreign = uploaderLayer(uploader, {
    async remove(key, options) {
      if (key === 'object-3') throw new Error('403 for key sw0rdfish')
      await uploader.remove(key, options)
    },
  })
  const classified = { ...foreign, classify: () => 'ACCESS_DENIED' as const }
  expect(await removeObjects(classified, keys)).toEqual([{ key: 'object-3', reason: 'removal of object-3 was refused at memory://' }])
})

it('ends with another failure, once nothing is on its way any more', async () => {
  const uploader = await filled()
  let onTheirWay = 0
  const failing = uploaderLayer(uploader, {
    async remove(key, options) {
      onTheirWay++
      await new Promise((resolve) => setTimeout(resolve, key === 'object-1' ? 1 : 20))
      onTheirWay--
      if (key === 'object-1') throw new BackupError('gone', { code: 'UNREACHABLE', retryable: true })
      await uploader.remove(key, options)
    },
  })
  await expect(removeObjects(failing, keys)).rejects.toMatchObject({ code: 'UNREACHABLE' })
  expect(onTheirWay).toBe(0)
  expect(uploader.objects.size).toBeGreaterThan(keys.length / 2)
})

it('stops when it is aborted', async () => {
  const uploader = await filled()
  const abort = new AbortController()
  const aborting = uploaderLayer(uploader, {
    async remove(key, options) {
      await uploader.remove(key, options)
      abort.abort()
    },
  })
  await expect(removeObjects(aborting, keys, { signal: abort.signal })).rejects.toMatchObject({ code: 'ABORTED' })
  expect(uploader.objects.size).toBeGreaterThan(keys.length / 2)
})
