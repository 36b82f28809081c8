import { constants, createGunzip, createGzip, createZstdCompress, createZstdDecompress } from 'node:zlib'
import { BackupError } from '@backup-planet/core'
import type { ArchiveFormat } from './archive-settings.ts'
import { through } from './byte-streams.ts'
import { corrupted } from './checked-content.ts'

const compressedNames = /\.(zst|gz|xz|bz2|lz4|7z|zip|age)$/i

/** Whether another compression would be for nothing, as far as the name tells. */
export function isCompressed(name: string): boolean {
  return compressedNames.test(name)
}

export function compressed(content: AsyncIterable<Uint8Array>, format: ArchiveFormat, level: number): AsyncIterable<Uint8Array> {
  if (format === 'tar.gz') return through(content, createGzip({ level, chunkSize: 64 * 1024 }))
  if (format !== 'tar.zst') return content
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 }
  return through(content, createZstdCompress({ params, chunkSize: 128 * 1024 }))
}

/** Throws `CORRUPTED` where the bytes are not of this compression. */
export async function* decompressed(content: AsyncIterable<Uint8Array>, format: ArchiveFormat, what: string): AsyncIterable<Uint8Array> {
  try {
    if (format === 'tar.zst') yield* through(content, createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: 27 } }))
    else if (format === 'tar.gz') yield* through(content, createGunzip())
    else yield* content
  } catch (error) {
    throw isZlibError(error) ? corrupted(`${what} cannot be decompressed`, error) : error
  }
}

function isZlibError(error: unknown): boolean {
  if (BackupError.is(error) || !(error instanceof Error) || !('code' in error)) return false
  return /^(Z_|ZSTD_|ERR_ZLIB|ERR_ZSTD|ERR_TRAILING)/.test(String(error.code))
}
