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

/** Throws a `RangeError` when there are more than `most` bytes in it, and a `SyntaxError` when it is no zstd or is cut. */
export function decompress(bytes: Uint8Array, most: number): Buffer {
  try {
    return zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, most) })
  } catch (error) {
    if (error instanceof RangeError) throw error
    throw new SyntaxError(`it cannot be decompressed: ${(error as Error).message}`, { cause: error })
  }
}
