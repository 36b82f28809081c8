import { assertSafePath, BackupError } from '@backup-planet/core'
import type { S3Store } from '../client/s3-store.ts'

/** In bytes ("Naming Amazon S3 objects", Amazon S3 User Guide). */
const longestKey = 1024

/** Throws `INVALID_INPUT` for what cannot be the key of an object here. */
export function assertKey(store: S3Store, key: string): void {
  assertSafePath(key, 'key')
  const bytes = Buffer.byteLength(store.objectKey(key))
  if (bytes <= longestKey) return
  throw new BackupError(
    `key ${JSON.stringify(`${key.slice(0, 100)}…`)} is refused: with the prefix it has ${bytes} bytes, ${longestKey} are allowed`,
    {
      code: 'INVALID_INPUT',
      hint: 'Nothing was changed. Use a shorter prefix or shorter names.',
    },
  )
}

export function isUsableKey(key: string): boolean {
  try {
    assertSafePath(key, 'key')
    return true
  } catch {
    return false
  }
}
