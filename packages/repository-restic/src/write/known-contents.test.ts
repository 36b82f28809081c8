import { collect } from '@backup-planet/core/conformance'
import { createMemoryUploader, sampleBytes } from '@backup-planet/core/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { filledStage } from '../__fixtures__/small-repository.ts'
import { initializeRepository } from '../repository-access.ts'
import { createResticRepository, type ResticRepository } from '../restic-repository.ts'

const settings = { password: 'p', cacheDirectory: false } as const
let uploader: ReturnType<typeof createMemoryUploader>
let repository: ResticRepository

beforeEach(async () => {
  uploader = createMemoryUploader()
  await initializeRepository(uploader, { password: settings.password, cost: { N: 2, r: 1, p: 1 } }, {})
  repository = createResticRepository({ uploader, ...settings })
})

const files = { 'a.bin': sampleBytes(700_000, 1), 'deep/b.bin': sampleBytes(3, 2), empty: Buffer.alloc(0) }

async function store(id: string, contents: Readonly<Record<string, Buffer>> = files, job = 'shop') {
  const stage = await filledStage({ id, job, beganAt: `2026-01-01T00:00:0${id}.000Z` }, { shop: contents })
  const backup = await repository.store({ run: stage.run, agent: { version: '1' } }, stage.contents)
  return { backup, opened: stage.opened, released: stage.released }
}

async function contentOf(backup: Awaited<ReturnType<typeof store>>['backup'], name: string): Promise<Buffer> {
  return Buffer.concat(await collect(repository.open(backup, { item: 'shop', name })))
}

describe('a staged file that the newest backup of the job has', () => {
  test('is not read again, whatever it is called now, and is let go like every other', async () => {
    await store('1')
    const { backup, opened, released } = await store('2', { 'renamed.bin': files['a.bin'], ...files, 'new.bin': sampleBytes(10, 3) })
    expect(opened).toEqual(['shop/new.bin'])
    expect([...released].sort()).toEqual(['shop/a.bin', 'shop/deep/b.bin', 'shop/empty', 'shop/new.bin', 'shop/renamed.bin'])
    expect(backup.items[0]?.files?.map(({ name }) => name)).toEqual(['renamed.bin', 'a.bin', 'deep/b.bin', 'empty', 'new.bin'])
    for (const name of ['renamed.bin', 'a.bin']) expect((await contentOf(backup, name)).equals(files['a.bin'])).toBe(true)
    expect((await collect(repository.verify({ readData: true }))).map(({ severity }) => severity)).toEqual(['ok', 'ok'])
  })

  test('is read when one byte of it differs, and when it is of another job', async () => {
    await store('1')
    const changed = Buffer.from(files['a.bin'])
    changed[350_000] = (changed[350_000] ?? 0) ^ 1
    expect((await store('2', { 'a.bin': changed })).opened).toEqual(['shop/a.bin'])
    expect((await store('3', files, 'other')).opened).toContain('shop/a.bin')
  })

  test('is read when a blob of it is in no index and no pack any more, and the new backup is whole', async () => {
    await store('1')
    const index = [...uploader.objects.keys()].filter((key) => key.startsWith('index/'))
    const largest = [...uploader.objects]
      .filter(([key]) => key.startsWith('data/'))
      .sort(([, a], [, b]) => b.bytes.length - a.bytes.length)[0]?.[0]
    for (const key of [...index, largest ?? '']) uploader.objects.delete(key)
    repository = createResticRepository({ uploader: uploader.another(), ...settings })
    const { backup, opened } = await store('2')
    expect(opened).toContain('shop/a.bin')
    expect((await contentOf(backup, 'a.bin')).equals(files['a.bin'])).toBe(true)
  })
})
