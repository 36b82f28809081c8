import { BackupError, type Uploader } from '@backup-planet/core'
import { createMemoryUploader, sampleBytes } from '@backup-planet/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMasterKey } from './crypto/master-key.ts'
import { seal } from './crypto/sealed-bytes.ts'
import { storageIdOf } from './format/storage-id.ts'
import {
  listObjects,
  objectKey,
  putObject,
  readNamedObject,
  readObject,
  readRange,
  readSealedJson,
  writeNamedObject,
  writeSealedJson,
} from './repository-objects.ts'

const key = createMasterKey()
const id = storageIdOf(Buffer.from('object'))

describe('objects', () => {
  it('lie where restic looks for them: its doc/design.rst, "Repository Layout"', () => {
    expect(objectKey('data', id)).toBe(`data/${id.slice(0, 2)}/${id}`)
    for (const kind of ['index', 'keys', 'locks', 'snapshots'] as const) expect(objectKey(kind, id)).toBe(`${kind}/${id}`)
  })

  it('are listed by kind, and nothing else that lies there', async () => {
    const uploader = createMemoryUploader()
    const pack = await writeNamedObject(uploader, 'data', Buffer.from('object'), {})
    await writeNamedObject(uploader, 'index', Buffer.from('index'), {})
    for (const odd of [
      `data/${pack}`,
      `data/00/${pack}`,
      `data/${pack.slice(0, 2)}/${pack}.part`,
      'data/README',
      `data/x/${pack.slice(0, 2)}/${pack}`,
    ])
      uploader.objects.set(odd, { bytes: Buffer.of(), modifiedAt: '', sha256: '' })
    const listed: string[] = []
    for await (const { id: found, size } of listObjects(uploader, 'data', {})) listed.push(`${found} ${size}`)
    expect(listed).toEqual([`${pack} 6`])
  })

  it('are refused when they are more than may be read', async () => {
    const uploader = createMemoryUploader()
    await writeNamedObject(uploader, 'data', sampleBytes(5000, 1), {})
    const [name = ''] = uploader.objects.keys()
    expect(await readObject(uploader, name, {}, 5000)).toHaveLength(5000)
    await expect(readObject(uploader, name, {}, 4999)).rejects.toMatchObject({
      code: 'CORRUPTED',
      message: expect.stringContaining('more than 4999'),
    })
    await expect(readObject(uploader, 'data/other', {})).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('are their names, or damaged', async () => {
    const uploader = createMemoryUploader()
    const written = await writeNamedObject(uploader, 'index', Buffer.from('index'), {})
    expect((await readNamedObject(uploader, 'index', written, {})).toString()).toBe('index')
    uploader.objects.set(`index/${written}`, { bytes: Buffer.from('indes'), modifiedAt: '', sha256: '' })
    await expect(readNamedObject(uploader, 'index', written, {})).rejects.toMatchObject({
      code: 'CORRUPTED',
      message: `index/${written}: its content has another SHA-256 than its name`,
    })
  })

  it('are stored whole, or that is told', async () => {
    const memory = createMemoryUploader()
    const upload: Uploader['upload'] = async (...call) => ({ ...(await memory.upload(...call)), size: 3 })
    await expect(
      putObject({ ...memory, upload }, 'config', Buffer.from('config'), storageIdOf(Buffer.from('config')), {}),
    ).rejects.toMatchObject({
      code: 'CORRUPTED',
      retryable: true,
      message: expect.stringContaining('3 of 6 bytes'),
    })
  })
})

describe('a range of an object', () => {
  it('is exactly its bytes, whether or not the uploader reads ranges', async () => {
    const bytes = sampleBytes(10_000, 1)
    const range = fc.tuple(fc.nat(10_000), fc.nat(10_000)).map(([one, two]) => [Math.min(one, two), Math.max(one, two)] as const)
    await fc.assert(
      fc.asyncProperty(range, fc.boolean(), async ([begin, end], rangeRead) => {
        const uploader = createMemoryUploader({ supports: { rangeRead } })
        const pack = await writeNamedObject(uploader, 'data', bytes, {})
        expect(await readRange(uploader, objectKey('data', pack), begin, end - begin, {})).toEqual(bytes.subarray(begin, end))
      }),
    )
  })

  it('that the object does not have is damage', async () => {
    for (const rangeRead of [true, false]) {
      const uploader = createMemoryUploader({ supports: { rangeRead } })
      const pack = await writeNamedObject(uploader, 'data', sampleBytes(100, 1), {})
      await expect(readRange(uploader, objectKey('data', pack), 90, 20, {})).rejects.toMatchObject({
        code: 'CORRUPTED',
        message: expect.stringContaining('it ends 10 bytes too early'),
      })
      await expect(readRange(uploader, objectKey('data', pack), 200, 1, {})).rejects.toMatchObject({ code: 'CORRUPTED' })
    }
  })
})

describe('a sealed document', () => {
  it('comes back', async () => {
    const uploader = createMemoryUploader()
    const written = await writeSealedJson({ uploader, key }, 'snapshots', '{"a":1}', {})
    expect(await readSealedJson({ uploader, key }, 'snapshots', written, (json) => json, {})).toEqual({ a: 1 })
  })

  it.each([
    ['sealed with another key', seal(createMasterKey(), Buffer.from('{}')), /authentication code is wrong/],
    ['too short to be sealed', Buffer.from('x'), /authentication code is wrong/],
    ['no JSON', seal(key, Buffer.from('{')), /it cannot be read: .*JSON/],
    ['of another kind', seal(key, Buffer.from('{}')), /it cannot be read: it is no snapshot/],
  ])('that is %s is damage, with the name of the object', async (_, sealed, message) => {
    const uploader = createMemoryUploader()
    const written = await writeNamedObject(uploader, 'snapshots', sealed, {})
    const parse = (): never => {
      throw new SyntaxError('it is no snapshot')
    }
    const reading = readSealedJson({ uploader, key }, 'snapshots', written, parse, {})
    await expect(reading).rejects.toMatchObject({
      code: 'CORRUPTED',
      message: expect.stringMatching(new RegExp(`^snapshots/${written}: `)),
    })
    await expect(reading).rejects.toThrow(message)
  })

  it('that cannot be had is not taken for damaged', async () => {
    const unreachable = new BackupError('the store is gone', { code: 'UNREACHABLE', hint: 'Try again.' })
    const uploader = createMemoryUploader({ faults: [{ operation: 'download', occurrence: 1, action: 'fail', error: unreachable }] })
    await expect(readSealedJson({ uploader, key }, 'snapshots', id, (json) => json, {})).rejects.toBe(unreachable)
  })
})
