import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodePackHeader, encodePackHeader, type PackedBlob, packHeaderBytes } from './pack-header.ts'
import { storageIdOf } from './storage-id.ts'

const length = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const blob = fc.record({
  type: fc.constantFrom('data', 'tree'),
  id: fc.uint8Array({ maxLength: 8 }).map(storageIdOf),
  length,
  uncompressedLength: fc.oneof(fc.constant(0), length),
} as const)

describe('the header of a pack', () => {
  it('is that of restic’s doc/design.rst, "Pack Format"', () => {
    const ids = [1, 2, 3, 4].map((byte) => Buffer.alloc(32, byte).toString('hex'))
    const header = encodePackHeader([
      { type: 'data', id: ids[0] ?? '', length: 0x01020304, uncompressedLength: 0 },
      { type: 'tree', id: ids[1] ?? '', length: 5, uncompressedLength: 0 },
      { type: 'data', id: ids[2] ?? '', length: 6, uncompressedLength: 0x0a0b0c0d },
      { type: 'tree', id: ids[3] ?? '', length: 7, uncompressedLength: 8 },
    ])
    expect(header.toString('hex')).toBe(`0004030201${ids[0]}0105000000${ids[1]}02060000000d0c0b0a${ids[2]}030700000008000000${ids[3]}`)
  })

  it('comes back, with the places that the lengths give', () => {
    fc.assert(
      fc.property(fc.array(blob, { maxLength: 50 }), (blobs) => {
        const header = encodePackHeader(blobs)
        expect(header.byteLength).toBe(packHeaderBytes(blobs))
        let offset = 0
        const placed: PackedBlob[] = blobs.map((entry) => {
          const place = { ...entry, offset }
          offset += entry.length
          return place
        })
        expect(decodePackHeader(header)).toEqual(placed)
        // As a part of something larger, which it never reads.
        const inside = Buffer.concat([Buffer.alloc(3, 255), header, Buffer.alloc(3, 255)])
        expect(decodePackHeader(inside.subarray(3, -3))).toEqual(placed)
      }),
    )
  })

  it('is refused when it is cut or names what there is not', () => {
    const whole = encodePackHeader([{ type: 'tree', id: storageIdOf(Buffer.of()), length: 1, uncompressedLength: 2 }])
    for (let end = 1; end < whole.byteLength; end++) expect(() => decodePackHeader(whole.subarray(0, end))).toThrow(SyntaxError)
    for (let type = 4; type < 256; type++) {
      whole.writeUInt8(type)
      expect(() => decodePackHeader(whole)).toThrow(`unknown blob type ${type}`)
    }
  })

  it('is blobs or a SyntaxError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ max: 3, maxLength: 200 })), (bytes) => {
        try {
          expect(packHeaderBytes(decodePackHeader(bytes))).toBeLessThanOrEqual(bytes.byteLength)
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError)
        }
      }),
    )
  })
})
