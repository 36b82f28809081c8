import type { ByteRange } from './bytes.ts'
import type { Json } from './json.ts'
import type { Backup, TimeSpan } from './manifest.ts'
import type { OperationOptions } from './operation-options.ts'
import type { CaptureKind, Position, PositionOrder } from './position.ts'
import type { Problem } from './problem.ts'
import type { Stage } from './staging.ts'

/** Knows one kind of application: what can be captured, how to do it consistently, and how to bring it back. */
export interface Agent extends AsyncDisposable {
  readonly contract: 'agent/1'
  /** One lower-case word, the same in configuration, manifests and package names: `mysql`. */
  readonly application: string
  /** Version of the agent's package; recorded in every manifest. */
  readonly version: string
  readonly supports: {
    readonly kinds: readonly CaptureKind[]
    /** Restore to any moment the logs allow. */
    readonly pointInTime: boolean
    /** Items can be restored under another name. */
    readonly rename: boolean
  }
  /**
   * The order of positions that this agent writes, so that what can be restored is known without a server. Left out by an agent whose
   * backups follow each other exactly: then positions are the same or unknown to each other.
   */
  readonly comparePositions?: PositionOrder
  /**
   * A position as an operator writes it, such as `mysql-bin.000012:4711` or a GTID, as the fields of one; its chain is found among the backups.
   * Pure. Throws `INVALID_INPUT`, with a hint that says how one is written. Left out by an agent whose positions nobody writes.
   */
  readonly parsePosition?: (text: string) => Position['value']
  /**
   * How the logs of a chain are applied by hand: Markdown. The state before them is brought back already; of a log that begins before its end, and of
   * two logs that hold the same, every change is applied once. Pure. `undefined` where there is no log. Left out by an agent of which every log begins
   * exactly where what it is applied to ends: then the guide of each backup says enough.
   */
  readonly replayGuide?: (request: ReplayGuideRequest) => string | undefined
  /** Everything that could be captured. Changes nothing. */
  discover(options?: OperationOptions): AsyncIterable<Source>
  /** What would make this capture fail now, missing rights first; empty when nothing would. Changes nothing. */
  check(request: CaptureRequest, options?: OperationOptions): Promise<readonly Problem[]>
  /** The numbered steps of this very run. Changes nothing. */
  plan(request: CaptureRequest, options?: OperationOptions): Promise<CapturePlan>
  /** Brings the source to a consistent point. The application runs normally again once this resolves. */
  beginCapture(request: CaptureRequest, options?: OperationOptions): Promise<Capture>
  /**
   * Follows the server as a replica does, from where the logs of the chain end, and yields a log capture whenever there is something to store.
   * Each continues the one before it, and holds what was received: copying it asks the server for nothing. While one is being stored it goes on
   * receiving, within bounds; what does not fit waits on the server. Aborting stops receiving: what had come is yielded last, and the iteration
   * ends without an error. Says `following` by `onProgress` once the server sends, before anything is yielded.
   *
   * Throws, after what had come was yielded, `UNREACHABLE` when the server goes away, and `NOT_FOUND` when the server no longer has what follows
   * the chain, is in another history, or was changed without its logs: then `beginCapture` says what is due; `UNSUPPORTED` where no
   * capture of it can ever be followed, and `INCONSISTENT` where none can until somebody has put it right. Left out by an agent that cannot follow.
   */
  follow?(request: FollowRequest, options?: OperationOptions): AsyncIterable<Capture>
  /** What a restore would do to the server of this agent, and what stands against it. Changes nothing. */
  planRestore(request: RestoreRequest, options?: OperationOptions): Promise<RestorePlan>
  /**
   * Executes a plan on the server of this agent. Throws `CONFLICT` before it changes anything when the target is not
   * as the plan found it. A restore that was cut can be called again with the same plan and goes on where it stopped.
   */
  restore(plan: RestorePlan, files: RestoredFiles, options?: OperationOptions): Promise<RestoreReport>
  /**
   * Makes an empty place in which these backups can be restored to see whether they can, and that nothing else uses. First removes what such places of
   * killed processes have left. Throws `UNSUPPORTED` for a place or backups that it cannot do this with, `NOT_FOUND` for a program that is not here,
   * `INVALID_SETTINGS` for unknown options; then nothing is left. Left out by an agent whose restores cannot be tried anywhere but on the server itself.
   */
  openScratch?(request: ScratchRequest, options?: OperationOptions): Promise<Scratch>
}

/** One thing an agent can capture as a whole: a server instance. */
export interface Source {
  /** Stable identity of the server, the same whatever name it is reached by. */
  readonly id: string
  /** Printable, such as `db1.example.com:3306`. */
  readonly name: string
  readonly version: string
  readonly items: readonly SourceItem[]
  readonly facts: Readonly<Record<string, Json>>
}

/** The smallest unit that can be restored alone: a database, an NSF, the system state. */
export interface SourceItem {
  readonly name: string
  /** As the application estimates it, before compression. */
  readonly bytes?: number
  /** Said to the operator, such as `12 tables, 2 views`. */
  readonly detail?: string
}

export interface CaptureRequest {
  readonly job: string
  readonly kind: CaptureKind
  /** Restricts the capture to these items; all that the settings allow when left out. */
  readonly items?: readonly string[]
  /**
   * Complete, unlimited backups of this job that the repository holds, oldest first; a log or differential is continued from them.
   * Without their file lists and storage.
   */
  readonly chain: readonly Backup[]
}

export interface FollowRequest {
  readonly job: string
  /** As of a capture request. The server still has what follows it, as far as that can be known: a capture of kind `log` was made just before. */
  readonly chain: readonly Backup[]
  /** What has come is yielded no later than so many seconds after it came, */
  readonly everySeconds: number
  /** or once it is so many bytes. */
  readonly everyBytes: number
}

export interface PlanStep {
  /** From 1. */
  readonly number: number
  /** One sentence to the operator, such as `take BACKUP STAGE BLOCK_COMMIT for less than a second`. */
  readonly text: string
}

export interface CapturePlan {
  readonly application: string
  readonly source: string
  readonly kind: CaptureKind
  /** Why this kind, where it is not the kind that was asked for. */
  readonly reason?: string
  readonly items: readonly SourceItem[]
  readonly bytes?: number
  readonly steps: readonly PlanStep[]
}

/** What is known of a capture as a whole. Plain data that goes into the manifest; holds no secret. */
export interface CaptureFacts {
  readonly application: string
  readonly source: { readonly id: string; readonly name: string; readonly version: string }
  readonly kind: CaptureKind
  /** Why this kind, where it is not the kind that was asked for. Told to the operator, and not kept in the manifest. */
  readonly reason?: string
  /** The moment the copy is of, ISO 8601 in UTC. */
  readonly consistentAt: string
  readonly position?: Position
  /** Position the capture begins at: what a differential or log continues from. */
  readonly from?: Position
  /** As in the manifest: what of the server's clock a log covers. */
  readonly covers?: readonly TimeSpan[]
  readonly facts: Readonly<Record<string, Json>>
  /**
   * Markdown for `RESTORE.md`: how to bring the files back with the application's own tools, once they are unpacked
   * into one folder per item. Commands hold no secret.
   */
  readonly restoreGuide: string
}

/** One consistent point of one source, being copied. Disposing releases everything on the server, confirmed or not. */
export interface Capture extends AsyncDisposable {
  /** Final once `copyTo` has resolved: the moment that a copy is of, and its position, may be known only then. What is read before is how it stands. */
  readonly facts: CaptureFacts
  /** Copies item by item; a failed item is failed on the stage and the others go on. Throws when the whole capture is lost. */
  copyTo(stage: Stage, options?: OperationOptions): Promise<void>
  /** Called at most once, and only after the repository has committed: the application may now truncate its logs. */
  confirm(options?: OperationOptions): Promise<void>
}

export interface RestoreRequest {
  /**
   * What to restore from: a full first, then what follows it, oldest first. A log may begin before the state that it is applied to, whether that is of
   * the full, of a differential or of another log: logs that are made beside fulls do not begin where a full ends, and logs may overlap. What the state
   * already holds, which is everything up to the position of the backup before, must not be applied again.
   */
  readonly backups: readonly Backup[]
  /** Where the last backup stops; applied as a whole when left out. Only for an agent that supports `pointInTime`. */
  readonly stop?: RestoreStop
  /** Items to restore; all when left out. */
  readonly items?: readonly string[]
  readonly target: RestoreTarget
}

/**
 * - `before`: before the first change of the last backup that was made at this moment or later, by the server's clock, ISO 8601 in UTC; changes
 *   before the state that it is applied to do not count.
 * - `position`: right after it: every change that ends at it or earlier. Of a position that is a set of changes: right after the one that completes it.
 * - `beforePosition`: everything before the change that ends at this position or contains it, itself excluded.
 *
 * Throws `INVALID_INPUT` in the plan or in the restore, before anything is changed, where the last backup holds no such change.
 */
export type RestoreStop = { readonly before: string } | { readonly position: Position } | { readonly beforePosition: Position }

/** Backups that are unpacked, to be restored by hand. */
export interface ReplayGuideRequest extends Pick<RestoreRequest, 'backups' | 'stop'> {
  /** Where each of the backups lies, relative to the guide: `02-log-20260724T0200`; in it one folder an item. */
  readonly folders: readonly string[]
}

export interface RestoreTarget {
  /** Item name in the backup → name on the target. */
  readonly rename?: Readonly<Record<string, string>>
  /** Whether what is there may be replaced. `false` refuses. */
  readonly overwrite: boolean
  /** The agent's own choices, such as `tables` or `threads`; unknown ones are refused. */
  readonly options?: Readonly<Record<string, Json>>
}

/** A value: it can be stored, shown, compared and approved before anything happens. */
export interface RestorePlan {
  readonly contract: 'restore-plan/1'
  readonly id: string
  readonly application: string
  readonly backups: readonly string[]
  readonly target: {
    readonly id: string
    readonly name: string
    /** Of everything on the target that the plan depends on; executing refuses when it has changed. */
    readonly fingerprint: string
  }
  readonly items: readonly RestorePlanItem[]
  readonly bytes?: number
  readonly steps: readonly PlanStep[]
  /** What the agent itself needs to know again when it executes the plan, such as where each backup ends. */
  readonly facts?: Readonly<Record<string, Json>>
  /** From where what is read: set by the pipeline, left out by agents. */
  readonly chain?: RestoreChain
  /** Any of severity `error` forbids execution. */
  readonly problems: readonly Problem[]
  readonly request: {
    readonly rename: Readonly<Record<string, string>>
    readonly overwrite: boolean
    readonly options: Readonly<Record<string, Json>>
    readonly stop?: RestoreStop
  }
}

/** The backups of a restore as they were chosen. */
export interface RestoreChain {
  /** In the order in which they are applied, as in `RestorePlan.backups`. */
  readonly backups: readonly RestoreChainBackup[]
  /** Of all that is read, before compression, as far as the backups say. */
  readonly bytes: number
  /** Room on the target for the full, and beside it for the largest backup that is applied to it. */
  readonly spaceBytes: number
  /** What an operator should know of the choice: stable codes, and sentences with the values. */
  readonly warnings: readonly { readonly code: string; readonly message: string }[]
}

export interface RestoreChainBackup {
  readonly id: string
  readonly kind: CaptureKind
  /** ISO 8601 in UTC. */
  readonly consistentAt: string
  readonly position?: Position
  /** The name of the repository that it is read from, as it was given to the pipeline. */
  readonly repository: string
  readonly bytes: number
}

export interface RestorePlanItem {
  readonly item: string
  readonly to: string
  readonly backup: string
  /** What of the target is replaced; empty when nothing is. */
  readonly overwrites: readonly string[]
  readonly bytes?: number
}

/** The files of a backup as a restoring agent sees them: already checked against size and SHA-256. */
export interface RestoredFiles {
  /** Everything there is, in the order in which it was staged. */
  readonly inventory: readonly RestoredFileFacts[]
  /**
   * The selected files, each complete on the local disk and verified. Within an item they come in the order in
   * which they were staged. Several can be held at once as long as the scratch budget lasts; each must be released.
   */
  stream(select: (file: RestoredFileFacts) => boolean, options?: OperationOptions): AsyncIterable<RestoredFile>
}

export interface RestoredFileFacts {
  readonly backup: string
  readonly item: string
  readonly name: string
  readonly size: number
  readonly sha256: string
}

export interface RestoredFile extends RestoredFileFacts {
  /** Absolute path of the local copy, for tools that want one; valid until released. */
  readonly path: string
  open(range?: ByteRange): AsyncIterable<Uint8Array>
  /** Removes the local copy and makes room for the next. */
  release(): Promise<void>
}

export interface RestoreReport {
  readonly items: readonly RestoredItem[]
  readonly problems: readonly Problem[]
}

export interface RestoredItem {
  readonly item: string
  readonly to: string
  readonly failure?: { readonly code: string; readonly message: string; readonly hint?: string }
  /** What was compared after the restore, such as `rows` and `checksum`, with the numbers on both sides. */
  readonly checks: readonly { readonly name: string; readonly expected: string; readonly found: string; readonly passed: boolean }[]
  readonly facts: Readonly<Record<string, Json>>
}

export interface ScratchRequest {
  /** What is to be restored there, as in a restore request. */
  readonly backups: readonly Backup[]
  /** All that did not fail when left out. */
  readonly items?: readonly string[]
  /** `private`: on this machine, where nobody else can reach it. `server`: on the server of this agent, beside what is there and apart from it. */
  readonly place: 'private' | 'server'
  /** An absolute path in which a private place may lie; left out: where the agent puts what is temporary. */
  readonly directory?: string
  /** Whether disposing ends what runs and leaves the data, for a person who looks for the cause of a failure. */
  readonly keep?: boolean
  /** The agent's own choices; unknown ones are refused. */
  readonly options?: Readonly<Record<string, Json>>
}

/**
 * A place to restore to and to look at what came back. Disposing removes everything in it, whatever has happened there, and ends what runs for it; unless it is
 * kept. What is already being restored there must have ended. Where something stays, disposing removes all else and throws: the message says what it is, the
 * hint how to remove it.
 */
export interface Scratch extends AsyncDisposable {
  /** Printable, such as `/var/tmp/backup-planet-drill~…`, and where it is kept, enough to find it. */
  readonly name: string
  /** Version of the application that it is restored to. */
  readonly version: string
  /** Plans the restore and carries it out; lives as long as the place. */
  readonly agent: Agent
  /** The target of that restore. */
  readonly target: RestoreTarget
  /** Whether what follows a full, other than a differential, can be restored here. */
  readonly restoresLogs: boolean
  /** Where on this machine the data will lie; left out when that is on another one. */
  readonly directory?: string
  /** Why what is seen here may differ from a real restore, as warnings. */
  readonly problems: readonly Problem[]
  /**
   * What the application itself says of what was restored, thing by thing; something that should be there and is not is a check that did not pass. Throws
   * when the application cannot be asked, such as when it does not start on what was restored.
   */
  check(report: RestoreReport, options?: OperationOptions): Promise<readonly EngineCheck[]>
}

/** What the application said of a part of an item, beside what it says of a sound one. */
export interface EngineCheck {
  readonly item: string
  /** Such as `CHECK TABLE shop.orders EXTENDED`. */
  readonly name: string
  readonly expected: string
  readonly found: string
  readonly passed: boolean
}
