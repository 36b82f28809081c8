import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeUnpacked, encodeUnpacked } from './unpacked-file.ts'

describe('an unpacked file', () => {
  it('comes back', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        const plaintext = encodeUnpacked(json)
        expect(plaintext[0]).toBe(2)
        expect(decodeUnpacked(plaintext)).toEqual(JSON.parse(json))
      }),
    )
  })

  it.each([
    ['plain, as version 1 has it', Buffer.from('{"a":1}'), { a: 1 }],
    ['a plain list', Buffer.from('[1]'), [1]],
    ['compressed', Buffer.concat([Buffer.of(2), zstdCompressSync(Buffer.from('{"a":1}'))]), { a: 1 }],
  ])('may be %s', (_, plaintext, json) => {
    expect(decodeUnpacked(plaintext)).toEqual(json)
  })

  it.each([
    ['is empty', Buffer.of(), /encoding version is -1/],
    ['is of a later version', Buffer.of(3, 1, 2), /encoding version is 3/],
    ['is no zstd', Buffer.of(2, 1, 2, 3), /decompressed/],
    ['is cut', encodeUnpacked('{"a":"a long enough text that is compressed"}').subarray(0, -5), /./],
    ['is compressed nothing', encodeUnpacked(''), /JSON/],
    ['is no JSON', Buffer.from('{'), /JSON/],
  ])('that %s is refused with a SyntaxError', (_, plaintext, message) => {
    const decode = () => decodeUnpacked(plaintext)
    expect(decode).toThrow(SyntaxError)
    expect(decode).toThrow(message)
  })

  it('is JSON, a SyntaxError or a RangeError', () => {
    const { byteLength } = encodeUnpacked('{"a":"b"}')
    const bytes = fc.oneof(
      fc.uint8Array(),
      fc.uint8Array().map((rest) => Buffer.of(2, ...rest)),
      fc.tuple(fc.nat(byteLength - 1), fc.integer({ min: 1, max: 255 })).map(([at, change]) => {
        const changed = encodeUnpacked('{"a":"b"}')
        changed[at] = (changed[at] ?? 0) ^ change
        return changed
      }),
    )
    fc.assert(
      fc.property(bytes, (plaintext) => {
        try {
          decodeUnpacked(plaintext)
        } catch (error) {
          expect(error instanceof SyntaxError || error instanceof RangeError).toBe(true)
        }
      }),
      { numRuns: 1000 },
    )
  })
})
