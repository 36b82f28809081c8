import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesOf, chunksOf, reopenable, sha256Of } from '../testing/chunks-of.ts'
import { abortable, checkedContent, measuredContent } from './checked-content.ts'

describe('checkedContent', () => {
  it('gives the bytes and their true facts, for any content in any chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        async (bytes, sizes) => {
          const checked = checkedContent(reopenable(bytes, sizes), 'upload of a')
          expect(() => checked.facts()).toThrow(TypeError)
          expect((await bytesOf(checked)).equals(Buffer.from(bytes))).toBe(true)
          expect(checked.facts()).toEqual({ size: bytes.byteLength, sha256: sha256Of(bytes) })
        },
      ),
    )
  })

  it('refuses every other length and every other hash', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), fc.nat(100), fc.boolean(), async (bytes, size, lieAboutHash) => {
        fc.pre(size !== bytes.byteLength || lieAboutHash)
        const sha256 = lieAboutHash ? sha256Of(Buffer.from('another')) : sha256Of(bytes)
        const checked = checkedContent({ size, sha256, open: () => chunksOf(bytes, [7]) }, 'upload of a')
        await expect(bytesOf(checked)).rejects.toMatchObject({ code: 'CORRUPTED' })
        expect(() => checked.facts()).toThrow(TypeError)
      }),
    )
  })

  it('takes the hash of what does not change on trust, and never its length', async () => {
    const bytes = Buffer.from('in memory')
    const sha256 = sha256Of(Buffer.from('another'))
    const content = { ...reopenable(bytes, [3]), size: bytes.byteLength, sha256, unchanging: true }
    const checked = checkedContent(content, 'upload of a')
    await bytesOf(checked)
    expect(checked.facts()).toEqual({ size: bytes.byteLength, sha256 })
    await expect(bytesOf(checkedContent({ ...content, size: 8 }, 'upload of a'))).rejects.toMatchObject({ code: 'CORRUPTED' })
    await expect(bytesOf(checkedContent({ ...content, size: 10 }, 'upload of a'))).rejects.toMatchObject({ code: 'CORRUPTED' })
    const unknown = checkedContent({ ...content, sha256: undefined }, 'upload of a')
    await bytesOf(unknown)
    expect(unknown.facts()).toEqual({ size: bytes.byteLength, sha256: sha256Of(bytes) })
  })

  it('reads no further than one chunk beyond the announced length', async () => {
    let given = 0
    const endless = {
      size: 10,
      async *open() {
        while (true) {
          given += 4
          yield Buffer.alloc(4)
        }
      },
    }
    await expect(bytesOf(checkedContent(endless, 'upload of a'))).rejects.toMatchObject({ code: 'CORRUPTED' })
    expect(given).toBe(12)
  })
})

describe('measuredContent', () => {
  it('gives the bytes, whatever hash is announced, and refuses every other length', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), fc.option(fc.nat(100), { nil: undefined }), async (bytes, size) => {
        const content = { size, sha256: 'of nothing', open: () => chunksOf(bytes, [7]) }
        const read = bytesOf(measuredContent(content, 'upload of a'))
        if (size === undefined || size === bytes.byteLength) expect((await read).equals(Buffer.from(bytes))).toBe(true)
        else await expect(read).rejects.toMatchObject({ code: 'CORRUPTED', message: expect.stringContaining('upload of a: ') })
      }),
    )
  })
})

describe('abortable', () => {
  async function* watched(closed: () => void): AsyncGenerator<number> {
    try {
      for (let index = 0; ; index++) yield index
    } finally {
      closed()
    }
  }

  it('closes the source when its reader leaves, when it aborts, and does not touch it when aborted beforehand', async () => {
    let closed = 0
    const close = () => closed++
    for await (const value of abortable(watched(close), 'read', { signal: new AbortController().signal })) if (value === 3) break
    expect(closed).toBe(1)

    const controller = new AbortController()
    const read = async () => {
      for await (const value of abortable(watched(close), 'read', { signal: controller.signal })) if (value === 3) controller.abort()
    }
    await expect(read()).rejects.toMatchObject({ code: 'ABORTED', message: 'read was aborted' })
    expect(closed).toBe(2)

    const untouched = { [Symbol.asyncIterator]: () => expect.unreachable() }
    await expect(abortable(untouched, 'read', { signal: AbortSignal.abort() }).next()).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('ends at once while the source is stalled', async () => {
    async function* stalled(): AsyncGenerator<number> {
      await new Promise(() => undefined)
      yield 1
    }
    const controller = new AbortController()
    const next = abortable(stalled(), 'read', { signal: controller.signal }).next()
    setImmediate(() => controller.abort(new Error('why')))
    await expect(next).rejects.toMatchObject({ code: 'ABORTED', cause: new Error('why') })
  })
})
