import type { OperationOptions, Uploader } from '@backup-planet/core'
import type { AgeKeys } from './age-file.ts'
import type { ResolvedArchiveSettings } from './archive-settings.ts'

/** What every part of the repository works with. */
export interface ArchiveContext {
  readonly uploader: Uploader
  readonly settings: ResolvedArchiveSettings
  readonly keys: AgeKeys
}

/** The options for calls below this repository: progress of single objects is not the caller's business. */
export function below(options: OperationOptions): OperationOptions {
  return { signal: options.signal }
}
