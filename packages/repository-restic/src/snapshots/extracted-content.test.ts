import { lstat, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Uploader } from '@backup-planet/core'
import { type MemoryUploader, sampleBytes } from '@backup-planet/core/testing'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { storageIdOf } from '../format/storage-id.ts'
import { createResticRepository, type ResticRepository } from '../restic-repository.ts'
import { openFiles } from './__fixtures__/open-files.ts'
import { createRawRepository, type RawNode } from './__fixtures__/raw-snapshot.ts'
import { canMount, mountSmallDisk } from './__fixtures__/small-disk.ts'

let place: string
let directory: string
let openBefore: readonly string[]

beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'extraction-'))
  directory = join(place, 'extracted')
  openBefore = openFiles()
})

afterEach(async () => {
  await rm(place, { recursive: true, force: true })
})

const mebibyte = 1024 ** 2
const bytes = (text: string) => Buffer.from(text)
const blobNamed = (name: string) => bytes(`content of ${name} `.repeat(20))
const wholeFile = (name: string, content: Uint8Array = blobNamed(name)): RawNode => ({ name, bytes: content })

/** A file of several blobs, which are in the repository already or in other files of the snapshot. */
function partedFile(name: string, parts: readonly Uint8Array[]): RawNode {
  return {
    name,
    type: 'file',
    mode: 0o644,
    size: parts.reduce((sum, { byteLength }) => sum + byteLength, 0),
    content: parts.map(storageIdOf),
  }
}

const contentOf = (name: string) => readFile(join(directory, name))

/** As another program would open it. */
function openAnew(uploader: Uploader, threads = 2): ResticRepository {
  return createResticRepository({ uploader, password: 'correct horse', cacheDirectory: false, threads })
}

function watching(uploader: MemoryUploader, onDownload: (key: string, count: number) => Promise<void> | void, supports = {}): Uploader {
  let count = 0
  return {
    ...uploader,
    supports: { ...uploader.supports, ...supports },
    async *download(key, range, options) {
      if (key.startsWith('data/')) await onDownload(key, ++count)
      yield* uploader.download(key, range, options)
    },
  }
}

function changeAt({ objects }: MemoryUploader, place: number): void {
  for (const [key, object] of objects) {
    if (key.startsWith('data/')) objects.set(key, { ...object, bytes: object.bytes.map((byte, at) => (at === place ? byte ^ 1 : byte)) })
  }
}

/** A snapshot of a file whose two blobs lie in two packs, with other files of one blob around it. */
async function placeInTwoPacks() {
  const { uploader, snapshot } = await createRawRepository()
  await snapshot([wholeFile('first')])
  const id = await snapshot([wholeFile('a'), partedFile('parted', [blobNamed('first'), blobNamed('second')]), wholeFile('second')])
  return { uploader, id }
}

describe.skipIf(process.platform === 'win32')('the content of extracted files', () => {
  test('is that of the snapshot, whatever shares its blobs and in however many packs they lie', async () => {
    const blobs = Array.from({ length: 6 }, (_, at) => sampleBytes(at * 700, at + 1))
    const files = fc.array(fc.array(fc.nat(5), { maxLength: 6 }), { maxLength: 10 })
    await fc.assert(
      fc.asyncProperty(files, fc.integer({ min: 1, max: 4 }), async (contents, concurrency) => {
        const { uploader, snapshot } = await createRawRepository()
        for (const half of [blobs.slice(0, 3), blobs.slice(3)]) await snapshot(half.map((blob, at) => wholeFile(`${at}`, blob)))
        const parts = contents.map((content) => content.map((at) => blobs[at] ?? Buffer.of()))
        const id = await snapshot(parts.map((content, at) => partedFile(`${at}`, content)))
        await rm(directory, { recursive: true, force: true })
        const report = await openAnew({ ...uploader, supports: { ...uploader.supports, concurrency } }).extract(id, { directory })
        expect(report.files).toBe(contents.length)
        for (const [at, content] of parts.entries()) expect((await contentOf(`${at}`)).equals(Buffer.concat(content))).toBe(true)
      }),
      { numRuns: 40 },
    )
    expect(openFiles()).toEqual(openBefore)
  })

  test('is written by threads where it is much, with modes and times, and counted once', async () => {
    const blobs = Array.from({ length: 5 }, (_, at) => sampleBytes(3 * mebibyte, at + 1))
    const [one = Buffer.of(), two = Buffer.of()] = blobs
    const { uploader, snapshot } = await createRawRepository()
    const id = await snapshot([
      ...blobs.map((blob, at) => ({ ...wholeFile(`${at}`, blob), mode: 0o600, mtime: '2020-05-06T07:08:09Z' })),
      { ...partedFile('parted', [one, two, one]), mtime: '2020-05-06T07:08:09Z' },
      wholeFile('copy', two),
      wholeFile('empty', Buffer.of()),
      { name: 'nothing', type: 'file', size: 0, content: [], mode: 0o640 },
    ])
    let told = 0
    const onProgress = (event: { readonly type: string; readonly bytes?: number }) => {
      if (event.type === 'bytes') told += event.bytes ?? 0
    }
    const report = await openAnew(uploader).extract(id, { directory }, { onProgress })
    expect(report).toMatchObject({ files: 9, bytes: 27 * mebibyte })
    expect(told).toBe(27 * mebibyte)
    for (const [at, blob] of blobs.entries()) expect((await contentOf(`${at}`)).equals(blob)).toBe(true)
    expect((await contentOf('parted')).equals(Buffer.concat([one, two, one]))).toBe(true)
    expect((await contentOf('copy')).equals(two)).toBe(true)
    expect(await lstat(join(directory, 'parted'))).toMatchObject({ mode: 0o100644, mtimeMs: Date.UTC(2020, 4, 6, 7, 8, 9) })
    expect(await lstat(join(directory, '0'))).toMatchObject({ mode: 0o100600, mtimeMs: Date.UTC(2020, 4, 6, 7, 8, 9) })
    expect(await lstat(join(directory, 'nothing'))).toMatchObject({ mode: 0o100640, size: 0 })
    expect(openFiles()).toEqual(openBefore)
  })

  test('is for its owner alone until a file is whole, and gone when it is aborted before', async () => {
    const { uploader, id } = await placeInTwoPacks()
    const controller = new AbortController()
    let seen: number | undefined
    const watched = watching(
      uploader,
      async (_, count) => {
        // The tree, the first pack, the second pack.
        if (count < 3) return
        // What was read of the first is being written meanwhile.
        seen = (await vi.waitFor(() => lstat(join(directory, 'parted')))).mode & 0o777
        controller.abort()
      },
      { concurrency: 1 },
    )
    const extraction = openAnew(watched).extract(id, { directory }, { signal: controller.signal })
    await expect(extraction).rejects.toMatchObject({ code: 'ABORTED' })
    expect(seen).toBe(0o600)
    expect(await readdir(directory)).not.toContain('parted')
    for (const name of await readdir(directory)) expect(await contentOf(name)).toEqual(blobNamed(name))
    expect(openFiles()).toEqual(openBefore)
  })

  test('of a file does not stay when the store breaks before it is whole', async () => {
    const { uploader, id } = await placeInTwoPacks()
    const broken = watching(uploader, (_, count) => {
      if (count >= 3) throw new Error('the store is gone')
    })
    await expect(openAnew(broken).extract(id, { directory })).rejects.toThrow('the store is gone')
    expect(await readdir(directory)).not.toContain('parted')
    expect(openFiles()).toEqual(openBefore)
  })

  test.each(['a', 'parted'])(
    'replaces nothing that somebody puts in the place of %s meanwhile, and follows no link there',
    async (name) => {
      const outside = join(place, 'outside')
      await writeFile(outside, 'mine')
      for (const put of [() => writeFile(join(directory, name), 'mine'), () => symlink(outside, join(directory, name))]) {
        const { uploader, id } = await placeInTwoPacks()
        await rm(directory, { recursive: true, force: true })
        const beforeFirstPack = async (_: string, count: number) => {
          if (count === 2) await put()
        }
        const watched = watching(uploader, beforeFirstPack, { concurrency: 1 })
        await expect(openAnew(watched).extract(id, { directory })).rejects.toMatchObject({
          code: 'ALREADY_EXISTS',
          message: expect.stringContaining(join(directory, name)),
        })
        expect(await readFile(join(directory, name), 'utf8')).toBe('mine')
        expect(openFiles()).toEqual(openBefore)
      }
      expect(await readFile(outside, 'utf8')).toBe('mine')
    },
  )

  test('that is damaged is told with the first file that it hits, and hits no other', async () => {
    const { uploader, snapshot } = await createRawRepository()
    const shared = blobNamed('shared')
    const id = await snapshot([
      wholeFile('a'),
      partedFile('b', [blobNamed('a'), shared]),
      wholeFile('c', shared),
      partedFile('d', [blobNamed('a'), blobNamed('a')]),
      wholeFile('e'),
    ])
    // The second blob of the pack.
    changeAt(uploader, blobNamed('a').byteLength + 32 + 20)
    await expect(openAnew(uploader).extract(id, { directory })).rejects.toMatchObject({
      code: 'CORRUPTED',
      message: expect.stringMatching(/file "\/b".*data blob.*authentication code/s),
    })
    expect((await readdir(directory)).sort()).toEqual(['a', 'd', 'e'])
    expect(await contentOf('d')).toEqual(Buffer.concat([blobNamed('a'), blobNamed('a')]))
    expect(openFiles()).toEqual(openBefore)
  })

  test('comes from a pack that is cut as far as it is there, and what lies behind the cut is told', async () => {
    const { uploader, snapshot } = await createRawRepository()
    const names = ['a', 'b', 'c']
    const id = await snapshot([...names.map((name) => wholeFile(name)), partedFile('parted', names.map(blobNamed))])
    // The folders are read, and then the pack is cut in the third blob.
    const length = blobNamed('a').byteLength + 32
    const cut = watching(uploader, (key, count) => {
      const object = uploader.objects.get(key)
      if (count > 1 && object !== undefined) uploader.objects.set(key, { ...object, bytes: object.bytes.subarray(0, 2 * length + 5) })
    })
    await expect(openAnew(cut).extract(id, { directory })).rejects.toMatchObject({
      code: 'CORRUPTED',
      message: expect.stringContaining('file "/c"'),
    })
    expect((await readdir(directory)).sort()).toEqual(['a', 'b'])
    expect(await contentOf('b')).toEqual(blobNamed('b'))
    expect(openFiles()).toEqual(openBefore)
  })

  test('comes from where it lies whole when a pack is cut or gone, also with one transfer at a time', async () => {
    for (const hurt of ['cut', 'gone'] as const) {
      const { uploader, snapshot } = await createRawRepository()
      const contents = ['a', 'b', 'c'].map((name) => wholeFile(name))
      await snapshot(contents)
      const id = await snapshot([...contents, partedFile('parted', [blobNamed('a'), blobNamed('b')])])
      await rm(directory, { recursive: true, force: true })
      const hurting = watching(
        uploader,
        (key, count) => {
          const object = uploader.objects.get(key)
          if (count !== 2 || object === undefined) return
          // Whichever of the two packs is read: the other has the same blobs.
          if (hurt === 'gone') uploader.objects.delete(key)
          else uploader.objects.set(key, { ...object, bytes: object.bytes.subarray(0, 100) })
        },
        { concurrency: 1 },
      )
      expect(await openAnew(hurting).extract(id, { directory }), hurt).toMatchObject({ files: 4 })
      expect(await contentOf('parted'), hurt).toEqual(Buffer.concat([blobNamed('a'), blobNamed('b')]))
      expect(openFiles()).toEqual(openBefore)
    }
  })

  test('may be the same blob many thousand times', async () => {
    const { uploader, snapshot } = await createRawRepository()
    const zeros = Buffer.alloc(1000)
    const id = await snapshot([wholeFile('zeros', zeros), partedFile('sparse', Array<Buffer>(20_000).fill(zeros))])
    expect(await openAnew(uploader).extract(id, { directory })).toMatchObject({ files: 2, bytes: 20_001_000 })
    expect((await contentOf('sparse')).equals(Buffer.alloc(20_000_000))).toBe(true)
    expect(openFiles()).toEqual(openBefore)
  })

  test('of many files of several blobs is written with few of them open', async () => {
    const { uploader, snapshot } = await createRawRepository()
    const parts = Array.from({ length: 40 }, (_, at) => sampleBytes(2000, at + 1))
    await snapshot(parts.map((blob, at) => wholeFile(`${at}`, blob)))
    const id = await snapshot(
      Array.from({ length: 600 }, (_, at) => partedFile(`${at}`, [parts[at % 40] ?? bytes(''), parts[(at * 7) % 40] ?? bytes('')])),
    )
    let most = 0
    const onProgress = () => {
      most = Math.max(most, openFiles().length)
    }
    await openAnew(uploader).extract(id, { directory }, { onProgress })
    expect(await readdir(directory)).toHaveLength(600)
    expect(most - openBefore.length).toBeLessThan(200)
    expect(await contentOf('599')).toEqual(Buffer.concat([parts[599 % 40] ?? bytes(''), parts[(599 * 7) % 40] ?? bytes('')]))
  })
})

describe.skipIf(!(await canMount()))('on a disk that is full', () => {
  const big = sampleBytes(700_000, 7)
  const bigger = sampleBytes(800_000, 8)
  test.each<[string, readonly RawNode[], string]>([
    ['a file of one blob', [wholeFile('a'), wholeFile('b', big), wholeFile('c', bigger)], 'c'],
    ['a file of several blobs', [wholeFile('a'), wholeFile('b', big), partedFile('c', [blobNamed('a'), big, blobNamed('a')])], 'c'],
  ])('%s that does not fit is told, and nothing of it stays', async (_, nodes, failed) => {
    for (const threads of [0, 600]) {
      await using disk = await mountSmallDisk(1)
      directory = join(disk.directory, 'extracted')
      const { uploader, snapshot } = await createRawRepository()
      // So many files that threads are started.
      const many = Array.from({ length: threads }, (_, at) => wholeFile(`many ${at}`, Buffer.of()))
      const id = await snapshot([...many, ...nodes])
      const before = openFiles()
      await expect(openAnew(uploader).extract(id, { directory })).rejects.toMatchObject({
        code: 'OUT_OF_SPACE',
        message: expect.stringContaining('no space is left'),
        cause: expect.objectContaining({ code: 'ENOSPC' }),
      })
      const left = (await readdir(directory)).filter((name) => !name.startsWith('many'))
      expect(left).not.toContain(failed)
      for (const name of left) expect((await contentOf(name)).equals(name === 'b' ? big : blobNamed(name))).toBe(true)
      expect(openFiles()).toEqual(before)
    }
  })
})
