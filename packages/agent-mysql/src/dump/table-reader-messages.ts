import type { FailureCode } from '@backup-planet/core'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'

/** Blocks of one file, of at most 128 KiB each, that may be sent before the first of them has been taken. */
export const blocksPerFile = 4

/** Given to a reading thread when it is created. Stays within the process. */
export interface TableReaderData {
  readonly connection: MysqlConnectionSettings
  /** Longest wait behind a statement that changes a table. */
  readonly tableWaitSeconds: number
  /** The server ends the session and its snapshot when it has heard nothing for so long. */
  readonly idleSeconds: number
  readonly chunkBytes: number
  readonly compressionLevel: number
}

/** A SELECT whose rows become one or more files. */
export interface ReadTask {
  readonly id: number
  /** `shop.orders`, for messages. */
  readonly name: string
  readonly sql: string
  readonly columns: number
  /** Asked after the last row, while the table cannot be changed yet. */
  readonly proof: readonly string[]
}

/** Values as the server sent them; `columns` in lower case. */
export interface PlainAnswer {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (Uint8Array | null)[])[]
}

export type ToReader =
  | { readonly type: 'begin-snapshot'; readonly id: number }
  | { readonly type: 'ask'; readonly id: number; readonly sql: string; readonly during: string; readonly keepLocks?: boolean }
  | ({ readonly type: 'read' } & ReadTask)
  /** One more block of this file may be sent. */
  | { readonly type: 'credit'; readonly file: number }
  | { readonly type: 'end' }

export type FromReader =
  | { readonly type: 'ready'; readonly threadId: number }
  /** Answer to `begin-snapshot` and `ask`. */
  | ({ readonly type: 'answer'; readonly id: number } & PlainAnswer)
  /** `file` is unique within the thread. */
  | { readonly type: 'file-begin'; readonly id: number; readonly file: number }
  /** Compressed bytes of one file; several files of a task may be on their way at once. */
  | {
      readonly type: 'block'
      readonly id: number
      readonly file: number
      readonly block: Uint8Array<ArrayBuffer>
      readonly rows: number
      readonly bytes: number
    }
  | {
      readonly type: 'file-end'
      readonly id: number
      readonly file: number
      readonly rows: number
      readonly bytes: number
      readonly sha256: string
    }
  | { readonly type: 'done'; readonly id: number; readonly rows: number; readonly proof: readonly PlainAnswer[] }
  | { readonly type: 'failed'; readonly id: number; readonly failure: PlainFailure }
  /** The connection is gone, and the snapshot with it. */
  | { readonly type: 'lost'; readonly failure: PlainFailure }

/** An error on its way between threads, where classes do not survive. */
export interface PlainFailure {
  readonly message: string
  /** What was being done. */
  readonly during: string
  /** Of a failure that has its code already; errors of the driver get theirs in the main thread. */
  readonly known?: { readonly code: FailureCode; readonly hint: string }
  /** Error number of the server. */
  readonly number?: number
  /** Code of the socket or the driver, such as `ECONNRESET`. */
  readonly symbol?: string
}
