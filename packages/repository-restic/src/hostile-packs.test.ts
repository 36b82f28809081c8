import { Readable } from 'node:stream'
import { constants, createZstdCompress } from 'node:zlib'
import { bytesOf } from '@backup-planet/core/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { expectGoodBackup, expectNextBackup, expectRefused, memoryOf } from './__fixtures__/hostile-outcome.ts'
import {
  fileNode,
  folderNode,
  forgedManifest,
  type HostileRepository,
  hostileRepository,
  indexEntry,
  treeBytes,
} from './__fixtures__/hostile-repository.ts'
import { findingsOf, openUploader } from './__fixtures__/small-repository.ts'
import { storageIdOf } from './format/storage-id.ts'

const mebibyte = 1024 ** 2
/** What no operation on these small repositories may take, beside the little that everything takes. */
const mostMemory = 300 * mebibyte

const content = Buffer.from('what somebody would like to have written')
const files = [{ name: 'rows.sql', size: content.byteLength }]

/** A gibibyte of zeros in 32 KiB. Made in pieces: what takes the memory itself would hide what is being looked for. */
let bomb: Buffer

beforeAll(async () => {
  const piece = Buffer.alloc(mebibyte)
  const zeros = Readable.from(Array.from({ length: 1024 }, () => piece))
  bomb = await bytesOf(zeros.pipe(createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } })))
})

interface ForgedPlace {
  readonly offset?: unknown
  readonly length?: unknown
  readonly uncompressed_length?: unknown
  readonly id?: unknown
  readonly type?: unknown
}

/** A backup whose only content lies where the index says, and in the pack as it is given. */
async function forgeContent(
  hostile: HostileRepository,
  place: ForgedPlace,
  blob: { readonly stored?: Uint8Array; readonly uncompressedLength?: number } = {},
): Promise<string> {
  const manifest = forgedManifest(files)
  const shop = treeBytes([fileNode('rows.sql', content)])
  const server = treeBytes([folderNode('shop', shop)])
  const application = treeBytes([folderNode('server', server)])
  const top = treeBytes([folderNode('memory', application), fileNode('manifest.json', manifest)])
  const trees = await hostile.pack([shop, server, application, top].map((bytes) => ({ type: 'tree', bytes })))
  const manifests = await hostile.pack([{ type: 'data', bytes: manifest }])
  const pack = await hostile.pack([{ type: 'data', bytes: content, ...blob }])
  await hostile.indexOf(trees, manifests)
  await hostile.index({ packs: [{ id: pack.id, blobs: pack.blobs.map((known) => ({ ...indexEntry(known), ...place })) }] })
  await hostile.snapshot(storageIdOf(top))
  return pack.key
}

describe('an index that says what cannot be', () => {
  it.each([
    ['an offset behind the pack', { offset: 1_000_000 }],
    ['the last offset there is', { offset: 2 ** 32 - 1 }],
    ['a length of 4 GiB', { length: 2 ** 32 - 1 }],
    ['an offset and a length of 4 GiB', { offset: 2 ** 32 - 1, length: 2 ** 32 - 1 }],
    ['a length too short for any blob', { length: 3 }],
    ['no length', { length: 0 }],
    ['an uncompressed length of 4 GiB', { uncompressed_length: 2 ** 32 - 1 }],
    ['an uncompressed length that its content does not have', { uncompressed_length: 5000 }],
    ['an offset into the middle of the blob', { offset: 1 }, true],
  ])('%s: the backup is told, and no memory is taken for it', async (_, place, onlyByReading = false) => {
    const hostile = await hostileRepository()
    await forgeContent(hostile, place)
    const memory = await memoryOf(() => expectRefused(hostile, /blob|pack|rows\.sql|data\//, { onlyByReading }))
    expect(memory).toBeLessThan(mostMemory)
  })

  it.each([
    ['an offset below zero', { offset: -1 }, /impossible place/],
    ['an offset that is no whole number', { offset: 0.5 }, /impossible place/],
    ['a length beyond 4 GiB', { length: 2 ** 40 }, /impossible place/],
    ['a length in letters', { length: '100' }, /impossible place/],
    ['an unknown type', { type: 'link' }, /unknown type/],
    ['an id that is none', { id: '../../config' }, /no id/],
  ])('%s: the index is told, and what it knew is found by the packs', async (_, place, reason) => {
    const hostile = await hostileRepository()
    await forgeContent(hostile, place)
    for (const readData of [false, true]) {
      const { errors, whole } = await expectGoodBackup(hostile, { readData })
      expect(whole).toEqual(['run-good', 'run-bad'])
      expect(errors).toMatchObject([{ key: expect.stringMatching(/^index\//), code: 'CORRUPTED', message: expect.stringMatching(reason) }])
    }
    await expectNextBackup(hostile)
  })

  it('a blob that its pack has no word of', async () => {
    const hostile = await hostileRepository()
    const key = await forgeContent(hostile, {})
    const pack = key.slice(-64)
    await hostile.index({ packs: [{ id: pack, blobs: [{ id: storageIdOf(Buffer.from('other')), type: 'data', offset: 0, length: 72 }] }] })
    const { errors } = await expectGoodBackup(hostile, { readData: true })
    expect(errors).toMatchObject([{ key, message: expect.stringMatching(/the pack has something else/) }])
  })
})

describe('a pack that claims what it does not hold', () => {
  it.each([
    ['a blob that decompresses to more than it claims', { explodes: true, uncompressedLength: content.byteLength }, true],
    ['a blob that claims 4 GiB', { explodes: true, uncompressedLength: 2 ** 32 - 1 }],
    ['a blob that claims less than nothing is', { explodes: true, uncompressedLength: 1 }],
    ['a blob that is no zstd', { explodes: false, uncompressedLength: content.byteLength }, true],
  ])('%s', async (_, { explodes, uncompressedLength }, onlyByReading = false) => {
    const hostile = await hostileRepository()
    await forgeContent(hostile, {}, { stored: explodes ? bomb : Buffer.from('no zstd at all'), uncompressedLength })
    const memory = await memoryOf(() => expectRefused(hostile, /blob|rows\.sql/, { onlyByReading }))
    expect(memory).toBeLessThan(mostMemory)
  })

  it.each([
    ['a header longer than the pack', { headerLength: 2 ** 32 - 1 }, /header claims/],
    ['a header a byte longer than the pack', { headerLength: 1_000_000 }, /header claims/],
    ['no header', { headerLength: 0 }, /header/],
    ['a header of another length', { headerLength: 40 }, /header/],
    ['a header with an unknown type', { header: Buffer.alloc(37, 9) }, /unknown blob type/],
    ['a header that ends within an entry', { header: Buffer.alloc(20) }, /middle of an entry/],
    ['a header with blobs longer than the pack', { header: Buffer.alloc(37 * 3, 1) }, /header describes/],
  ])('%s, in no index: it is told, and in nobody’s way', async (_, more, reason) => {
    const hostile = await hostileRepository()
    const { key } = await hostile.pack([{ type: 'data', bytes: content }], more)
    for (const readData of [false, true]) {
      const { errors, whole } = await expectGoodBackup(hostile, { readData })
      expect(whole).toEqual(['run-good'])
      expect(new Set(errors.map((error) => error.key))).toEqual(new Set([key]))
      expect(errors.map(({ message }) => message).join()).toMatch(reason)
    }
    await expectNextBackup(hostile)
  })

  it('a size that only the list of the store claims', async () => {
    const hostile = await hostileRepository()
    const key = await forgeContent(hostile, {})
    const lying = {
      ...hostile.uploader,
      async *list(prefix: string) {
        for await (const object of hostile.uploader.list(prefix)) yield object.key === key ? { ...object, size: 2 ** 45 } : object
      },
    }
    const findings = await findingsOf(openUploader(lying), { readData: true })
    expect(findings.filter(({ severity }) => severity === 'error')).toContainEqual(expect.objectContaining({ key, code: 'CORRUPTED' }))
    expect(findings).toContainEqual(expect.objectContaining({ severity: 'ok', backup: 'run-good' }))
  })
})

describe('a sealed document that would fill the memory', () => {
  const sealedBomb = () => Buffer.concat([Buffer.of(2), bomb])

  it.each([
    ['index', /^index\//],
    ['snapshots', /^snapshots\//],
  ] as const)('of %s: it is told and passed over', async (kind, key) => {
    const hostile = await hostileRepository()
    await hostile.sealed(kind, sealedBomb())
    const memory = await memoryOf(async () => {
      const { errors } = await expectGoodBackup(hostile, { readData: true })
      expect(errors).toMatchObject([{ key: expect.stringMatching(key), code: 'CORRUPTED' }])
      await expectNextBackup(hostile)
    })
    expect(memory).toBeLessThan(2 * mostMemory)
  })

  it('of locks: it counts as one that nobody can read', async () => {
    const hostile = await hostileRepository()
    await hostile.sealed('locks', sealedBomb())
    await expect(expectNextBackup(hostile)).rejects.toMatchObject({ code: 'CONFLICT', hint: expect.stringContaining('unlock') })
    await openUploader(hostile.uploader).unlock('all')
    await expectNextBackup(hostile)
  })
})
