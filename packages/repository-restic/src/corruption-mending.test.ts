import { createMemoryUploader, sampleBytes } from '@backup-planet/core/testing'
import { expect, it } from 'vitest'
import {
  type Contents,
  differences,
  emptyRepository,
  filesOf,
  findingsOf,
  listing,
  openUploader,
  restoredAtOnce,
  storeContents,
} from './__fixtures__/small-repository.ts'

const contents: Contents = { shop: { 'rows.sql': sampleBytes(3000, 1), 'other.sql': sampleBytes(2000, 2) } }

it('what the hint of a damaged pack says makes the next backup whole, and those that shared the damage', async () => {
  const uploader = createMemoryUploader({ objects: await emptyRepository() })
  await storeContents(openUploader(uploader), 'run-1', contents)
  const packs = [...uploader.objects.keys()].filter((key) => key.startsWith('data/'))
  const hit = packs.find((key) => (uploader.objects.get(key)?.bytes.byteLength ?? 0) > 5000) ?? ''
  const object = uploader.objects.get(hit)
  if (object === undefined) throw new TypeError('no pack has the content')
  const bytes = Buffer.from(object.bytes)
  bytes.writeUInt8(bytes.readUInt8(1000) ^ 1, 1000)
  uploader.objects.set(hit, { ...object, bytes })

  const repository = openUploader(uploader)
  const told = (await findingsOf(repository, { readData: true })).filter(({ backup }) => backup === 'run-1')
  expect(told).toMatchObject([
    { severity: 'error', hint: expect.stringMatching(/remove the damaged pack and run backup-planet rebuild-index/) },
  ])
  await uploader.remove(hit)
  expect((await repository.rebuildIndex?.())?.missingPacks).toEqual([hit])
  await storeContents(repository, 'run-2', contents)

  const { backups } = await listing(repository)
  expect(backups.map(({ id }) => id)).toEqual(['run-1', 'run-2'])
  for (const backup of backups) expect(differences(await restoredAtOnce(repository, backup), filesOf(contents))).toEqual([])
  expect((await findingsOf(openUploader(uploader), { readData: true })).map(({ severity }) => severity)).toEqual(['ok', 'ok'])
})

it('an index file that is listed and never is there ends in a finding, and in nobody’s way', async () => {
  const uploader = createMemoryUploader({ objects: await emptyRepository() })
  await storeContents(openUploader(uploader), 'run-1', contents)
  const phantom = `index/${'0'.repeat(64)}`
  const haunted = {
    ...uploader,
    async *list(prefix: string) {
      yield* uploader.list(prefix)
      if (phantom.startsWith(prefix)) yield { key: phantom, size: 100, modifiedAt: new Date(0).toISOString() }
    },
  }
  const findings = await findingsOf(openUploader(haunted), { readData: true })
  expect(findings).toMatchObject([
    { severity: 'error', key: phantom, code: 'CORRUPTED' },
    { severity: 'ok', backup: 'run-1' },
  ])
  await storeContents(openUploader(haunted), 'run-2', contents)
  expect((await listing(openUploader(uploader))).backups.map(({ id }) => id)).toEqual(['run-1', 'run-2'])
})

it('what others wrote is found by who had read the index before, also after something was missing', async () => {
  const uploader = createMemoryUploader({ objects: await emptyRepository() })
  await storeContents(openUploader(uploader), 'run-1', contents)
  const longLived = openUploader(uploader)
  const [first] = (await listing(longLived)).backups
  if (first === undefined) throw new TypeError('nothing is listed')
  const index = [...uploader.objects].find(([key]) => key.startsWith('index/'))
  const tree = [...uploader.objects].find(([key, { bytes }]) => key.startsWith('data/') && bytes.byteLength > 5000)
  if (index === undefined || tree === undefined) throw new TypeError('nothing was stored')
  for (const [key] of [index, tree]) uploader.objects.delete(key)
  await expect(restoredAtOnce(longLived, first)).rejects.toMatchObject({ code: expect.stringMatching(/NOT_FOUND|CORRUPTED/) })
  for (const [key, object] of [index, tree]) uploader.objects.set(key, object)
  expect(differences(await restoredAtOnce(longLived, first), filesOf(contents))).toEqual([])
  await storeContents(openUploader(uploader), 'run-2', { shop: { 'rows.sql': sampleBytes(500, 9) } })
  expect((await listing(longLived)).backups.map(({ id }) => id)).toEqual(['run-1', 'run-2'])
})
