import type { CaptureKind, EngineCheck, RestoredItem, RestoreStop } from '../contracts/index.ts'

/**
 * What one drill has shown, as plain JSON; the JSON Schema of it with its signature is published with the package as `drill-evidence.schema.json`. Holds no
 * secret. All times are ISO 8601 in UTC, by the clock of the host on which the drill ran.
 */
export interface DrillEvidence {
  readonly format: 'backup-planet/drill-evidence/1'
  /** Sortable by time. */
  readonly id: string
  readonly job: string
  readonly application: string
  /** Where the drill ran. */
  readonly host: string
  readonly beganAt: string
  readonly endedAt: string
  readonly seconds: number
  readonly goal: DrillGoal
  /** The state that was restored; left out where none was found. */
  readonly restorePoint?: DrilledPoint
  /** The server that was backed up. */
  readonly source?: { readonly id: string; readonly name: string; readonly version: string }
  /** What was restored, in the order in which it is applied. */
  readonly chain: readonly DrilledBackup[]
  /** Of what was read from repositories, before they compress and encrypt it. */
  readonly bytes: number
  /** Where it was restored to; left out where it did not come to that. */
  readonly scratch?: { readonly name: string; readonly version: string }
  readonly items: readonly Pick<RestoredItem, 'item' | 'to' | 'checks' | 'failure'>[]
  /** What the application itself said. */
  readonly engineChecks: readonly EngineCheck[]
  readonly problems: readonly DrillProblem[]
  readonly outcome: DrillOutcome
  /** Why it did not pass, or only in part. */
  readonly failure?: DrillFailure
  readonly versions: { readonly software: string; readonly agent: string; readonly node: string }
}

/**
 * `partial`: what was drilled came back as it was backed up, and something beside it needs somebody, such as another record of the job that cannot be read.
 * `impossible`: it did not come to a restore, so nothing is known of the backups.
 */
export type DrillOutcome = 'passed' | 'partial' | 'failed' | 'impossible'

export interface DrillFailure {
  readonly code: string
  readonly message: string
  readonly hint?: string
}

export interface DrillProblem {
  readonly severity: 'error' | 'warning'
  readonly code: string
  readonly message: string
  readonly hint?: string
}

/** Which state is restored. */
export type DrillGoal =
  | { readonly latest: true }
  /** As `randomRestorePoint` draws it. */
  | { readonly random: number }
  /** The state at the end of a backup, by its id. */
  | { readonly backup: string }
  /** Everything that was changed before it, by the clock of the server. */
  | { readonly at: string }

export interface DrilledPoint {
  /** By the clock of the server. */
  readonly at: string
  /** The last backup of the chain. */
  readonly backup: string
  /** Where that one stopped; left out when it was applied as a whole. */
  readonly stop?: RestoreStop
}

export interface DrilledBackup {
  readonly id: string
  readonly kind: CaptureKind
  readonly consistentAt: string
  /** Name of the repository that it was read from, and its printable destination. */
  readonly repository: string
  readonly destination: string
  readonly bytes: number
  /** SHA-256 of its manifest as canonical JSON (RFC 8785), in lower-case hex. */
  readonly manifestSha256: string
}

/** As it is stored: canonical JSON (RFC 8785), and nothing behind it. */
export interface SignedEvidence {
  readonly evidence: DrillEvidence
  readonly signature: EvidenceSignature
}

/** Ed25519 (RFC 8032) over the canonical JSON (RFC 8785) of the evidence, in UTF-8. */
export interface EvidenceSignature {
  readonly algorithm: 'Ed25519'
  /** SHA-256 of the public key as SubjectPublicKeyInfo in DER, in lower-case hex. */
  readonly keyId: string
  /** 64 bytes in lower-case hex. */
  readonly value: string
}
