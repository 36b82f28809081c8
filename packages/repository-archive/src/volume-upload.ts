import { BackupError, type OperationOptions, type StagedFile, type StagedRun, throwIfAborted } from '@backup-planet/core'
import type { ArchiveContext } from './archive-context.ts'
import type { PlannedVolume, StoredVolumeNote } from './store-notes.ts'
import { VolumeContent } from './volume-content.ts'

export interface VolumeUpload {
  readonly context: ArchiveContext
  readonly folder: string
  readonly run: StagedRun
  readonly volume: PlannedVolume
  readonly files: readonly StagedFile[]
  /** Of the run; used where the volume is encrypted. */
  readonly recipients: readonly string[] | undefined
}

/**
 * Packs a volume and sends it. Throws `CORRUPTED` when the store says that it keeps anything but what was sent.
 *
 * @returns what to note, and to compare the object with for as long as it is kept
 */
export async function uploadVolume(upload: VolumeUpload, { signal, onProgress }: OperationOptions): Promise<StoredVolumeNote> {
  const { context, folder, run, volume, files, recipients } = upload
  throwIfAborted(signal, 'storing the backup')
  const content = new VolumeContent({
    files,
    format: volume.format,
    compressionLevel: context.settings.compressionLevel,
    modifiedAt: new Date(run.beganAt),
    recipients: volume.encrypted ? recipients : undefined,
    onBytes: (bytes) => onProgress?.({ type: 'bytes', phase: 'store', item: volume.item, bytes }),
  })
  const remote = await context.uploader.upload(`${folder}/${volume.key}`, content, { signal })
  const sent = content.measurement
  if (sent === undefined || sent.size !== remote.size || (remote.sha256 !== undefined && remote.sha256 !== sent.sha256)) {
    throw new BackupError(`object ${remote.key} was stored with ${remote.size} bytes, sent were ${sent?.size ?? 'others'}`, {
      code: 'CORRUPTED',
      retryable: true,
      hint: 'The store or the way to it changes content. Run the backup again; if it happens again, do not trust this destination.',
    })
  }
  return { type: 'stored', sequence: volume.sequence, size: sent.size, sha256: sent.sha256 }
}
