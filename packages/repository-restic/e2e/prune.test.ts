import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { fileBytes } from '../src/maintenance/__fixtures__/pruned-place.ts'
import { createPrunePlace } from './prune-place.ts'
import { resticProgram } from './restic-command.ts'

/** Three backups, of which the oldest is removed. */
async function placeWithWaste() {
  const place = await createPrunePlace()
  await place.store([0, 1, 2, 3, 6, 9, 18, 21])
  await place.store([0, 3, 4, 12, 21, 24])
  await place.store([3, 5, 12, 15, 27])
  await place.remove(0)
  return place
}

const request = { keepYoungerThanSeconds: 0, maxUnusedShare: 0 }

describe.skipIf(resticProgram === undefined)('a pruned repository', () => {
  it('is whole for restic, and has nothing that restic would prune', async () => {
    await using place = await placeWithWaste()
    const report = await place.open().prune(request)
    expect(report.removedBytes).toBeGreaterThan(1_000_000)
    await place.expectWhole()
    await place.expectRestorable()
    const left = await place.restic.run(['prune', '--dry-run', '--max-unused', '0'])
    expect(left).toMatch(/total prune:\s+0 blobs \/ 0 B/)
    expect(left).toMatch(/unused size after prune: 0 B/)
  })

  it('is whole for us when restic has pruned it', async () => {
    await using place = await placeWithWaste()
    await place.restic.run(['prune', '--max-unused', '0'])
    await place.expectWhole()
    await place.expectRestorable()
    expect((await place.open().stats()).unusedBytes).toBe(0)
    expect(await place.open().prune(request)).toMatchObject({ removedPacks: 0, keptUnusedBytes: 0, retained: [] })
    await place.expectWhole()
    await place.expectRestorable()
  })

  it('still has what snapshots of restic itself need', async () => {
    await using place = await placeWithWaste()
    const source = path.join(place.folder, 'source')
    await mkdir(path.join(source, 'below'), { recursive: true })
    // One file that only the removed backup had, one that nobody has, and one without content.
    await writeFile(path.join(source, 'shared'), fileBytes(18))
    await writeFile(path.join(source, 'below', 'own'), fileBytes(100))
    await writeFile(path.join(source, 'below', 'empty'), '')
    await place.restic.run(['backup', '.'], { directory: source })
    await place.store([0, 1])
    await place.remove(0)
    const report = await place.open().prune(request)
    expect(report.removedPacks + report.repackedPacks).toBeGreaterThan(0)
    await place.expectWhole()
    await place.expectRestorable()
    const target = path.join(place.folder, 'target')
    await place.restic.run(['restore', 'latest', '--path', source, '--target', target])
    expect((await readdir(path.join(target, 'below'))).sort()).toEqual(['empty', 'own'])
    expect((await readFile(path.join(target, 'shared'))).equals(fileBytes(18))).toBe(true)
    expect((await readFile(path.join(target, 'below', 'own'))).equals(fileBytes(100))).toBe(true)
    const stats = await place.open().stats()
    expect(stats).toMatchObject({ backups: 2, snapshots: 3, unusedBytes: 0 })
  })

  it('has an index again for restic once it is rebuilt, as it has for us once restic has rebuilt it', async () => {
    await using place = await placeWithWaste()
    const index = path.join(place.restic.repository, 'index')
    for (const name of await readdir(index)) await writeFile(path.join(index, name), 'no index')
    expect((await place.restic.attempt(['check'])).code).not.toBe(0)
    const report = await place.open().rebuildIndex()
    expect(report).toMatchObject({ packs: report.packsRead, damagedPacks: [], missingPacks: [] })
    await place.expectWhole()
    await place.restic.run(['rebuild-index', '--read-all-packs'])
    await place.expectRestorable()
    expect(await place.open().rebuildIndex()).toMatchObject({ packsRead: 0, indexFilesWritten: 0, indexFilesRemoved: 0 })
    await place.open().prune(request)
    await place.expectWhole()
    await place.expectRestorable()
  })
})
