import { hash } from 'node:crypto'
import { openBlob, sealBlob } from './blob-sealing.ts'
import type { BlobJob, BlobResult, BlobWorkerData, OpenResult, Region, SealResult } from './blob-worker-messages.ts'

/** What a worker thread does with a job; the same in any thread. */
export function performBlobJob(job: BlobJob, data: BlobWorkerData): BlobResult {
  if (job.kind === 'hash') return { id: hash('sha256', regionOf(data, job.region), 'buffer') }
  return job.kind === 'seal' ? sealRegions(job.regions, data) : openRegions(job, data)
}

function sealRegions(regions: readonly Region[], data: BlobWorkerData): SealResult {
  const blobs = regions.map((region) => sealBlob(data.key, regionOf(data, region), data.compressionLevel))
  const [only] = blobs
  const sealed = blobs.length === 1 && only !== undefined ? only.sealed : Buffer.concat(blobs.map((blob) => blob.sealed))
  return { sealed, blobs: blobs.map((blob) => ({ length: blob.sealed.byteLength, uncompressedLength: blob.uncompressedLength })) }
}

function openRegions(job: Extract<BlobJob, { kind: 'open' }>, data: BlobWorkerData): OpenResult {
  return {
    blobs: job.blobs.map(({ offset, length, id, uncompressedLength }) => {
      try {
        return openBlob(data.key, job.bytes.subarray(offset, offset + length), id, uncompressedLength)
      } catch (error) {
        return (error as Error).message
      }
    }),
  }
}

function regionOf({ memory }: BlobWorkerData, { address, length }: Region): Buffer {
  if (memory === undefined) throw new TypeError('this worker was given no memory')
  return Buffer.from(memory, address, length)
}
