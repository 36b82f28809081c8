import { discard } from '@backup-planet/core/memory'
import type { MasterKey } from '../crypto/master-key.ts'
import { type SealedParts, sealParts, unseal } from '../crypto/sealed-bytes.ts'
import { type StorageId, storageIdOf } from '../format/storage-id.ts'
import { compress, decompress } from '../format/zstd.ts'

/** A blob as it lies in a pack, in its parts. */
export interface SealedBlob extends SealedParts {
  /** 0 when it is stored as it is, because compressing did not make it smaller. */
  readonly uncompressedLength: number
}

/** The ciphertext is never longer than the plaintext. */
export function sealBlob(key: MasterKey, plaintext: Uint8Array, compressionLevel: number): SealedBlob {
  const compressed = compressionLevel === 0 || plaintext.byteLength === 0 ? undefined : compress(plaintext, compressionLevel)
  if (compressed === undefined) return { ...sealParts(key, plaintext), uncompressedLength: 0 }
  const isSmaller = compressed.byteLength < plaintext.byteLength
  const sealed = sealParts(key, isSmaller ? compressed : plaintext)
  discard(compressed)
  return { ...sealed, uncompressedLength: isSmaller ? plaintext.byteLength : 0 }
}

/** Larger than any blob that a program of good will writes; a tree of a folder with a million files is the largest. */
export const mostBlobBytes = 512 * 1024 ** 2

/** The plaintext. Throws an `Error` that says what is wrong; none of its bytes are given unless all are right. */
export function openBlob(key: MasterKey, sealed: Uint8Array, id: StorageId, uncompressedLength: number): Buffer {
  const opened = unseal(key, sealed)
  if (opened === undefined) throw new Error('it was changed: its authentication code is wrong')
  if (uncompressedLength > mostBlobBytes) throw new Error(`it claims to be of ${uncompressedLength} bytes`)
  const plaintext = uncompressedLength === 0 ? opened : decompress(opened, uncompressedLength, uncompressedLength)
  if (plaintext !== opened) discard(opened)
  if (uncompressedLength > 0 && plaintext.byteLength !== uncompressedLength)
    throw new Error(`it holds ${plaintext.byteLength} bytes instead of ${uncompressedLength}`)
  if (storageIdOf(plaintext) !== id) throw new Error('its content has another SHA-256 than its id')
  return plaintext
}
