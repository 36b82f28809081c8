import { BackupError } from '@backup-planet/core'
import { chunksOf, sampleBytes } from '@backup-planet/core/testing'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { describe, expect, it } from 'vitest'
import { testIdentity as identity, testRecipient as recipient } from './__fixtures__/test-identity.ts'
import { decrypted, encrypted } from './age-content.ts'
import { collect, once } from './byte-streams.ts'

const keys = { identities: [identity], proven: false }
const chunk = 64 * 1024

const sealed = (plain: Uint8Array) => collect(encrypted(chunksOf(plain, [1, 1000, 70_000]), [recipient]))
const opened = (bytes: Uint8Array, given = keys) => collect(decrypted(chunksOf(bytes, [3, 500, 100_000]), given, 'object x'))

/** Everything around the edges of a file of age, and some of the rest. */
function places(bytes: Uint8Array): number[] {
  const end = bytes.length
  const every = Array.from({ length: 20 }, (_, index) => Math.floor((end * index) / 20))
  const near = [0, 10, 30, 100, 150, 200, 216, chunk, 2 * chunk, end - 17, end - 16, end - 1]
  return [...new Set([...every, ...near.flatMap((at) => [at, at + 1, at + 16])])].filter((at) => at >= 0 && at < end)
}

describe('content encrypted with age', () => {
  it.each([0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 2 * chunk + 5])('of %i bytes comes back', async (size) => {
    const plain = Buffer.from(sampleBytes(size, size + 1))
    expect((await opened(await sealed(plain))).equals(plain)).toBe(true)
  })

  it('is never the same twice', async () => {
    expect((await sealed(Buffer.from('a'))).equals(await sealed(Buffer.from('a')))).toBe(false)
  })

  it.each([0, 100, chunk, 2 * chunk + 5])('of %i bytes is refused with any bit turned, cut anywhere, or with a byte more', async (size) => {
    const whole = await sealed(Buffer.from(sampleBytes(size, 7)))
    for (const at of places(whole)) {
      const turned = Buffer.from(whole)
      turned[at] = (turned[at] ?? 0) ^ 4
      for (const bytes of [turned, whole.subarray(0, at), Buffer.concat([whole, Buffer.from([0])])]) {
        const problem = await opened(bytes, { ...keys, proven: true }).catch((error: unknown) => error)
        expect(problem, `byte ${at}`).toMatchObject({ code: 'CORRUPTED' })
      }
    }
  })

  it('with chunks left out, doubled or exchanged is refused', async () => {
    const whole = await sealed(Buffer.from(sampleBytes(3 * chunk, 7)))
    const header = whole.subarray(0, whole.length - 3 * (chunk + 16))
    const [a, b, c] = [0, 1, 2].map((index) =>
      whole.subarray(header.length + index * (chunk + 16), header.length + (index + 1) * (chunk + 16)),
    )
    for (const order of [[a, c], [b, c], [a, b], [a, a, b, c], [b, a, c], [a, b, c, c], []]) {
      const bytes = Buffer.concat([header, ...order.map((piece) => piece ?? Buffer.alloc(0))])
      await expect(opened(bytes)).rejects.toMatchObject({ code: 'CORRUPTED' })
    }
  })

  it('for somebody else is told apart from damage, unless the keys are proven', async () => {
    const bytes = await sealed(Buffer.from('a'))
    const other = [await generateX25519Identity()]
    await expect(opened(bytes, { identities: other, proven: false })).rejects.toMatchObject({
      code: 'WRONG_CREDENTIALS',
      message: 'none of 1 identities fits to decrypt object x',
    })
    await expect(opened(bytes, { identities: [], proven: false })).rejects.toMatchObject({ code: 'WRONG_CREDENTIALS' })
    await expect(opened(bytes, { identities: other, proven: true })).rejects.toMatchObject({ code: 'CORRUPTED' })
  })

  it('that has no header at all is not read into memory', async () => {
    let read = 0
    const zeros = async function* () {
      for (; read < 100 * 2 ** 20; read += 2 ** 18) yield Buffer.alloc(2 ** 18)
    }
    await expect(collect(decrypted(zeros(), keys, 'object x'))).rejects.toMatchObject({ code: 'CORRUPTED' })
    expect(read).toBeLessThan(2 * 2 ** 20)
  })

  it.each([0, 50, 300, 100_000])('passes a failure of its source on as it is, after %i bytes', async (after) => {
    const whole = await sealed(Buffer.from(sampleBytes(3 * chunk, 7)))
    const broken = new BackupError('the line is cut', { code: 'UNREACHABLE' })
    const breaking = async function* (bytes: Uint8Array) {
      yield* chunksOf(bytes.subarray(0, after), [40])
      throw broken
    }
    await expect(collect(decrypted(breaking(whole), keys, 'object x'))).rejects.toBe(broken)
    await expect(collect(encrypted(breaking(whole), [recipient]))).rejects.toBe(broken)
  })

  it('ends its source when nobody reads on', async () => {
    const whole = await sealed(Buffer.from(sampleBytes(20 * chunk, 7)))
    let ended = 0
    const watched = async function* (bytes: Uint8Array) {
      try {
        yield* chunksOf(bytes, [1000])
      } finally {
        ended++
      }
    }
    for await (const _ of decrypted(watched(whole), keys, 'object x')) break
    for await (const _ of encrypted(watched(whole), [recipient])) break
    await decrypted(watched(whole), keys, 'object x')[Symbol.asyncIterator]().next()
    await expect(collect(decrypted(watched(Buffer.from('no header\n\n')), keys, 'object x'))).rejects.toThrow()
    await expect.poll(() => ended).toBe(3)
  })

  it('for several recipients is opened by each', async () => {
    const second = await generateX25519Identity()
    const bytes = await collect(encrypted(once(Buffer.from('a')), [recipient, await identityToRecipient(second)]))
    for (const one of [identity, second]) expect((await opened(bytes, { identities: [one], proven: false })).toString()).toBe('a')
  })
})
