import { createHash } from 'node:crypto'
import type { PutObjectCommandInput } from '@aws-sdk/client-s3'
import type { S3Store } from '../client/s3-store.ts'
import type { ResolvedS3Settings } from '../s3-settings.ts'

/** Names of user metadata, which a store keeps beside an object. */
export const sha256Metadata = 'sha256'
/** Drawn for each upload, so that an upload whose answer was lost is recognised. */
export const tokenMetadata = 'backup-planet-upload'

const millisecondsOfDay = 86_400_000

/** What every request about one object begins with. */
export function keyParameters(store: S3Store, key: string): { readonly Bucket: string; readonly Key: string } {
  return { Bucket: store.settings.bucket, Key: store.objectKey(key) }
}

/** What a store must be told again on every request for an object whose key of encryption it forgets. */
export function customerKey({ serverSideEncryption }: ResolvedS3Settings) {
  if (serverSideEncryption?.kind !== 'customer') return {}
  return { SSECustomerAlgorithm: 'AES256', SSECustomerKey: serverSideEncryption.key }
}

/** Storage class, encryption, lock, tags and metadata of a new object. */
export function newObjectParameters(
  settings: ResolvedS3Settings,
  { sha256, token }: { readonly sha256: string | undefined; readonly token: string },
  now: Date = new Date(),
): Omit<PutObjectCommandInput, 'Bucket' | 'Key' | 'Body'> {
  const { storageClass, tags } = settings
  const tagging = new URLSearchParams(tags).toString()
  return {
    ContentType: 'application/octet-stream',
    Metadata: { [tokenMetadata]: token, ...(sha256 === undefined ? {} : { [sha256Metadata]: sha256 }) },
    ...(storageClass === undefined ? {} : { StorageClass: storageClass as NonNullable<PutObjectCommandInput['StorageClass']> }),
    ...(tagging === '' ? {} : { Tagging: tagging }),
    ...encryption(settings),
    ...lock(settings, now),
  }
}

/** Equal for settings by which a store makes the same of the same content. A hash, so that no key is in it to be read. */
export function creationFingerprint({ storageClass, tags, serverSideEncryption, objectLock, profile }: ResolvedS3Settings): string {
  const sorted = Object.entries(tags).sort(([one], [other]) => (one < other ? -1 : 1))
  const { kind, ...encryptionKey } = serverSideEncryption ?? { kind: undefined }
  const { mode, retainDays, until, legalHold } = objectLock ?? {}
  const told = [profile.checksum, storageClass, sorted, kind, Object.values(encryptionKey), mode, retainDays, until, legalHold]
  // In an array what is left out becomes null, which no setting is.
  return createHash('sha256').update(JSON.stringify(told)).digest('hex')
}

function encryption(settings: ResolvedS3Settings): Partial<PutObjectCommandInput> {
  const { serverSideEncryption } = settings
  if (serverSideEncryption?.kind === 's3') return { ServerSideEncryption: 'AES256' }
  if (serverSideEncryption?.kind !== 'kms') return customerKey(settings)
  const { keyId } = serverSideEncryption
  return { ServerSideEncryption: 'aws:kms', ...(keyId === undefined ? {} : { SSEKMSKeyId: keyId }) }
}

function lock({ objectLock }: ResolvedS3Settings, now: Date): Partial<PutObjectCommandInput> {
  if (objectLock === undefined) return {}
  const { mode, retainDays, until, legalHold } = objectLock
  const end = until === undefined ? new Date(now.getTime() + (retainDays ?? 0) * millisecondsOfDay) : new Date(until)
  return {
    ...(mode === undefined ? {} : { ObjectLockMode: mode, ObjectLockRetainUntilDate: end }),
    ...(legalHold === undefined ? {} : { ObjectLockLegalHoldStatus: legalHold ? 'ON' : 'OFF' }),
  }
}

/** For what is there for moments only: an object that is locked could not be removed again. */
export function withoutLock(settings: ResolvedS3Settings): ResolvedS3Settings {
  return { ...settings, objectLock: undefined }
}
