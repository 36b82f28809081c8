import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { type Backup, encodeSegment } from '@backup-planet/core'
import { collect, oddNames } from '@backup-planet/core/conformance'
import { sampleBytes } from '@backup-planet/core/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Contents, findingsOf, storeContents } from '../src/__fixtures__/small-repository.ts'
import type { ResticRepository } from '../src/index.ts'
import { createSharedPlace, expectRestorable, expectWhole, initializeOurs, password, type SharedPlace } from './interoperability-fixture.ts'
import { createResticClient, programOf, resticProgram, writePasswordFile } from './restic-command.ts'

const run = promisify(execFile)

const contents: Contents = {
  shop: {
    'data.sql': sampleBytes(300_000, 1),
    'schema/deep/er/tables.sql': Buffer.from('create table t (a int);\n'.repeat(1000)),
    empty: new Uint8Array(0),
    'large.bin': sampleBytes(20_000_001, 2),
    'zeros.bin': new Uint8Array(9_000_000),
  },
  'größe / "x" \\ 数据 🪐': Object.fromEntries(oddNames.map((name, at) => [name, Buffer.from(`file ${at}`)])),
  "it's $HOME `id`": { 'line\u2028separator "quote"': Buffer.from('x') },
  'without files': {},
}

const canMount = existsSync('/dev/fuse') && process.getuid?.() === 0 && programOf('fusermount') !== undefined

/** Where restic sees a file of an item. */
const pathOf = (item: string, name: string) => `/memory/server/${encodeSegment(item)}/${name}`

async function sharedPlace(): Promise<SharedPlace> {
  const place = await createSharedPlace()
  onTestFinished(() => place[Symbol.asyncDispose]())
  await initializeOurs(place)
  return place
}

async function storedBackup(id = '20260101-1'): Promise<{ readonly place: SharedPlace; readonly backup: Backup }> {
  const place = await sharedPlace()
  return { place, backup: await storeContents(place.open(), id, contents) }
}

describe.skipIf(resticProgram === undefined)('a backup of ours, in the hands of restic,', () => {
  it('is checked, listed, found and measured', async () => {
    const { place, backup } = await storedBackup()
    const { restic } = place
    await expectWhole(place)
    expect(await restic.json(['snapshots'])).toMatchObject([
      {
        time: '2026-01-01T00:00:05Z',
        paths: ['/memory/server'],
        tags: ['id=20260101-1', `job=${backup.job}`, 'kind=full', 'application=memory'],
        id: backup.storage.snapshot,
      },
    ])
    const listed = ((await restic.json(['ls', 'latest'])) as { path?: string; type?: string; size?: number }[]).filter(
      ({ type }) => type === 'file',
    )
    const expected = new Map(
      Object.entries(contents).flatMap(([item, files]) =>
        Object.entries(files).map(([name, bytes]) => [pathOf(item, name), bytes.byteLength] as const),
      ),
    )
    const beside = ['/manifest.json', '/RESTORE.md']
    expect(new Map(listed.filter(({ path = '' }) => !beside.includes(path)).map(({ path, size = 0 }) => [path, size]))).toEqual(expected)
    expect(listed.map(({ path }) => path)).toEqual(expect.arrayContaining(beside))

    expect(await restic.run(['find', 'tables.sql'])).toContain(pathOf('shop', 'schema/deep/er/tables.sql'))
    const besideBytes = listed.reduce((sum, { path = '', size = 0 }) => sum + (beside.includes(path) ? size : 0), 0)
    const total = [...expected.values()].reduce((sum, size) => sum + size, besideBytes)
    expect(await restic.json(['stats', 'latest'])).toMatchObject({ total_size: total })
    expect(await restic.json(['stats', '--mode', 'raw-data'])).toMatchObject({ total_blob_count: expect.any(Number) })
  })

  it('is dumped and restored, byte for byte', async () => {
    const { place } = await storedBackup()
    for (const [item, files] of Object.entries(contents)) {
      for (const [name, bytes] of Object.entries(files).slice(0, 5)) {
        const dumped = await place.restic.bytes(['dump', 'latest', pathOf(item, name)])
        expect(dumped.equals(bytes), `${name} of ${item}`).toBe(true)
      }
    }
    expect(JSON.parse(await place.restic.run(['dump', 'latest', '/manifest.json']))).toMatchObject({ id: '20260101-1' })
    const target = place.path('restored')
    await place.restic.run(['restore', 'latest', '--verify', '--target', target])
    for (const [item, files] of Object.entries(contents)) {
      expect(
        (await readdir(target + pathOf(item, ''), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()),
      ).toHaveLength(Object.keys(files).length)
      for (const [name, bytes] of Object.entries(files))
        expect((await readFile(target + pathOf(item, name))).equals(bytes), name).toBe(true)
    }
  })

  it('comes back by the commands of its RESTORE.md, as they stand there', async () => {
    const { place } = await storedBackup()
    const guide = await place.restic.run(['dump', 'latest', '/RESTORE.md'])
    const commands = [...guide.matchAll(/^```bash\n([\s\S]*?)^```$/gm)].map(([, block]) => block).join('')
    expect(commands).toContain('restic restore')
    // The one thing that it asks for.
    const directory = place.path('by hand')
    await mkdir(place.path('by hand', 'path/to/the'), { recursive: true })
    await writePasswordFile(place.path('by hand', 'path/to/the/password'), password)
    await writeFile(place.path('commands'), commands)
    const environment = { PATH: process.env.PATH, HOME: directory }
    await run('bash', [place.path('commands')], { cwd: directory, env: environment })
    for (const [item, files] of Object.entries(contents)) {
      for (const [name, bytes] of Object.entries(files)) {
        const found = await readFile(`${directory}/restored/${encodeSegment(item)}/${name}`)
        expect(found.equals(bytes), `${name} of ${item}`).toBe(true)
      }
    }
    expect(JSON.parse(await readFile(`${directory}/unpacked/manifest.json`, 'utf8'))).toMatchObject({ id: '20260101-1' })
  })

  it('goes with forget and prune by its tags, and the others stay, also for who had read the index before', async () => {
    const place = await sharedPlace()
    const before = place.open()
    const shared = { 'shared.sql': sampleBytes(5_000_000, 4) }
    const old = { shop: { ...shared, 'data.sql': sampleBytes(9_000_000, 3) } }
    const backups: Backup[] = []
    for (const day of [1, 2, 3, 4]) backups.push(await storeContents(place.open(), `2026010${day}-1`, day === 1 ? old : { shop: shared }))
    const idsOf = async (repository: ResticRepository) => (await collect(repository.list())).map(({ id }) => id)
    // Restic puts what is still used of a pack into another one: each time, everything that stays lies elsewhere.
    for (const day of [1, 2, 3]) {
      const stay = backups.slice(day)
      expect(await idsOf(before)).toEqual(backups.slice(day - 1).map(({ id }) => id))
      for (const backup of stay) await expectRestorable(before, backup, { shop: shared })
      const removed = (await collect(before.snapshots())).find(({ backup }) => backup === backups[day - 1]?.id)
      await place.restic.run([
        'forget',
        '--prune',
        '--max-unused',
        '0',
        '--tag',
        `id=2026010${day}-1`,
        '--keep-tag',
        'none',
        '--group-by',
        '',
      ])
      for (const repository of [before, place.open()]) {
        expect(await idsOf(repository)).toEqual(stay.map(({ id }) => id))
        for (const backup of stay) await expectRestorable(repository, backup, { shop: shared })
        await expect(repository.inventory(backups[day - 1] as Backup)).rejects.toMatchObject({ code: 'NOT_FOUND' })
        await expect(repository.extract(removed?.id ?? 'none', { directory: place.path('gone') })).rejects.toMatchObject({
          code: 'NOT_FOUND',
        })
      }
      const [stays] = await collect(before.snapshots())
      const directory = place.path(`${day}`)
      expect(await before.extract(stays?.id ?? '', { directory, include: ['/memory'] })).toMatchObject({ files: 1, bytes: 5_000_000 })
    }
    await expectWhole(place)
    // What was pruned is stored again, and not taken to be there.
    await expectRestorable(before, await storeContents(before, '20260105-1', old), old)
    await expectWhole(place)
  })

  it('is still ours when restic has tagged it, rebuilt the index, and copied it to another repository', async () => {
    const { place, backup } = await storedBackup()
    await place.restic.run(['tag', '--add', 'precious', '--add', 'yearly', 'latest'])
    await expectRestorable(place.open(), backup, contents)
    const [tagged] = await collect(place.open().snapshots())
    expect(tagged).toMatchObject({ backup: backup.id, tags: expect.arrayContaining(['precious', 'yearly', 'id=20260101-1']) })
    expect(tagged?.id).not.toBe(backup.storage.snapshot)

    await place.restic.run(['rebuild-index'])
    await expectRestorable(place.open(), backup, contents)

    const copy = await createSharedPlace()
    onTestFinished(() => copy[Symbol.asyncDispose]())
    const from = ['--from-repo', place.restic.repository, '--from-password-file', place.restic.passwordFile]
    await copy.restic.run(['init', ...from, '--copy-chunker-params'])
    await copy.restic.run(['copy', ...from])
    await expectRestorable(copy.open(), backup, contents)
    await expectWhole(copy)
    await copy.restic.run(['copy', ...from])
    expect(await collect(copy.open().snapshots())).toHaveLength(1)
    // Cut at the same places: what is stored there again is there already.
    const packs = async () => (await copy.restic.run(['list', 'packs'])).trim().split('\n').length
    const count = await packs()
    await storeContents(copy.open(), '20260102-1', { shop: { 'large.bin': sampleBytes(20_000_001, 2) } })
    expect((await packs()) - count).toBeLessThanOrEqual(2)
  })

  it('opens with the passwords that restic adds and changes, and with no other', async () => {
    const { place, backup } = await storedBackup()
    const { restic } = place
    const another = await writePasswordFile(place.path('another'), 'another password')
    await restic.run(['key', 'add', '--new-password-file', another])
    await expectRestorable(place.open(), backup, contents)
    await expectRestorable(place.open('another password'), backup, contents)
    const changed = await writePasswordFile(place.path('changed'), 'größe 漢 "pass" \\')
    await restic.run(['key', 'passwd', '--new-password-file', changed])
    await expectRestorable(place.open('größe 漢 "pass" \\'), backup, contents)
    await expect(place.open().list()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'WRONG_CREDENTIALS' })

    const ours = place.open('another password')
    await ours.keys.changePassword('changed by us')
    const byUs = { passwordFile: await writePasswordFile(place.path('by us'), 'changed by us') }
    expect(await restic.json(['key', 'list'], byUs)).toHaveLength(2)
    expect(await restic.attempt(['key', 'list'], { passwordFile: another })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('wrong password'),
    })
    await ours.keys.add('a third')
    expect(await restic.run(['check'], { passwordFile: await writePasswordFile(place.path('third'), 'a third') })).toContain('no errors')
  })

  it('is opened after restic has removed ours from the keys', async () => {
    const { place, backup } = await storedBackup()
    const copy = await createResticClient(place.restic.repository, password)
    const keys = (await copy.json(['key', 'list'])) as { readonly id: string; readonly current: boolean }[]
    expect(keys).toMatchObject([{ current: true }])
    const other = await writePasswordFile(place.path('other'), 'other')
    await copy.run(['key', 'add', '--new-password-file', other])
    await copy.run(['key', 'remove', keys[0]?.id ?? ''], { passwordFile: other })
    await expectRestorable(place.open('other'), backup, contents)
    expect((await findingsOf(place.open('other'), { readData: true })).map(({ severity }) => severity)).toEqual(['ok'])
  })

  it.skipIf(!canMount)('is read through a mount', async () => {
    const { place } = await storedBackup()
    const mountPoint = place.path('mount')
    await mkdir(mountPoint)
    const controller = new AbortController()
    const mounted = place.restic.attempt(['mount', mountPoint], { signal: controller.signal })
    onTestFinished(async () => {
      controller.abort()
      await mounted
    })
    let ended = false
    void mounted.then(() => {
      ended = true
    })
    const folder = `${mountPoint}/tags/id=20260101-1/latest`
    while (!ended && !existsSync(folder)) await new Promise((resolve) => setTimeout(resolve, 50))
    if (ended) throw new Error(`restic mount ended: ${(await mounted).stderr}`)
    expect((await readFile(folder + pathOf('shop', 'large.bin'))).equals(contents.shop?.['large.bin'] ?? Buffer.alloc(0))).toBe(true)
  })
})
