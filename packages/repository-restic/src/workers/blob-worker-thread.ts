import { parentPort, workerData } from 'node:worker_threads'
import { type BlobThread, performBlobJob } from './blob-jobs.ts'
import type { BlobReply, BlobRequest, BlobResult, BlobWorkerData } from './blob-worker-messages.ts'

if (parentPort === null) throw new TypeError('this module is the body of a worker thread')
const port = parentPort
const data: BlobThread = { ...(workerData as BlobWorkerData), hashes: new Map() }

port.on('message', ({ number, job }: BlobRequest) => {
  try {
    const result = performBlobJob(job, data)
    reply({ number, result }, transferable(result))
  } catch (error) {
    reply({ number, error: (error as Error).message }, [])
  }
})

function reply(message: BlobReply, transfer: readonly ArrayBuffer[]): void {
  port.postMessage(message, [...transfer])
}

/** Views that alone use their memory move to the other thread with it; the rest is copied. */
function transferable(result: BlobResult): ArrayBuffer[] {
  const views = 'blobs' in result ? result.blobs.filter((blob) => blob instanceof Uint8Array) : []
  const alone = views.filter(
    ({ buffer, byteLength }) => buffer instanceof ArrayBuffer && buffer.byteLength - byteLength <= spareBytes && byteLength > spareBytes,
  )
  return alone.map(({ buffer }) => buffer as ArrayBuffer)
}

/** What decompressing leaves unused behind a plaintext; far less than what other views of a memory could use. */
const spareBytes = 64
