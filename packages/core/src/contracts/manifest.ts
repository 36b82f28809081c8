import type { Json } from './json.ts'
import type { CaptureKind, Position } from './position.ts'
import type { ItemFailure } from './staging.ts'

/**
 * One committed backup, as plain JSON in `manifest.json`; the JSON Schema is published with the package as
 * `manifest.schema.json`. A backup without a manifest does not exist.
 */
export interface Manifest {
  readonly format: 'backup-planet/manifest/1'
  /** Sortable by time; also the identity of the run. */
  readonly id: string
  readonly job: string
  readonly application: string
  readonly agent: { readonly version: string }
  readonly source: { readonly id: string; readonly name: string; readonly version: string }
  readonly kind: CaptureKind
  /** `partial`: at least one item failed; the failed ones cannot be restored from this backup. */
  readonly status: 'complete' | 'partial'
  /** All times are ISO 8601 in UTC. */
  readonly beganAt: string
  readonly consistentAt: string
  readonly endedAt: string
  /** Where a log begins, or the position of the full that a differential needs. */
  readonly from?: Position
  readonly position?: Position
  /**
   * Of a log: the stretches of the server's clock over which the changes in it were made, as they follow each other in it: one, unless the
   * clock was set while it went on. The first begins at `from`, the last ends at `position`, which is at `consistentAt`. Left out where
   * that is not known: then a log covers the time from the moment of what it continues to its own, as if no clock had been set, and one that
   * leads into another chain nothing but its own moment.
   */
  readonly covers?: readonly TimeSpan[]
  /**
   * Present when the run was restricted to these items: they restore like any others, but nothing may follow this backup, and
   * the application was not told that it is backed up.
   */
  readonly limitedTo?: readonly string[]
  readonly items: readonly ManifestItem[]
  readonly facts: Readonly<Record<string, Json>>
  /** Where and how the repository keeps the files; its own business. */
  readonly storage: Readonly<Record<string, Json>>
}

/** From one moment to another that is not before it, both included. ISO 8601 in UTC. */
export interface TimeSpan {
  readonly from: string
  readonly to: string
}

export interface ManifestItem {
  readonly item: string
  readonly from?: Position
  readonly to?: Position
  /** Before compression. */
  readonly bytes?: number
  readonly facts: Readonly<Record<string, Json>>
  /** In the order in which they were staged. Left out where an encrypted repository keeps names secret. */
  readonly files?: readonly ManifestFile[]
  /** Present when the item failed: it is not restorable. */
  readonly failure?: ItemFailure
}

export interface ManifestFile {
  readonly name: string
  readonly size: number
  readonly sha256: string
}

/** A manifest as a repository lists it. */
export type Backup = Manifest
