import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createDirectoryStaging, createDirectoryUploader } from '@backup-planet/core'
import { chunksOf, sampleBytes } from '@backup-planet/core/testing'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { findingsOf, readAll, testFacts, testRun } from './__fixtures__/test-stage.ts'
import { createArchiveRepository } from './archive-repository.ts'
import { archiveFormats } from './archive-settings.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'archive-staging-'))
})

afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

it.each(archiveFormats)('stores %s of ten times the staging budget, two items at once, onto a disk', async (format) => {
  const staging = createDirectoryStaging({ directory: `${directory}/staging`, budgetBytes: 200_000, minimumFreeBytes: 0 })
  const uploader = createDirectoryUploader({ directory: `${directory}/store` })
  const repository = createArchiveRepository({ uploader, format })
  await using stage = await staging.begin(testRun)
  const storing = repository.store({ run: stage.run, agent: { version: '1.0.0' } }, stage.contents)
  const fill = async (item: string, seed: number) => {
    for (let index = 0; index < 25; index++) {
      await stage.stage.write({ item, name: `rows.${index}` }, chunksOf(sampleBytes(40_000, seed + index), [9000]))
    }
    await stage.stage.sealItem({ item, facts: {} })
  }
  const filling = Promise.all([fill('shop', 100), fill('other', 200)]).then(() => stage.stage.seal(testFacts))
  const [backup] = await Promise.all([storing, filling])
  const read = await readAll(repository, backup)
  expect(read.size).toBe(50)
  for (let index = 0; index < 25; index++) {
    expect(read.get(JSON.stringify(['shop', `rows.${index}`]))?.equals(sampleBytes(40_000, 100 + index))).toBe(true)
    expect(read.get(JSON.stringify(['other', `rows.${index}`]))?.equals(sampleBytes(40_000, 200 + index))).toBe(true)
  }
  expect((await findingsOf(repository, { readData: true })).map(({ severity }) => severity)).toEqual(['ok'])
})
