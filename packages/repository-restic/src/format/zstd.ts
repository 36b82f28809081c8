import { constants, type ZstdOptions, zstdCompressSync, zstdDecompressSync } from 'node:zlib'

export function compress(bytes: Uint8Array, level: number): Buffer {
  const options: ZstdOptions & { readonly pledgedSrcSize: number } = {
    params: { [constants.ZSTD_c_compressionLevel]: level },
    pledgedSrcSize: bytes.byteLength,
    // All at once: with room for the worst case, zstd keeps no window of its own, and no pieces are put together.
    chunkSize: bytes.byteLength + (bytes.byteLength >> 8) + worstOverhead,
  }
  return zstdCompressSync(bytes, options)
}

/** What ZSTD_compressBound adds, at most, beside the 256th part. */
const worstOverhead = 1024

/** Node takes no smaller one. */
const leastRoom = 64

/**
 * Throws a `RangeError` when there are more than `most` bytes in it, and a `SyntaxError` when it is no zstd or is cut.
 *
 * @param expected how many bytes it will be, where that is known: all are written at once then, instead of piece by piece
 */
export function decompress(bytes: Uint8Array, most: number, expected?: number): Buffer {
  try {
    return zstdDecompressSync(bytes, {
      maxOutputLength: Math.max(1, most),
      // Room for one byte more: that it is whole is not known while there is no room left.
      ...(expected === undefined ? {} : { chunkSize: Math.max(leastRoom, expected + 1) }),
    })
  } catch (error) {
    if (error instanceof RangeError) throw error
    throw new SyntaxError(`it cannot be decompressed: ${(error as Error).message}`, { cause: error })
  }
}
