import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'

export function compress(bytes: Uint8Array, level: number): Buffer {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level } })
}

/** Throws a `RangeError` when there is more than `most` bytes in it, and an `Error` when it is no zstd. */
export function decompress(bytes: Uint8Array, most: number): Buffer {
  return zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, most) })
}
