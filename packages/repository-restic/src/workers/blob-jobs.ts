import { hash } from 'node:crypto'
import { sealOverhead } from '../crypto/sealed-bytes.ts'
import { openBlob, sealBlob } from './blob-sealing.ts'
import type { BlobJob, BlobResult, BlobWorkerData, OpenResult, Region, SealResult } from './blob-worker-messages.ts'
import { discard } from './discarded-bytes.ts'

/** What a worker thread does with a job; the same in any thread. */
export function performBlobJob(job: BlobJob, data: BlobWorkerData): BlobResult {
  if (job.kind === 'hash') return { id: hash('sha256', regionOf(data, job.region), 'buffer') }
  return job.kind === 'seal' ? sealRegions(job.regions, data) : openRegions(job, data)
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

function openRegions(job: Extract<BlobJob, { kind: 'open' }>, data: BlobWorkerData): OpenResult {
  const blobs = job.blobs.map(({ offset, length, id, uncompressedLength }) => {
    try {
      return openBlob(data.key, job.bytes.subarray(offset, offset + length), id, uncompressedLength)
    } catch (error) {
      return (error as Error).message
    }
  })
  discard(job.bytes)
  return { blobs }
}

function regionOf({ memory }: BlobWorkerData, { address, length }: Region): Buffer {
  if (memory === undefined) throw new TypeError('this worker was given no memory')
  return Buffer.from(memory, address, length)
}
