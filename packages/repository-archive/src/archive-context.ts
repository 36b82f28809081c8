import type { OperationOptions, Uploader } from '@backup-planet/core'
import type { ArchiveKeys } from './archive-keys.ts'
import type { ResolvedArchiveSettings } from './archive-settings.ts'

/** What every part of the repository works with. */
export interface ArchiveContext {
  readonly uploader: Uploader
  readonly settings: ResolvedArchiveSettings
  readonly keys: ArchiveKeys
}

/** The options for calls below this repository: progress of single objects is not the caller's business. */
export function below(options: OperationOptions): OperationOptions {
  return { signal: options.signal }
}
