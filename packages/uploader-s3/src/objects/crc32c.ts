import { createRequire } from 'node:module'
import { BackupError } from '@backup-planet/core'

let loaded: ((bytes: Uint8Array) => number) | undefined

/**
 * CRC-32/ISCSI, which Node.js does not have. The library is native and not there for every platform, so it is loaded for who asks for it alone.
 * Throws `INVALID_SETTINGS` where it is not there.
 */
export function crc32c(bytes: Uint8Array): number {
  loaded ??= load()
  return loaded(bytes)
}

function load(): (bytes: Uint8Array) => number {
  try {
    return (createRequire(import.meta.url)('@node-rs/crc32') as { readonly crc32c: (bytes: Uint8Array) => number }).crc32c
  } catch (cause) {
    throw new BackupError(`CRC32C cannot be computed on ${process.platform} ${process.arch}: @node-rs/crc32 cannot be loaded`, {
      code: 'INVALID_SETTINGS',
      hint: 'Set checksums of the uploader to crc32, which protects as well, or install the optional packages of @node-rs/crc32.',
      cause,
    })
  }
}
