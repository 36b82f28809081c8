import { BackupError, type Uploader } from '@backup-planet/core'
import { createMemoryUploader, type MemoryUploader, sampleBytes } from '@backup-planet/core/testing'
import { beforeEach, expect, it } from 'vitest'
import {
  type Contents,
  differences,
  emptyRepository,
  filesOf,
  openUploader,
  password,
  restoredAtOnce,
  storeContents,
} from '../__fixtures__/small-repository.ts'
import { type OpenRepository, openRepository } from '../repository-access.ts'
import { loadIndex } from '../repository-index.ts'
import { lockRepository } from '../repository-lock.ts'

const contents: Contents = { shop: { 'a.bin': sampleBytes(900_000, 1), 'b.bin': sampleBytes(700_000, 2) } }
let memory: MemoryUploader
let sentBefore: readonly string[]

/** As a run leaves it that was killed before its index: packs, and nothing that names them. */
beforeEach(async () => {
  memory = createMemoryUploader({ objects: await emptyRepository() })
  await using repository = openUploader(memory.another())
  await storeContents(repository, 'run-1', contents)
  for (const key of memory.objects.keys()) if (/^(?:index|snapshots)\//.test(key)) memory.objects.delete(key)
  sentBefore = packs()
})

it('takes what a killed run had sent, and lists the packs once', async () => {
  const listed: string[] = []
  const list: Uploader['list'] = (prefix, options) => {
    listed.push(prefix)
    return memory.list(prefix, options)
  }
  await store({ ...memory, list })
  expect(listed.filter((prefix) => prefix.startsWith('data'))).toHaveLength(1)
  expect(await indexedOf(sentBefore)).toEqual(sentBefore)
  expect(bytesOfPacksSince(sentBefore)).toBeLessThan(100_000)
})

it('leaves it alone while others hold a lock, since they may be sending it', async () => {
  await using _held = await lockRepository(await openOther(), { exclusive: false, waitMilliseconds: 0 }, {})
  await store(memory)
  expect(await indexedOf(sentBefore)).toEqual([])
  expect(bytesOfPacksSince(sentBefore)).toBeGreaterThan(1_000_000)
})

it('misses a pack that is gone between the list and its header', async () => {
  const download: Uploader['download'] = async function* (key, range, options) {
    if (sentBefore.includes(key)) memory.objects.delete(key)
    yield* memory.download(key, range, options)
  }
  await store({ ...memory, download })
  expect(await indexedOf(sentBefore)).toEqual([])
})

it('fails where a header cannot be read for another reason, and lists no backup', async () => {
  const unreachable = new BackupError('the store is gone', { code: 'UNREACHABLE', hint: 'Try again.' })
  const download: Uploader['download'] = (key, range, options) => {
    if (sentBefore.includes(key)) throw unreachable
    return memory.download(key, range, options)
  }
  await using repository = openUploader({ ...memory, download })
  await expect(storeContents(repository, 'run-2', contents)).rejects.toBe(unreachable)
  expect([...memory.objects.keys()].filter((key) => key.startsWith('snapshots/'))).toEqual([])
})

async function store(uploader: Uploader): Promise<void> {
  await using repository = openUploader(uploader)
  const backup = await storeContents(repository, 'run-2', contents)
  await using reader = openUploader(memory.another())
  expect(differences(await restoredAtOnce(reader, backup), filesOf(contents))).toEqual([])
}

function packs(): string[] {
  return [...memory.objects.keys()].filter((key) => key.startsWith('data/'))
}

function bytesOfPacksSince(before: readonly string[]): number {
  const since = packs().filter((key) => !before.includes(key))
  return since.reduce((sum, key) => sum + (memory.objects.get(key)?.bytes.byteLength ?? 0), 0)
}

function openOther(): Promise<OpenRepository> {
  return openRepository(memory.another(), password, {})
}

/** Those that an index file names. */
async function indexedOf(keys: readonly string[]): Promise<string[]> {
  const { blobs } = await loadIndex(await openOther(), {})
  return keys.filter((key) => blobs.hasPack(key.slice(key.lastIndexOf('/') + 1)))
}
