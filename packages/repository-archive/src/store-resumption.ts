import { BackupError, type OperationOptions, type Uploader } from '@backup-planet/core'
import { identityFileName } from './archive-layout.ts'
import type { EarlierAttempts } from './store-notes.ts'

export function fileKey(item: string, name: string): string {
  return JSON.stringify([item, name])
}

/** Throws `NOT_FOUND` or `CORRUPTED` when the identity file or a volume that an earlier attempt stored, and whose files are gone, is not there any more. */
export async function checkEarlierVolumes(
  uploader: Uploader,
  folder: string,
  earlier: EarlierAttempts,
  options: OperationOptions,
): Promise<void> {
  const volumes = [...earlier.stored].map(([sequence, stored]) => ({ key: earlier.planned.get(sequence)?.key, stored }))
  const identity = earlier.encryption?.identity
  for (const { key, stored } of [...(identity === undefined ? [] : [{ key: identityFileName, stored: identity }]), ...volumes]) {
    if (key === undefined) continue
    const remote = await uploader.stat(`${folder}/${key}`, options)
    if (remote?.size === stored.size && (remote.sha256 === undefined || remote.sha256 === stored.sha256)) continue
    throw new BackupError(
      remote === undefined
        ? `object ${key}, which an earlier attempt stored, is not there any more`
        : `object ${key} has ${remote.size} bytes, an earlier attempt stored ${stored.size}`,
      {
        code: remote === undefined ? 'NOT_FOUND' : 'CORRUPTED',
        hint: 'This run cannot be completed: remove its stage and take a new full backup.',
      },
    )
  }
}
