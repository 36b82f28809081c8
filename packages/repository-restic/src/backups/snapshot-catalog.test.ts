import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryUploader, type MemoryUploader, sampleBytes } from '@backup-planet/core/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cheapCost, filledStage, listing, openUploader, password, restored, storeContents } from '../__fixtures__/small-repository.ts'
import { parseSnapshot, snapshotJson } from '../format/snapshot-record.ts'
import { storageIdOf } from '../format/storage-id.ts'
import { initializeRepository, openRepository } from '../repository-access.ts'
import { readSealedJson, writeSealedJson } from '../repository-objects.ts'
import { isBackup } from './snapshot-catalog.ts'

const contents = { shop: { 'data.sql': sampleBytes(2000, 1) } }
const tree = storageIdOf(Buffer.of())

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'snapshot-catalog-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

describe('a snapshot', () => {
  it.each([
    [['id=1', 'job=shop', 'application=mysql'], {}, true],
    [['id=1', 'job=shop', 'application=mysql'], { job: 'shop' }, true],
    [['id=1', 'job=shop', 'application=mysql'], { job: 'crm' }, false],
    [['id=1', 'job=shop', 'application=mysql'], { id: '2' }, false],
    [['id=1', 'job=shop', 'application=mysql', 'kept by hand'], { id: '1', job: 'shop' }, true],
    [['id=1', 'job=shop'], {}, false],
    [['nightly'], {}, false],
    [undefined, {}, false],
  ])('with the tags %j is a backup for %j: %s', (tags, filter, is) => {
    expect(isBackup({ id: tree, record: { time: '2026-01-01T00:00:00Z', tree, paths: [], tags } }, filter)).toBe(is)
  })
})

describe('the backups of a repository', () => {
  it('are listed, oldest first, without what restic itself made', async () => {
    const uploader = await created()
    await storeContents(openUploader(uploader), 'second', contents)
    const late = await filledStage({ id: 'first', beganAt: '2020-01-01T00:00:00.000Z' }, contents)
    await openUploader(uploader).store({ run: late.run, agent: { version: '1.0.0' } }, late.contents)
    const opened = await openRepository(uploader, password, {})
    await writeSealedJson(opened, 'snapshots', snapshotJson({ time: '2026-01-01T00:00:00Z', tree, paths: ['/home'] }), {})
    const { backups, problems } = await listing(openUploader(uploader))
    expect(backups.map(({ id }) => id)).toEqual(['first', 'second'])
    expect(problems).toEqual([])
  })

  it('are listed beside a snapshot that is damaged, which is told', async () => {
    const uploader = await created()
    await storeContents(openUploader(uploader), 'whole', contents)
    const damaged = `snapshots/${storageIdOf(Buffer.from('x'))}`
    uploader.objects.set(damaged, { bytes: Buffer.from('y'), modifiedAt: '', sha256: '' })
    const { backups, problems } = await listing(openUploader(uploader))
    expect(backups.map(({ id }) => id)).toEqual(['whole'])
    expect(problems).toMatchObject([{ severity: 'error', code: 'CORRUPTED', message: expect.stringContaining(damaged) }])
  })

  it('are not listed under the name of another: the tags are what restic can change', async () => {
    const uploader = await created()
    await storeContents(openUploader(uploader), 'true', contents)
    await retag(uploader, (tags) => tags.map((tag) => (tag === 'id=true' ? 'id=false' : tag)))
    const { backups, problems } = await listing(openUploader(uploader))
    expect(backups).toEqual([])
    expect(problems).toMatchObject([
      { code: 'CORRUPTED', message: expect.stringContaining('tagged as false and holds the manifest of true') },
    ])
  })

  it('are one where a run was committed twice, and the one that can be read is read', async () => {
    const uploader = await created()
    const repository = openUploader(uploader)
    await storeContents(repository, 'twice', contents)
    const opened = await openRepository(uploader, password, {})
    const broken = snapshotJson({
      time: '2020-01-01T00:00:00Z',
      tree: storageIdOf(Buffer.from('gone')),
      paths: [],
      tags: ['id=twice', 'job=shop', 'application=memory'],
    })
    const { backups } = await listing(openUploader(uploader))
    const [{ job = '' } = {}] = backups
    await writeSealedJson(opened, 'snapshots', broken.replace('job=shop', `job=${job}`), {})
    const again = await listing(openUploader(uploader))
    expect(again.backups.map(({ id }) => id)).toEqual(['twice'])
    expect(again.problems).toMatchObject([{ code: 'CORRUPTED' }])
    const [backup] = again.backups
    if (backup === undefined) expect.unreachable()
    expect([...(await restored(openUploader(uploader), backup)).values()]).toEqual([contents.shop['data.sql']])
  })

  it('are listed without those that go meanwhile', async () => {
    const uploader = await created()
    await storeContents(openUploader(uploader), 'stays', contents)
    const list: MemoryUploader['list'] = async function* (prefix, options) {
      if (prefix === 'snapshots/') yield { key: `snapshots/${tree}`, size: 100, modifiedAt: '' }
      yield* uploader.list(prefix, options)
    }
    const { backups, problems } = await listing(openUploader({ ...uploader, list }))
    expect(backups.map(({ id }) => id)).toEqual(['stays'])
    expect(problems).toEqual([])
  })

  it('are listed from the cache the next time, which forgets those that are gone', async () => {
    const uploader = await created()
    const cacheDirectory = directory
    const [first, second] = [
      await storeContents(openUploader(uploader), 'first', contents),
      await storeContents(openUploader(uploader), 'second', { shop: { 'other.sql': sampleBytes(2000, 2) } }),
    ]
    const packsRead = async (): Promise<number> => {
      const reads: string[] = []
      const download: MemoryUploader['download'] = (name, ...rest) => {
        reads.push(name)
        return uploader.download(name, ...rest)
      }
      const { backups } = await listing(openUploader({ ...uploader, download }, { cacheDirectory }))
      expect(backups.every((backup) => [first, second].some(({ id }) => id === backup.id))).toBe(true)
      return reads.filter((name) => name.startsWith('data/') || name.startsWith('index/')).length
    }
    expect(await packsRead()).toBeGreaterThan(0)
    expect(await packsRead()).toBe(0)
    await openUploader(uploader).remove([first])
    expect(await packsRead()).toBe(0)
    const [place = ''] = await readdir(directory)
    expect(await readdir(join(directory, place))).toEqual([second.storage.snapshot])
    await rm(directory, { recursive: true })
    expect(await packsRead()).toBeGreaterThan(0)
  })

  it('are not listed once it is aborted', async () => {
    const uploader = await created()
    await storeContents(openUploader(uploader), 'any', contents)
    const controller = new AbortController()
    const listed = openUploader(uploader).list({}, { signal: controller.signal })
    controller.abort()
    await expect(listed[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'ABORTED' })
  })
})

async function created(): Promise<MemoryUploader> {
  const uploader = createMemoryUploader()
  await initializeRepository(uploader, { password, cost: cheapCost }, {})
  return uploader
}

/** As `restic tag` does it. */
async function retag(uploader: MemoryUploader, change: (tags: readonly string[]) => readonly string[]): Promise<void> {
  const opened = await openRepository(uploader, password, {})
  for (const name of [...uploader.objects.keys()].filter((key) => key.startsWith('snapshots/'))) {
    const id = name.slice('snapshots/'.length)
    const record = await readSealedJson(opened, 'snapshots', id, parseSnapshot, {})
    await writeSealedJson(opened, 'snapshots', snapshotJson({ ...record, tags: change(record.tags ?? []), original: id }), {})
    uploader.objects.delete(name)
  }
}
