import { BackupError, uploaderLayer } from '@backup-planet/core'
import { createMemoryUploader } from '@backup-planet/core/testing'
import { describe, expect, it } from 'vitest'
import { findingsOf, listing, openUploader, restored, storeContents } from '../__fixtures__/small-repository.ts'
import { contentsOf, expectWhole, interrupted, keysBelow, type Objects, packBytes, storedBackups } from './__fixtures__/pruned-place.ts'

const kept = new Map([
  ['backup-0', [0, 1, 3]],
  ['backup-1', [1, 3, 5, 6]],
])

async function place(): Promise<Objects> {
  return (await storedBackups([...kept.values()])).objects
}

function open(objects: Objects) {
  return openUploader(createMemoryUploader({ objects }), { packBytes })
}

function flipLast(objects: Objects, key: string, fromEnd: number): void {
  const object = objects.get(key)
  if (object === undefined) throw new Error(`${key} is not there`)
  const bytes = Uint8Array.from(object.bytes)
  const at = bytes.byteLength - fromEnd
  bytes[at] = (bytes[at] ?? 0) ^ 1
  objects.set(key, { ...object, bytes })
}

function largestPack(objects: Objects): string {
  const size = (key: string) => objects.get(key)?.bytes.byteLength ?? 0
  return keysBelow(objects, 'data/').reduce((largest, key) => (size(key) > size(largest) ? key : largest), '')
}

/** The files of all backups that come back, as `backup/item/name`. */
async function readable(objects: Objects): Promise<string[]> {
  const repository = open(objects)
  const names: string[] = []
  for (const backup of (await listing(repository)).backups) {
    for (const [name, bytes] of await restored(repository, backup)) if (Buffer.isBuffer(bytes)) names.push(`${backup.id}/${name}`)
  }
  return names.sort()
}

describe('rebuilding the index', () => {
  it('leaves alone an index that says what the packs hold, and reads none of them', async () => {
    const objects = await place()
    const before = keysBelow(objects, 'index/')
    const packs = keysBelow(objects, 'data/').length
    const report = await open(objects).rebuildIndex()
    expect(report).toEqual({
      packs,
      packsRead: 0,
      indexFilesWritten: 0,
      indexFilesRemoved: 0,
      damagedPacks: [],
      missingPacks: [],
      retained: [],
    })
    expect(keysBelow(objects, 'index/')).toEqual(before)
  })

  it('reads everything when it is asked to, and replaces all index files', async () => {
    const objects = await place()
    const before = keysBelow(objects, 'index/')
    const packs = keysBelow(objects, 'data/').length
    const report = await open(objects).rebuildIndex({ readAll: true })
    expect(report).toMatchObject({ packs, packsRead: packs, indexFilesWritten: 1, indexFilesRemoved: before.length, damagedPacks: [] })
    expect(before.filter((key) => objects.has(key))).toEqual([])
    await expectWhole(objects, kept)
  })

  it.each(['gone', 'damaged'])('finds again what only index files knew that are %s', async (how) => {
    const objects = await place()
    for (const key of keysBelow(objects, 'index/')) {
      if (how === 'gone') objects.delete(key)
      else flipLast(objects, key, 40)
    }
    const packs = keysBelow(objects, 'data/').length
    const report = await open(objects).rebuildIndex()
    expect(report).toMatchObject({ packs, packsRead: packs, indexFilesWritten: 1, damagedPacks: [], missingPacks: [] })
    expect(keysBelow(objects, 'index/')).toHaveLength(1)
    await expectWhole(objects, kept)
    await expect(open(objects).prune({ keepYoungerThanSeconds: 0 })).resolves.toMatchObject({ retained: [] })
    await expectWhole(objects, kept)
  })

  it('tells of a pack whose header is damaged, and keeps what the index says of it', async () => {
    const objects = await place()
    const [key = ''] = keysBelow(objects, 'data/')
    flipLast(objects, key, 10)
    const report = await open(objects).rebuildIndex({ readAll: true })
    expect(report.damagedPacks).toEqual([{ key, reason: expect.stringContaining(key) }])
    expect(objects.has(key)).toBe(true)
    const findings = await findingsOf(open(objects))
    expect(findings.map(({ severity }) => severity)).toEqual(['ok', 'ok'])
    for (const index of keysBelow(objects, 'index/')) objects.delete(index)
    const second = await open(objects).rebuildIndex()
    expect(second.damagedPacks.map(({ key: damaged }) => damaged)).toEqual([key])
    expect(objects.has(key)).toBe(true)
    expect((await findingsOf(open(objects))).filter(({ severity }) => severity === 'error').length).toBeGreaterThan(0)
  })

  it('keeps of a pack that is cut what lies before the cut', async () => {
    const objects = await place()
    const before = await readable(objects)
    const key = largestPack(objects)
    const object = objects.get(key)
    if (object === undefined) expect.unreachable()
    objects.set(key, { ...object, bytes: object.bytes.subarray(0, object.bytes.byteLength / 2) })
    const cut = await readable(objects)
    expect(cut.length).toBeLessThan(before.length)
    expect(cut.length).toBeGreaterThan(0)
    const report = await open(objects).rebuildIndex()
    expect(report).toMatchObject({ damagedPacks: [{ key }], missingPacks: [] })
    expect(await readable(objects)).toEqual(cut)
    // What was behind the cut is known to nobody: the next backup stores it again.
    await storeContents(open(objects), 'backup-2', contentsOf([0, 1, 3, 5, 6]))
    expect(await readable(objects)).toEqual(expect.arrayContaining(before))
  })

  it('takes packs out of the index that are not there, and tells of them', async () => {
    const objects = await place()
    const [key = ''] = keysBelow(objects, 'data/')
    objects.delete(key)
    const report = await open(objects).rebuildIndex()
    expect(report.missingPacks).toEqual([key])
    expect(report.indexFilesRemoved).toBeGreaterThan(0)
    expect(await open(objects).rebuildIndex()).toMatchObject({ missingPacks: [], indexFilesWritten: 0 })
  })

  it('leaves an index that knows everything, wherever it is interrupted', { timeout: 120_000 }, async () => {
    const objects = await place()
    for (const key of keysBelow(objects, 'index/').slice(0, 1)) flipLast(objects, key, 40)
    const counting = interrupted(createMemoryUploader({ objects: new Map(objects) }))
    await openUploader(counting.uploader).rebuildIndex({ readAll: true })
    for (let at = 1; at <= counting.calls(); at++) {
      const copy: Objects = new Map(objects)
      const broken = interrupted(createMemoryUploader({ objects: copy }), { at, forGood: true, done: at % 2 === 0 })
      await openUploader(broken.uploader)
        .rebuildIndex({ readAll: true })
        .catch((error: unknown) => expect(error).toMatchObject({ code: 'UNREACHABLE' }))
      await open(copy).unlock('all')
      await open(copy).rebuildIndex()
      await expectWhole(copy, kept)
    }
  })

  it('tells of index files that the store refuses to remove', async () => {
    const objects = await place()
    const memory = createMemoryUploader({ objects })
    const uploader = uploaderLayer(memory, {
      async remove(key, options) {
        if (key.startsWith('index/')) throw new BackupError(`${key} is locked`, { code: 'ACCESS_DENIED', hint: 'Wait.' })
        await memory.remove(key, options)
      },
    })
    const before = keysBelow(objects, 'index/')
    const report = await openUploader(uploader).rebuildIndex({ readAll: true })
    expect(report.retained.map(({ key }) => key).sort()).toEqual(before)
    expect(report.indexFilesRemoved).toBe(0)
    await expectWhole(objects, kept)
  })
})
