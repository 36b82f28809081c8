import { describe, expect, it } from 'vitest'
import { wrongHash } from '../conformance/lying-content.ts'
import { bytesOf, reopenable, sampleBytes } from '../testing/chunks-of.ts'
import { createMemoryUploader } from '../testing/memory-uploader.ts'
import { uploaderLayer } from './uploader-layer.ts'
import { type PretendedWrite, withDryRun } from './with-dry-run.ts'

async function prepared() {
  const memory = createMemoryUploader()
  await memory.upload('old', reopenable(Buffer.from('old')))
  await memory.upload('other', reopenable(Buffer.from('other')))
  const writes: PretendedWrite[] = []
  return { memory, writes, dry: withDryRun(memory, (write) => writes.push(write)) }
}

describe('withDryRun', () => {
  it('refuses what a real upload refuses', async () => {
    const { dry, writes } = await prepared()
    await expect(dry.upload('../x', reopenable(Buffer.from('x')))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(dry.upload('x', wrongHash(sampleBytes(10)))).rejects.toMatchObject({ code: 'CORRUPTED' })
    await expect(dry.upload('x', reopenable(sampleBytes(10)), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(dry.remove('/x')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(writes).toEqual([])
  })

  it('has no check, which would write', async () => {
    const { memory } = await prepared()
    const checked = uploaderLayer(memory, { check: async () => [] })
    expect(uploaderLayer(checked, {}).check).toBeDefined()
    expect(withDryRun(checked).check).toBeUndefined()
  })

  it('shows the store as it would be, and leaves it as it is', async () => {
    const { memory, dry, writes } = await prepared()
    await dry.upload('new', reopenable(sampleBytes(100)))
    await dry.upload('old', reopenable(sampleBytes(50)))
    await dry.remove('other')
    const sizes = new Map<string, number>()
    for await (const object of dry.list('')) sizes.set(object.key, object.size)
    expect(sizes).toEqual(
      new Map([
        ['new', 100],
        ['old', 50],
      ]),
    )
    expect((await dry.stat('old'))?.size).toBe(50)
    expect(await dry.stat('other')).toBeUndefined()
    await expect(bytesOf(dry.download('new'))).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(bytesOf(dry.download('other'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(dry.pretended).toEqual({ uploads: 2, bytes: 150, removals: 1 })
    expect(writes.map((write) => `${write.operation} ${write.key}`)).toEqual(['upload new', 'upload old', 'remove other'])

    expect([...memory.objects.keys()]).toEqual(['old', 'other'])
    expect((await bytesOf(memory.download('old'))).toString()).toBe('old')
    expect(memory.calls).toMatchObject({ upload: 2, remove: 0 })
  })

  it('passes reads of what is there', async () => {
    const { dry } = await prepared()
    expect((await bytesOf(dry.download('old', { begin: 1 }))).toString()).toBe('ld')
  })
})
