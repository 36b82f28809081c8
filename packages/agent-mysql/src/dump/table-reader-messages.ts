import type { FailureCode } from '@backup-planet/core'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'

/** Given to a reading thread when it is created. Stays within the process. */
export interface TableReaderData {
  readonly connection: MysqlConnectionSettings
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
}

export type ToReader =
  | { readonly type: 'begin-snapshot'; readonly id: number }
  | { readonly type: 'ask'; readonly id: number; readonly sql: string; readonly during: string; readonly keepLocks?: boolean }
  | ({ readonly type: 'read' } & ReadTask)
  /** This many more blocks may be sent. */
  | { readonly type: 'credit'; readonly blocks: number }
  | { readonly type: 'end' }

export type FromReader =
  | { readonly type: 'ready'; readonly threadId: number }
  /** Answer to `begin-snapshot` and `ask`. Values as text; `columns` in lower case. */
  | {
      readonly type: 'answer'
      readonly id: number
      readonly columns: readonly string[]
      readonly rows: readonly (readonly (string | null)[])[]
    }
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
  | { readonly type: 'done'; readonly id: number; readonly rows: number }
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
