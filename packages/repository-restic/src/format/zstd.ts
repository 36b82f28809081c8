import { constants, type ZstdOptions, zstdCompressSync, zstdDecompressSync } from 'node:zlib'

export function compress(bytes: Uint8Array, level: number): Buffer {
  const options: ZstdOptions & { readonly pledgedSrcSize: number } = {
    params: { [constants.ZSTD_c_compressionLevel]: level },
    pledgedSrcSize: bytes.byteLength,
    // All at once, instead of many small buffers that are put together.
    chunkSize: Math.max(smallestOutput, bytes.byteLength),
  }
  return zstdCompressSync(bytes, options)
}

const smallestOutput = 4096

/** Throws a `RangeError` when there is more than `most` bytes in it, and an `Error` when it is no zstd. */
export function decompress(bytes: Uint8Array, most: number): Buffer {
  return zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, most) })
}
