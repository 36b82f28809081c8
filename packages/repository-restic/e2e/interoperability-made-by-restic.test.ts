import { mkdir, rm, writeFile } from 'node:fs/promises'
import { collect } from '@backup-planet/core/conformance'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { storeContents } from '../src/__fixtures__/small-repository.ts'
import type { SnapshotEntry } from '../src/index.ts'
import { expectSameTree, type FolderTree, readFolderTree, writeHardTree, writeSparse } from './folder-tree.ts'
import { createSharedPlace, expectRestorable, expectWhole, type SharedPlace } from './interoperability-fixture.ts'
import { resticProgram } from './restic-command.ts'

const kinds: readonly { readonly kind: string; readonly init: readonly string[]; readonly backup: readonly string[] }[] = [
  { kind: 'version 1', init: ['--repository-version', '1'], backup: [] },
  { kind: 'version 1 with large packs', init: ['--repository-version', '1'], backup: ['--pack-size', '64'] },
  { kind: 'version 2', init: ['--repository-version', '2'], backup: ['--compression', 'auto'] },
  { kind: 'version 2 without compression, small packs', init: [], backup: ['--compression', 'off', '--pack-size', '4'] },
  { kind: 'version 2 with most compression, large packs', init: [], backup: ['--compression', 'max', '--pack-size', '64'] },
]

describe.skipIf(resticProgram === undefined)('a repository that restic made', () => {
  let sources: SharedPlace
  let source: string
  let tree: FolderTree

  beforeAll(async () => {
    sources = await createSharedPlace()
    source = sources.path('source')
    await writeHardTree(source)
    tree = await readFolderTree(source)
  })
  afterAll(() => sources[Symbol.asyncDispose]())

  async function initialized(init: readonly string[] = []): Promise<SharedPlace> {
    const place = await createSharedPlace()
    onTestFinished(() => place[Symbol.asyncDispose]())
    await place.restic.run(['init', ...init])
    return place
  }

  it.each(kinds)('$kind: is listed, verified and extracted by us, byte for byte', async ({ init, backup }) => {
    const place = await initialized(init)
    await place.restic.run(['backup', ...backup, '--tag', 'first,hard', '--host', 'somewhere', '.'], { directory: source })
    const repository = place.open()
    const [snapshot, ...others] = await collect(repository.snapshots())
    expect(others).toEqual([])
    expect(snapshot).toMatchObject({ hostname: 'somewhere', tags: ['first', 'hard'], paths: [source] })
    expect(snapshot).not.toHaveProperty('backup')
    expect(await collect(repository.list())).toEqual([])
    const id = snapshot?.id ?? ''

    expectSameEntries(await collect(repository.entries(id.slice(0, 8))), tree)
    const findings = await collect(repository.verify({ readData: true }))
    expect(findings).toEqual([{ severity: 'ok', key: `snapshots/${id}`, message: expect.stringContaining('every byte') }])

    const directory = place.path('extracted')
    const report = await repository.extract(id, { directory })
    const count = (type: string) => [...tree.values()].filter((entry) => entry.type === type).length
    expect(report).toEqual({
      files: count('file'),
      bytes: [...tree.values()].reduce((sum, { size }) => sum + size, 0),
      folders: count('dir'),
      links: count('symlink'),
      leftOut: [{ path: '/pipe', type: 'fifo' }],
    })
    expectSameTree(await readFolderTree(directory), tree)
  })

  it('of a file of 400 MB, some of it random and most of it empty, gives every byte back', async () => {
    const place = await initialized()
    await mkdir(place.path('huge'))
    await writeSparse(place.path('huge', 'sparse'), 400_000_000)
    await place.restic.run(['backup', place.path('huge')])
    const repository = place.open()
    const [snapshot] = await collect(repository.snapshots())
    const directory = place.path('extracted')
    await repository.extract(snapshot?.id ?? '', { directory, include: [place.path('huge')] })
    expectSameTree(await readFolderTree(`${directory}${place.path('huge')}`), await readFolderTree(place.path('huge')))
  })

  it('of several snapshots, gives each as it was, and the parts that are asked for', async () => {
    const place = await initialized()
    const data = place.path('data')
    await mkdir(`${data}/kept/inner`, { recursive: true })
    const trees: FolderTree[] = []
    for (const round of [1, 2, 3]) {
      await writeFile(`${data}/changing`, `round ${round}`.repeat(round * 100_000))
      await writeFile(`${data}/kept/inner/file ${round}`, `${round}`)
      if (round === 3) await rm(`${data}/kept/inner/file 1`)
      await place.restic.run(['backup', '--tag', `round=${round}`, data])
      trees.push(await readFolderTree(data))
    }
    const repository = place.open()
    const snapshots = await collect(repository.snapshots())
    expect(snapshots.map(({ tags }) => tags)).toEqual([['round=1'], ['round=2'], ['round=3']])
    for (const [at, { id }] of snapshots.entries()) {
      await repository.extract(id, { directory: place.path(`${at}`) })
      expectSameTree(await readFolderTree(place.path(`${at}`, data)), trees[at] ?? new Map())
    }
    const inner = `${data}/kept/inner`
    const report = await repository.extract(snapshots[2]?.id ?? '', { directory: place.path('part'), include: [inner] })
    expect(report).toMatchObject({ files: 2, links: 0 })
    expect([...(await readFolderTree(place.path('part', data))).keys()].sort()).toEqual([
      'kept',
      'kept/inner',
      'kept/inner/file 2',
      'kept/inner/file 3',
    ])
  })

  it('of version 1 is not written to until it is upgraded as the hint says', async () => {
    const place = await initialized(['--repository-version', '1'])
    const contents = { shop: { 'data.sql': Buffer.from('create table') } }
    await expect(storeContents(place.open(), '20260101-1', contents)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      hint: expect.stringContaining('restic migrate upgrade_repo_v2'),
    })
    expect(await place.restic.run(['list', 'locks'])).toBe('')
    await place.restic.run(['migrate', 'upgrade_repo_v2'])
    await storeContents(place.open(), '20260101-1', contents)
    await expectWhole(place)
  })

  it('of version 2 takes our backups beside its own snapshots, and restic reads them', async () => {
    const place = await initialized()
    await place.restic.run(['backup', '.'], { directory: source })
    const contents = { shop: { 'data.sql': Buffer.alloc(3_000_000, 'rows'), empty: Buffer.alloc(0) } }
    const backup = await storeContents(place.open(), '20260101-1', contents)
    await place.restic.run(['backup', '.'], { directory: source })
    expect((await collect(place.open().snapshots())).map((snapshot) => snapshot.backup).sort()).toEqual([
      '20260101-1',
      undefined,
      undefined,
    ])
    expect((await collect(place.open().list())).map(({ id }) => id)).toEqual(['20260101-1'])
    await expectRestorable(place.open(), backup, contents)
    const dumped = await place.restic.bytes(['dump', '--tag', 'id=20260101-1', 'latest', '/memory/server/shop/data.sql'])
    expect(dumped.equals(contents.shop['data.sql'])).toBe(true)
    await expectWhole(place)
  })
})

function expectSameEntries(entries: readonly SnapshotEntry[], tree: FolderTree): void {
  const listed = entries.map(({ pathBytes, type, mode, size }) => [
    Buffer.from(pathBytes).toString('latin1').slice(1),
    { type, mode, size },
  ])
  const facts = [...tree].map(([path, { type, mode, size }]) => [
    path,
    { type: type === 'other' ? 'fifo' : type, mode: type === 'symlink' ? 0o777 : mode, size },
  ])
  expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(facts))
  expect(entries).toHaveLength(tree.size)
}
