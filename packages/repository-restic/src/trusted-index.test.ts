import { collect } from '@backup-planet/core/conformance'
import { createMemoryUploader, sampleBytes } from '@backup-planet/core/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { filledStage } from './__fixtures__/small-repository.ts'
import { initializeRepository } from './repository-access.ts'
import { createResticRepository } from './restic-repository.ts'

const settings = { password: 'p', cacheDirectory: false } as const
let uploader: ReturnType<typeof createMemoryUploader>

beforeEach(async () => {
  uploader = createMemoryUploader()
  await initializeRepository(uploader, { password: settings.password, cost: { N: 2, r: 1, p: 1 } }, {})
})

const content = sampleBytes(900_000, 1)

const stageOf = (id: string) => filledStage({ id, job: 'shop', beganAt: `2026-01-01T00:00:0${id}.000Z` }, { shop: { 'a.bin': content } })

async function store(id: string) {
  const stage = await stageOf(id)
  const problems: string[] = []
  const repository = createResticRepository({ uploader: uploader.another(), ...settings })
  const backup = await repository.store({ run: stage.run, agent: { version: '1' } }, stage.contents, {
    onProgress: (progress) => progress.type === 'problem' && problems.push(progress.problem.message),
  })
  const read = async () => Buffer.concat(await collect(repository.open(backup, { item: 'shop', name: 'a.bin' })))
  return { repository, problems, read }
}

const packs = () => [...uploader.objects.keys()].filter((key) => key.startsWith('data/'))

describe('an index that names a pack', () => {
  test.each([
    ['that is gone', (key: string) => uploader.objects.delete(key)],
    [
      'that is cut',
      (key: string) => {
        const object = uploader.objects.get(key)
        if (object !== undefined) uploader.objects.set(key, { ...object, bytes: object.bytes.subarray(0, object.bytes.byteLength >> 1) })
      },
    ],
  ])('%s is not believed by who stores: what it held is stored anew, and that is told', async (_, damage) => {
    await store('1')
    for (const key of packs()) damage(key)
    const { read, problems, repository } = await store('2')
    expect((await read()).equals(content)).toBe(true)
    expect(problems).toEqual([expect.stringContaining('are not in the store, or are cut')])
    // The old index file still says where it was: whoever goes by it, as restic does, needs it mended.
    await repository.rebuildIndex()
    const findings = await collect(repository.verify({ readData: true, id: '2' }))
    expect(findings.filter(({ backup, severity }) => backup === '2' && severity === 'ok')).toHaveLength(1)
  })

  test('that is whole is believed: nothing is told and nothing stored twice', async () => {
    await store('1')
    const before = packs().length
    const { problems } = await store('2')
    expect(problems).toEqual([])
    // One for the manifest of this backup and one for its trees.
    expect(packs().length - before).toBeLessThanOrEqual(2)
  })
})

test('no index is written once the lock is gone: it would name packs that whoever removed the lock may have removed', async () => {
  const stage = await stageOf('1')
  const repository = createResticRepository({
    uploader: {
      ...uploader,
      async upload(key, ...rest) {
        const uploaded = await uploader.upload(key, ...rest)
        if (key.startsWith('data/'))
          for (const lock of [...uploader.objects.keys()].filter((name) => name.startsWith('locks/'))) uploader.objects.delete(lock)
        return uploaded
      },
    },
    ...settings,
  })
  await expect(repository.store({ run: stage.run, agent: { version: '1' } }, stage.contents)).rejects.toMatchObject({ code: 'CONFLICT' })
  expect([...uploader.objects.keys()].filter((key) => key.startsWith('index/') || key.startsWith('snapshots/'))).toEqual([])
})
