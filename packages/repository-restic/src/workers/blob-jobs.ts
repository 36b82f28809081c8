import { createHash, type Hash, hash } from 'node:crypto'
import { discard } from '@backup-planet/core/memory'
import { sealOverhead } from '../crypto/sealed-bytes.ts'
import { openBlob, sealBlob } from './blob-sealing.ts'
import type {
  BlobJob,
  BlobResult,
  BlobWorkerData,
  CheckResult,
  ExtractRegion,
  ExtractResult,
  HashedContent,
  HashResult,
  OpenResult,
  PackedRegion,
  Region,
  SealResult,
} from './blob-worker-messages.ts'
import { writeTargets } from './target-writing.ts'

/** What a thread has for its jobs. */
export interface BlobThread extends BlobWorkerData {
  /** Of contents that are not whole yet. */
  readonly hashes: Map<number, Hash>
}

/** What a worker thread does with a job; the same in any thread. */
export function performBlobJob(job: BlobJob, data: BlobThread): BlobResult {
  switch (job.kind) {
    case 'hash':
      return hashRegion(regionOf(data, job.region), job.content, data)
    case 'digest':
      return digestContent(job.content, data)
    case 'seal':
      return sealRegions(job.regions, data)
    case 'open':
      return openRegions(job, data)
    case 'check':
      return checkRegions(job, data)
    case 'extract':
      return extractRegions(job, data)
  }
}

function hashRegion(bytes: Uint8Array, content: HashedContent | undefined, { hashes }: BlobThread): HashResult {
  if (content !== undefined) {
    if (content.first) hashes.set(content.number, createHash('sha256'))
    hashOf(content.number, hashes).update(bytes)
  }
  return { id: hash('sha256', bytes, 'buffer') }
}

function digestContent(number: number, { hashes }: BlobThread): HashResult {
  const id = hashOf(number, hashes).digest()
  hashes.delete(number)
  return { id }
}

function hashOf(number: number, hashes: ReadonlyMap<number, Hash>): Hash {
  const found = hashes.get(number)
  if (found === undefined) throw new TypeError(`content ${number} was not begun in this thread`)
  return found
}

/** In place: so no memory but that of the regions is needed on the other side. */
function sealRegions(regions: readonly Region[], data: BlobWorkerData): SealResult {
  const ends = new Uint8Array(regions.length * sealOverhead)
  const blobs = regions.map((region, at) => {
    const place = regionOf(data, region)
    const { vector, ciphertext, code, uncompressedLength } = sealBlob(data.key, place, data.compressionLevel)
    const { byteLength: length } = ciphertext
    place.set(ciphertext)
    discard(ciphertext)
    ends.set(vector, at * sealOverhead)
    ends.set(code, at * sealOverhead + vector.byteLength)
    return { length, uncompressedLength }
  })
  return { blobs, ends }
}

interface PackedJob {
  readonly bytes: Uint8Array
  readonly blobs: readonly PackedRegion[]
}

function openRegions({ bytes, blobs }: PackedJob, data: BlobWorkerData): OpenResult {
  const opened = blobs.map((blob) => openRegion(bytes, blob, data))
  discard(bytes)
  return { blobs: opened }
}

/** One after the other: so no more memory is needed than for one plaintext, whatever they hold together. */
function checkRegions({ bytes, blobs }: PackedJob, data: BlobWorkerData): CheckResult {
  const reasons = blobs.map((blob) => {
    const opened = openRegion(bytes, blob, data)
    if (typeof opened === 'string') return opened
    discard(opened)
    return undefined
  })
  discard(bytes)
  return { reasons }
}

/** As with checking, there is one plaintext at a time, and it never leaves this thread. */
function extractRegions(
  { bytes, blobs }: { readonly bytes: Uint8Array; readonly blobs: readonly ExtractRegion[] },
  data: BlobWorkerData,
): ExtractResult {
  const outcomes = blobs.map((blob) => {
    const opened = openRegion(bytes, blob, data)
    if (typeof opened === 'string') return opened
    const failed = writeTargets(opened, blob.targets)
    discard(opened)
    return failed
  })
  discard(bytes)
  return { outcomes }
}

/** The plaintext, or what is wrong with the blob. */
function openRegion(bytes: Uint8Array, { offset, length, id, uncompressedLength }: PackedRegion, { key }: BlobWorkerData): Buffer | string {
  try {
    return openBlob(key, bytes.subarray(offset, offset + length), id, uncompressedLength)
  } catch (error) {
    return (error as Error).message
  }
}

function regionOf({ memory }: BlobWorkerData, { address, length }: Region): Buffer {
  if (memory === undefined) throw new TypeError('this worker was given no memory')
  return Buffer.from(memory, address, length)
}
