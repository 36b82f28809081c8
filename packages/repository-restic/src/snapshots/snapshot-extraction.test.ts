import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BackupError } from '@backup-planet/core'
import { collect } from '@backup-planet/core/conformance'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createResticRepository } from '../restic-repository.ts'
import { createRawRepository, type RawNode } from './__fixtures__/raw-snapshot.ts'
import { possibleName } from './entry-names.ts'

let place: string
let directory: string

beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'extraction-'))
  directory = join(place, 'extracted')
})

afterEach(async () => {
  await rm(place, { recursive: true, force: true })
})

const bytes = (text: string) => Buffer.from(text)
const extracted = () => readdir(directory, { recursive: true }).then((names) => names.sort())
const modeOf = async (path: string) => (await lstat(join(directory, path))).mode & 0o7777

async function extractNodes(nodes: readonly RawNode[], include?: readonly (string | Uint8Array)[]) {
  const { repository, snapshot } = await createRawRepository()
  const id = await snapshot(nodes)
  return await repository.extract(id, { directory, ...(include === undefined ? {} : { include }) })
}

describe.skipIf(process.platform === 'win32')('extracting', () => {
  test('gives folders, files and links with their modes and times, and names what it left out', async () => {
    const mtime = '2020-05-06T07:08:09.987654321+02:00'
    const report = await extractNodes([
      {
        name: 'folder',
        mode: 0x80000000 + 0o750,
        mtime,
        nodes: [
          { name: 'file', mode: 0o640, mtime, bytes: bytes('content') },
          { name: 'program', mode: 0x00800000 + 0o755, mtime, bytes: bytes('') },
          { name: 'link', type: 'symlink', linktarget: '../nowhere', mtime },
          { name: 'closed', mode: 0x80000000, mtime, nodes: [{ name: 'inside', bytes: bytes('x') }] },
        ],
      },
      { name: 'null', type: 'chardev', device: 259 },
      { name: 'pipe', type: 'fifo' },
    ])
    expect(report).toEqual({
      files: 3,
      bytes: 8,
      folders: 2,
      links: 1,
      leftOut: [
        { path: '/null', type: 'chardev' },
        { path: '/pipe', type: 'fifo' },
      ],
    })
    expect(await modeOf('.')).toBe(0o700)
    expect([await modeOf('folder'), await modeOf('folder/file'), await modeOf('folder/closed')]).toEqual([0o750, 0o640, 0])
    // As restic writes a mode of 0: not at all.
    expect(await modeOf('folder/closed/inside')).toBe(0)
    expect(await modeOf('folder/program')).toBe(0o755)
    expect(await readlink(join(directory, 'folder/link'))).toBe('../nowhere')
    expect(await readFile(join(directory, 'folder/file'), 'utf8')).toBe('content')
    for (const path of ['folder', 'folder/file', 'folder/program', 'folder/link', 'folder/closed']) {
      const { mtimeNs } = await lstat(join(directory, path), { bigint: true })
      expect(Number(mtimeNs - 1588741689987654321n), path).toBeCloseTo(0, -3.5)
    }
  })

  test('only the wanted paths come, with the folders on the way to them', async () => {
    const name = Buffer.from('\xff\xfe', 'latin1')
    const nodes: RawNode[] = [
      {
        name: 'a',
        mode: 0x80000000 + 0o711,
        nodes: [
          { name: 'wanted', nodes: [{ name: 'deep', nodes: [{ name: 'file', bytes: bytes('1') }] }] },
          { name: 'wanted too', bytes: bytes('22') },
          { name: 'not wanted', bytes: bytes('333') },
        ],
      },
      { name: '\\xff\\xfe', bytes: bytes('4444') },
      { name: 'b', nodes: [] },
    ]
    const report = await extractNodes(nodes, ['/a/wanted/deep', 'a/wanted too', name])
    expect(report).toMatchObject({ files: 3, bytes: 7, folders: 3 })
    expect(await readdir(Buffer.from(directory), 'buffer')).toEqual(expect.arrayContaining([name, bytes('a')]))
    expect(await readdir(join(directory, 'a'), { recursive: true })).toEqual(
      expect.arrayContaining(['wanted', 'wanted too', 'wanted/deep', 'wanted/deep/file']),
    )
    expect(await modeOf('a')).toBe(0o711)
  })

  test('a path that is not in the snapshot is told before anything is written', async () => {
    await expect(extractNodes([{ name: 'a', bytes: bytes('1') }], ['/a', '/a/b', '/c'])).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('"a/b", "c"'),
    })
    expect(await readdir(place)).toEqual([])
  })

  test('a directory with anything in it is refused, and so is a file', async () => {
    const nodes = [{ name: 'a', bytes: bytes('1') }]
    await mkdir(directory)
    await writeFile(join(directory, '.hidden'), '')
    await expect(extractNodes(nodes)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    expect(await readdir(directory)).toEqual(['.hidden'])
    directory = join(directory, '.hidden')
    await expect(extractNodes(nodes)).rejects.toMatchObject({ code: 'CONFLICT' })
    directory = join(directory, 'below')
    await expect(extractNodes(nodes)).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  test('links that lead out are made, and nothing behind them is touched', async () => {
    const outside = join(place, 'outside')
    await mkdir(outside, { mode: 0o755 })
    await utimes(outside, 1000, 1000)
    const facts = { mode: 0o777, mtime: '2020-05-06T07:08:09Z' }
    await extractNodes([
      { name: 'absolute', type: 'symlink', linktarget: outside, ...facts },
      { name: 'relative', type: 'symlink', linktarget: '../outside', ...facts },
      { name: 'up', type: 'symlink', linktarget: '..', ...facts },
    ])
    expect(await readdir(outside)).toEqual([])
    expect(await stat(outside)).toMatchObject({ mtimeMs: 1_000_000, mode: 0o40755 })
    expect(await readlink(join(directory, 'absolute'))).toBe(outside)
  })

  test('an extraction into a link to an empty directory fills that directory', async () => {
    await mkdir(join(place, 'real'))
    await symlink('real', directory)
    await extractNodes([{ name: 'a', bytes: bytes('1') }])
    expect(await readdir(join(place, 'real'))).toEqual(['a'])
  })

  test.each<[string, readonly RawNode[]]>([
    ['a name that leads up', [{ name: '..', bytes: bytes('evil') }]],
    ['a name of the folder itself', [{ name: '.', nodes: [] }]],
    ['a name with a slash', [{ name: '../evil', bytes: bytes('evil') }]],
    ['an absolute name', [{ name: '/evil', bytes: bytes('evil') }]],
    ['a slash behind an escape', [{ name: '..\\x2fevil', bytes: bytes('evil') }]],
    ['NUL behind an escape', [{ name: 'a\\x00b', bytes: bytes('evil') }]],
    ['no name', [{ name: '', bytes: bytes('evil') }]],
    [
      'a link and a folder of one name',
      [
        { name: 'a', type: 'symlink', linktarget: '..' },
        { name: 'a', nodes: [{ name: 'evil', bytes: bytes('evil') }] },
      ],
    ],
    [
      'a folder and a link of one name, written in two ways',
      [
        { name: 'a', nodes: [{ name: 'evil', bytes: bytes('evil') }] },
        { name: '\\x61', type: 'symlink', linktarget: '..' },
      ],
    ],
    ['a link to nothing', [{ name: 'a', type: 'symlink', linktarget: '' }]],
    ['a link with NUL in its target', [{ name: 'a', type: 'symlink', linktarget: 'a\0b' }]],
    ['a link without a target', [{ name: 'a', type: 'symlink' }]],
    ['a file that is shorter than its tree says', [{ name: 'a', bytes: bytes('evil'), size: 2 ** 50 }]],
    ['a folder without a tree', [{ name: 'a', type: 'dir' }]],
    ['a file with a tree', [{ name: 'a', bytes: bytes('evil'), subtree: 'f'.repeat(64) }]],
    ['a file without its blob', [{ name: 'a', type: 'file', size: 1, content: ['f'.repeat(64)] }]],
  ])('%s is refused, and nothing lies outside of the directory', async (_, nodes) => {
    await expect(extractNodes(nodes)).rejects.toMatchObject({ code: 'CORRUPTED', hint: expect.any(String) })
    expect((await readdir(place)).filter((name) => name !== 'extracted')).toEqual([])
    expect(await extracted().catch(() => [])).toEqual([])
  })

  test('a damaged blob is told with the file that it hits, of which nothing stays', async () => {
    const { repository, snapshot, uploader } = await createRawRepository()
    const id = await snapshot([
      { name: 'a', bytes: bytes('first') },
      { name: 'b', bytes: bytes('second') },
    ])
    for (const [key, object] of uploader.objects) {
      // In the second blob of the pack: each is longer than its content by 32 bytes.
      if (key.startsWith('data/'))
        uploader.objects.set(key, { ...object, bytes: object.bytes.map((byte, at) => (at === 37 + 20 ? byte ^ 1 : byte)) })
    }
    await expect(repository.extract(id, { directory })).rejects.toMatchObject({
      code: 'CORRUPTED',
      message: expect.stringContaining('file "/b"'),
    })
    expect(await extracted()).toEqual(['a'])
    expect(await readFile(join(directory, 'a'), 'utf8')).toBe('first')
  })

  test('nothing is written once it was aborted, and what is written is whole', async () => {
    const { repository, snapshot } = await createRawRepository()
    const id = await snapshot(Array.from({ length: 200 }, (_, at) => ({ name: `file ${at}`, bytes: bytes(`content ${at}`) })))
    await expect(repository.extract(id, { directory }, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await readdir(place)).toEqual([])
    const controller = new AbortController()
    const onProgress = () => controller.abort()
    await expect(repository.extract(id, { directory }, { signal: controller.signal, onProgress })).rejects.toMatchObject({
      code: 'ABORTED',
    })
    const names = await extracted()
    expect(names.length).toBeGreaterThan(0)
    expect(names.length).toBeLessThan(200)
    for (const name of names) expect(await readFile(join(directory, name), 'utf8')).toBe(name.replace('file', 'content'))
  })

  test('more files than one batch holds, with the bytes told as progress', async () => {
    const { repository, snapshot } = await createRawRepository()
    const count = 9000
    const id = await snapshot([
      { name: 'many', nodes: Array.from({ length: count }, (_, at) => ({ name: `${at}`, bytes: bytes(`${at % 10}`) })) },
    ])
    let told = 0
    const report = await repository.extract(
      id,
      { directory },
      { onProgress: (event) => (told += event.type === 'bytes' ? event.bytes : 0) },
    )
    expect(report).toMatchObject({ files: count, bytes: count })
    expect(told).toBe(count)
    expect(await readdir(join(directory, 'many'))).toHaveLength(count)
    expect(await readFile(join(directory, 'many', '8765'), 'utf8')).toBe('5')
  })
})

test('entries come with their paths, folders before what is in them', async () => {
  const { repository, snapshot } = await createRawRepository()
  const id = await snapshot([
    { name: 'a\\xff', mode: 0x80000000 + 0o755, nodes: [{ name: 'größe', mode: 0o600, mtime: '2020-01-01T00:00:00Z', bytes: bytes('1') }] },
    { name: 'link', type: 'symlink', linktarget: 'a', size: 1, mode: 0x08000000 + 0o777 },
  ])
  expect(await collect(repository.entries(id))).toEqual([
    {
      path: '/a\uFFFD',
      pathBytes: Buffer.from('/a\xff', 'latin1'),
      type: 'dir',
      size: 0,
      mode: 0o755,
      modifiedAt: undefined,
    },
    {
      path: '/a\uFFFD/größe',
      pathBytes: Buffer.concat([Buffer.from('/a\xff/', 'latin1'), bytes('größe')]),
      type: 'file',
      size: 1,
      mode: 0o600,
      modifiedAt: '2020-01-01T00:00:00Z',
    },
    { path: '/link', pathBytes: bytes('/link'), type: 'symlink', size: 0, mode: 0o777, modifiedAt: undefined },
  ])
})

test.each(['a\\b', 'c:', 'a?', 'NUL', 'con.txt', 'lpt1', 'ends.', 'ends ', 'tab\t'])('Windows has no file called %j', (name) => {
  expect(() => possibleName(Buffer.from(name), () => `/${name}`, 'win32')).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }))
  expect(possibleName(Buffer.from(name), () => `/${name}`, 'linux').toString()).toBe(name)
})

test.each(['.hidden', 'größe', 'console', 'a b', 'com', 'x.nul'])('Windows can have a file called %j', (name) => {
  expect(possibleName(Buffer.from(name), () => `/${name}`, 'win32').toString()).toBe(name)
})

test('entries keep their order where folders are read ahead, and a damaged folder is told when its turn comes', async () => {
  const { repository, snapshot, uploader } = await createRawRepository()
  const numbers = Array.from({ length: 30 }, (_, at) => at)
  const folder = (at: number): RawNode => ({
    name: `${at}`,
    nodes: [
      { name: 'empty', nodes: [] },
      { name: 'file', bytes: bytes(`${at}`) },
      { name: 'inner', nodes: [{ name: `deep ${at}`, bytes: bytes('x') }] },
    ],
  })
  const id = await snapshot(numbers.flatMap((at) => [folder(at), { name: `file ${at}`, bytes: bytes('') }]))
  const expected = numbers.flatMap((at) => [
    ...[`/${at}`, `/${at}/empty`, `/${at}/file`, `/${at}/inner`, `/${at}/inner/deep ${at}`],
    `/file ${at}`,
  ])
  expect((await collect(repository.entries(id))).map(({ path }) => path)).toEqual(expected)

  let reads = 0
  const broken = { ...uploader, download: (...call: Parameters<typeof uploader.download>) => download(...call) }
  async function* download(...call: Parameters<typeof uploader.download>) {
    if (call[0].startsWith('data/') && ++reads > 20) throw new BackupError('the pack is gone', { code: 'NOT_FOUND' })
    yield* uploader.download(...call)
  }
  const seen: string[] = []
  const reading = async () => {
    const another = createResticRepository({ uploader: broken, password: 'correct horse', cacheDirectory: false })
    for await (const { path } of another.entries(id)) seen.push(path)
  }
  await expect(reading()).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect(seen.length).toBeGreaterThan(0)
  expect(seen).toEqual(expected.slice(0, seen.length))
})
