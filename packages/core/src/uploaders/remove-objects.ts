import type { OperationOptions, RetainedObject, Uploader } from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'

/**
 * Removes objects by whatever is best on this uploader. Resolves with those that the store refuses to remove now; all others are gone, or were not there.
 * Rejects with any other failure, and with `ABORTED`; then some are gone. Nothing is on its way any more once it has settled.
 */
export async function removeObjects(
  uploader: Uploader,
  keys: readonly string[],
  options: OperationOptions = {},
): Promise<readonly RetainedObject[]> {
  throwIfAborted(options.signal, 'the removal')
  if (uploader.removeAll !== undefined) return await uploader.removeAll(keys, options)
  const retained: RetainedObject[] = []
  const left = keys.values()
  const failed: unknown[] = []
  const lane = async (): Promise<void> => {
    for (const key of left) {
      if (failed.length > 0) return
      try {
        throwIfAborted(options.signal, 'the removal')
        await uploader.remove(key, options)
      } catch (error) {
        const code = BackupError.is(error) ? error.code : uploader.classify(error)
        // Messages of client libraries have been seen to hold secrets.
        const reason = BackupError.is(error) ? error.message : `removal of ${key} was refused at ${uploader.destination}`
        if (code === 'ACCESS_DENIED') retained.push({ key, reason })
        else failed.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(uploader.supports.concurrency, keys.length) }, lane))
  if (failed.length > 0) throw failed[0]
  return retained
}
