import { type Backup, canonicalJson, type Manifest, type OperationOptions, parseManifest, type Uploader } from '@backup-planet/core'
import { manifestName } from './archive-layout.ts'
import { type ArchiveStorage, storageJson, storageOf } from './archive-storage.ts'
import { sha256Of } from './byte-streams.ts'
import { collectAtMost, corrupted } from './checked-content.ts'

/**
 * Larger than any manifest, at some 250 bytes a file: what is larger is neither written nor read into memory. In V8 a string
 * ends at 512 MiB.
 */
export const largestManifest = 256 * 2 ** 20

/** A manifest that knows its own SHA-256: over the canonical JSON of itself without `storage.manifestSha256`. */
export function sealManifest(manifest: Omit<Manifest, 'storage'>, storage: Omit<ArchiveStorage, 'manifestSha256'>): Manifest {
  // Through JSON once, so that what is hashed is exactly what a reader will parse.
  const plain = JSON.parse(JSON.stringify({ ...manifest, storage: storageJson(storage) })) as Manifest
  return { ...plain, storage: { ...plain.storage, manifestSha256: sha256Of(Buffer.from(canonicalJson(plain))) } }
}

export function manifestBytes(manifest: Manifest): Buffer {
  return Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)
}

/**
 * Downloads the manifest of a folder. Throws `CORRUPTED` like {@link readManifest}, and when it has more bytes than its listing says.
 *
 * @param size as the store lists it
 */
export async function downloadManifest(uploader: Uploader, folder: string, size: number, options: OperationOptions): Promise<Backup> {
  const key = `${folder}/${manifestName}`
  if (size > largestManifest) throw corrupted(`the manifest ${key} has ${size} bytes, more than the ${largestManifest} that it can need`)
  const content = uploader.download(key, undefined, { signal: options.signal })
  return readManifest(await collectAtMost(content, size, `the manifest ${key}`), folder)
}

/**
 * Throws `CORRUPTED` when a single bit of a manifest is not as it was written, or when it lies in another folder than
 * the one it was written for.
 */
export function readManifest(bytes: Uint8Array, folder: string): Backup {
  const where = `${folder}/${manifestName}`
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw corrupted(`the manifest ${where} is not UTF-8`, error)
  }
  const manifest = parseManifest(text, where)
  const written = JSON.parse(text) as Manifest
  if (!manifestBytes(written).equals(bytes)) throw corrupted(`the manifest ${where} is not as it was written`)
  const storage = storageOf(manifest)
  const { manifestSha256, ...rest } = written.storage
  if (sha256Of(Buffer.from(canonicalJson({ ...written, storage: rest }))) !== manifestSha256) {
    throw corrupted(`the manifest ${where} does not have the SHA-256 that it names`)
  }
  if (storage.folder !== folder) throw corrupted(`the manifest ${where} was written for ${storage.folder}`)
  return manifest
}
