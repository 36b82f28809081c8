import { hash } from 'node:crypto'

/** 64 lower-case hex digits: the SHA-256 of an object or of a blob's plaintext. */
export type StorageId = string

export function storageIdOf(bytes: Uint8Array): StorageId {
  return hash('sha256', bytes, 'hex')
}

export function isStorageId(text: unknown): text is StorageId {
  return typeof text === 'string' && /^[0-9a-f]{64}$/.test(text)
}
