import type { MasterKey } from '../crypto/master-key.ts'
import type { StorageId } from '../format/storage-id.ts'
import type { FailedWrite, WriteTarget } from './target-writing.ts'

export interface BlobWorkerData {
  readonly key: MasterKey
  /** Where the plaintexts of `hash` and `seal` lie. */
  readonly memory: SharedArrayBuffer | undefined
  readonly compressionLevel: number
}

/** A piece of the shared memory. */
export interface Region {
  readonly address: number
  readonly length: number
}

/** A content whose chunks are hashed by one thread in their order, which also hashes the whole of it. */
export interface HashedContent {
  readonly number: number
  /** Whether it begins with this chunk; forgets what was hashed under this number before. */
  readonly first: boolean
}

export interface PackedRegion {
  readonly offset: number
  readonly length: number
  readonly uncompressedLength: number
  readonly id: StorageId
}

/** A blob whose plaintext is written to files. */
export interface ExtractRegion extends PackedRegion {
  readonly targets: readonly WriteTarget[]
}

export type BlobJob =
  | { readonly kind: 'hash'; readonly region: Region; readonly content?: HashedContent | undefined }
  | { readonly kind: 'digest'; readonly content: number }
  | { readonly kind: 'seal'; readonly regions: readonly Region[] }
  | { readonly kind: 'open' | 'check'; readonly bytes: Uint8Array; readonly blobs: readonly PackedRegion[] }
  | { readonly kind: 'extract'; readonly bytes: Uint8Array; readonly blobs: readonly ExtractRegion[] }

export interface HashResult {
  /** 32 bytes. */
  readonly id: Uint8Array
}

/** In the order of the job's regions. Each ciphertext lies where its plaintext lay, and is not longer. */
export interface SealResult {
  readonly blobs: readonly { readonly length: number; readonly uncompressedLength: number }[]
  /** 32 bytes a blob: what goes before its ciphertext, and what goes behind. */
  readonly ends: Uint8Array
}

/** In the order of the job's blobs: the plaintext, or what is wrong with the blob. */
export interface OpenResult {
  readonly blobs: readonly (Uint8Array | string)[]
}

/** In the order of the job's blobs: what is wrong with the blob, `undefined` when nothing is. */
export interface CheckResult {
  readonly reasons: readonly (string | undefined)[]
}

/** In the order of the job's blobs: `undefined` when it is written wherever it goes, what is wrong with the blob, or what broke writing it. */
export interface ExtractResult {
  readonly outcomes: readonly (string | FailedWrite | undefined)[]
}

export type BlobResult = HashResult | SealResult | OpenResult | CheckResult | ExtractResult

export interface BlobRequest {
  readonly number: number
  readonly job: BlobJob
}

export type BlobReply = { readonly number: number } & ({ readonly result: BlobResult } | { readonly error: string })
