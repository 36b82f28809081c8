import type { Problem } from './problem.ts'

/** The last argument of every asynchronous method of every contract. */
export interface OperationOptions {
  /**
   * Aborting rejects with a `BackupError` of code `ABORTED` and stops the work on the server too.
   * A signal that is aborted beforehand has no side effect at all.
   */
  readonly signal?: AbortSignal | undefined
  /** Called often and synchronously; must return quickly and must not throw. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

export type Phase = 'capture' | 'store' | 'read' | 'restore' | 'verify'

/**
 * What a plugin says while it works. Amounts are what came since the last call, so that nobody has to keep totals.
 * Bytes are those of the application in the phases `capture` and `restore`, and those of staged files in all others: before
 * a repository compresses and encrypts them, and each once, however often an upload is tried.
 */
export type Progress =
  | { readonly type: 'bytes'; readonly phase: Phase; readonly item?: string; readonly bytes: number; readonly rows?: number }
  | {
      readonly type: 'item'
      readonly phase: Phase
      readonly item: string
      readonly state: 'begun' | 'ended' | 'failed'
      readonly bytesTotal?: number
    }
  | { readonly type: 'problem'; readonly problem: Problem }
  /** A step of the plan begins, in the words of the plan. */
  | { readonly type: 'step'; readonly text: string }
  /** Only of `follow`: the server sends what comes next, or has nothing for now. Not while it is still waited for. */
  | { readonly type: 'following' }
