import { sampleBytes } from '@backup-planet/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMasterKey } from '../crypto/master-key.ts'
import { seal } from '../crypto/sealed-bytes.ts'
import { storageIdOf } from '../format/storage-id.ts'
import { compress } from '../format/zstd.ts'
import { mostBlobBytes, openBlob, sealBlob } from './blob-sealing.ts'

const key = createMasterKey()

describe('a blob', () => {
  it('comes back, is never longer than it was, and is stored as it is where compressing does not make it smaller', () => {
    const plaintext = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.integer({ min: 0, max: 100_000 }).map((size) => sampleBytes(size, 1)),
      fc.integer({ min: 0, max: 100_000 }).map((size) => Buffer.alloc(size, 'abc')),
    )
    fc.assert(
      fc.property(plaintext, fc.integer({ min: 0, max: 6 }), (bytes, level) => {
        const copy = Buffer.from(bytes)
        const { vector, ciphertext, code, uncompressedLength } = sealBlob(key, bytes, level)
        expect(bytes).toEqual(copy)
        expect(ciphertext.byteLength).toBeLessThanOrEqual(bytes.byteLength)
        expect(uncompressedLength).toBe(ciphertext.byteLength < bytes.byteLength ? bytes.byteLength : 0)
        if (level === 0) expect(uncompressedLength).toBe(0)
        const sealed = Buffer.concat([vector, ciphertext, code])
        expect(openBlob(key, sealed, storageIdOf(bytes), uncompressedLength)).toEqual(bytes)
      }),
    )
    expect(sealBlob(key, Buffer.alloc(10_000), 1).ciphertext.byteLength).toBeLessThan(100)
  })

  const plaintext = Buffer.alloc(20_000, 'plain')
  const id = storageIdOf(plaintext)
  it.each([
    ['was changed', seal(key, plaintext).fill(1, 20, 21), id, 0, /authentication code/],
    ['is too short', Buffer.alloc(31), id, 0, /authentication code/],
    ['is another one', seal(key, plaintext), storageIdOf(Buffer.of()), 0, /another SHA-256/],
    ['is shorter than it says', seal(key, compress(plaintext, 1)), id, 20_001, /20000 bytes instead of 20001/],
    ['is longer than it says', seal(key, compress(plaintext, 1)), id, 19_999, /./],
    ['claims to fill the memory', seal(key, compress(plaintext, 1)), id, mostBlobBytes + 1, /claims to be of/],
    ['is no zstd', seal(key, plaintext), id, 20_000, /decompressed/],
    ['is compressed and does not say so', seal(key, compress(plaintext, 1)), id, 0, /another SHA-256/],
  ])('that %s is refused', (_, sealed, name, uncompressedLength, message) => {
    expect(() => openBlob(key, sealed, name, uncompressedLength)).toThrow(message)
  })
})
