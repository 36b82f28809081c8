import type { CaptureFacts } from './agent.ts'
import type { ByteRange } from './bytes.ts'
import type { FailureCode } from './failure-code.ts'
import type { Json } from './json.ts'
import type { OperationOptions } from './operation-options.ts'
import type { CaptureKind, Position } from './position.ts'

/** Scratch space where captures become sets of checksummed files, within a budget of bytes. */
export interface Staging {
  /** What it begins keeps nothing: contents come as `stream` events, and nothing of a run that is cut can be resumed. Left out where files are kept. */
  readonly streams?: boolean
  /**
   * Begins a stage for one run. Removes first what crashed runs of the same job left half-filled.
   * Throws `CONFLICT` while another process fills or drains a stage of the same job.
   */
  begin(run: StagedRun, options?: OperationOptions): Promise<RunStage>
  /** Sealed stages of this job that an earlier run could not send, oldest first. Half-filled ones are never among them. */
  resumable(job: string, options?: OperationOptions): AsyncIterable<RunStage>
  /**
   * Claims a job for who follows its logs, until it is disposed. Throws `CONFLICT` while somebody else follows it. Runs of the job are made beside
   * it, and wait for the moments in which it stores. Left out where nobody else can follow.
   */
  follow?(job: string, options?: OperationOptions): Promise<AsyncDisposable>
}

export interface StagedRun {
  readonly job: string
  /** Becomes the identity of the backup. */
  readonly id: string
  /** ISO 8601 in UTC. */
  readonly beganAt: string
  /** Present when only these items were asked for: such a backup continues no chain. */
  readonly limitedTo?: readonly string[]
  /** It is what was received of a server that is followed: a matter of moments, so a run of the job that begins meanwhile waits for it. */
  readonly followed?: boolean
  /** For names that people read, where it is known when the stage begins; the manifest's kind is that of the capture's facts. */
  readonly kind?: CaptureKind
}

/** Both sides of one stage: the agent fills it, the repository drains it, at the same time. */
export interface RunStage extends AsyncDisposable {
  readonly run: StagedRun
  readonly stage: Stage
  readonly contents: StageContents
  /** Runs of this job whose half-filled stages were removed by `begin`: they can never commit. */
  readonly abandonedRuns: readonly string[]
  /** True once `stage.seal` has resolved. */
  readonly sealed: boolean
  /**
   * Says that nobody drains any more. A writer that waits for room now fails with `cause`, and what was sealed stays.
   */
  stopDraining(cause: unknown): void
  /**
   * Says that the capture failed: the drain throws `cause` next, whatever it has not given yet, everything that fills fails
   * with it, and the stage can no longer be sealed. Without effect on a sealed stage.
   */
  stopFilling(cause: unknown): void
  /** Removes everything of this stage. */
  remove(): Promise<void>
  /** Disposing removes an unsealed stage, and only lets go of a sealed one so that it can be resumed. */
}

/** The agent's side. File names are relative POSIX paths inside the item; anything that could leave it is refused. */
export interface Stage {
  /** For applications that write their own files: `<directory>/<itemFolder(item)>/<name>`; `adopt` each afterwards. */
  readonly directory: string
  /** No single file may be larger than this many bytes. */
  readonly largestFile: number
  /** Creates the folder of an item (0700) and returns its absolute path. */
  folder(item: string): Promise<string>
  /**
   * Writes a new file and hashes it on the way. Waits while the budget is used up; that is what slows the database
   * read when the upload is slow. Nothing is left of a file whose content throws.
   */
  write(
    file: { readonly item: string; readonly name: string },
    content: AsyncIterable<Uint8Array>,
    options?: OperationOptions,
  ): Promise<StagedFileFacts>
  /** Takes over a file that the application has written below `directory`. */
  adopt(file: { readonly item: string; readonly name: string }, options?: OperationOptions): Promise<StagedFileFacts>
  /** The item is complete; no file may be added to it. */
  sealItem(facts: ItemFacts): Promise<void>
  /** The item is lost: what was staged for it will not be offered as restorable, and the run ends `partial`. */
  failItem(item: string, failure: ItemFailure): Promise<void>
  /** The capture is complete; every item must be sealed or failed. Durable on disk when it resolves. */
  seal(facts: CaptureFacts): Promise<void>
}

export interface StagedFileFacts {
  readonly item: string
  readonly name: string
  readonly size: number
  /** Lower-case hex. */
  readonly sha256: string
}

export interface ItemFacts {
  readonly item: string
  readonly from?: Position
  readonly to?: Position
  /** Before compression, as the agent counts. */
  readonly bytes?: number
  readonly facts: Readonly<Record<string, Json>>
}

export interface ItemFailure {
  readonly code: FailureCode
  readonly message: string
  readonly hint?: string
}

/** The repository's side. */
export interface StageContents {
  /** Upper bound of what the stage holds at once, in bytes. */
  readonly budget: number
  /**
   * Everything staged, in order, while it is being staged; ends after `sealed`. Throws when the capture fails.
   * Called once per attempt; a resumed stage yields again what has not been released. One drains at a time: another that begins meanwhile
   * fails with a TypeError.
   */
  drain(options?: OperationOptions): AsyncIterable<StageEvent>
  /** Whether the capture is complete, or about to be, so that a failed store can be resumed. When a run is aborted while it is false, nobody will come back to what was sent. */
  readonly sealed: boolean
  /** What the repository noted in earlier attempts on this stage, in order. */
  readonly notes: readonly Json[]
  /** Keeps a note durably with the stage, so that a resumed attempt knows what is already sent. */
  note(note: Json): Promise<void>
}

export type StageEvent =
  | { readonly type: 'file'; readonly file: StagedFile }
  /** Only from a staging that `streams`. */
  | { readonly type: 'stream'; readonly file: StreamedFile }
  | { readonly type: 'item'; readonly item: ItemFacts }
  | { readonly type: 'item-failed'; readonly item: string; readonly failure: ItemFailure }
  /** A writer waits for room: send and release what is being held back, now. */
  | { readonly type: 'pressure' }
  | { readonly type: 'sealed'; readonly facts: CaptureFacts }

export interface StagedFile extends StagedFileFacts {
  /** A fresh stream on every call, so that a retry can begin again. Throws `CORRUPTED` when the file has changed since it was staged. */
  open(range?: ByteRange): AsyncIterable<Uint8Array>
  /**
   * The whole content once, read into memory of the caller: asks for room (one byte at least) for every piece, and yields how many
   * bytes it has filled. For who reads much and would have the memory that `open` takes thrown away at once. Whoever uses it checks
   * size and SHA-256. Left out where content does not lie in a file.
   */
  readInto?(room: () => Promise<Uint8Array>): AsyncIterable<number>
  /** It is stored: frees its disk space. */
  release(): Promise<void>
}

/** A file that lies nowhere: its content passes once, while the agent writes it, at the pace of who reads it. */
export interface StreamedFile {
  readonly item: string
  readonly name: string
  /** Once. Throws what the agent's content throws; the file does not exist then, and the others go on. */
  read(): AsyncIterable<Uint8Array>
  /** All of it was read and had this size and SHA-256: the agent goes on. Whoever reads calls this, or `refuse`, once. */
  accept(facts: { readonly size: number; readonly sha256: string }): void
  refuse(cause: unknown): void
  /** The agent's content threw, or the item was given up. */
  readonly failed: boolean
}
