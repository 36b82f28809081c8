import { parentPort, workerData } from 'node:worker_threads'
import { performBlobJob } from './blob-jobs.ts'
import type { BlobReply, BlobRequest, BlobResult, BlobWorkerData } from './blob-worker-messages.ts'

if (parentPort === null) throw new TypeError('this module is the body of a worker thread')
const port = parentPort
const data = workerData as BlobWorkerData

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

/** Buffers that own all of their memory move to the other thread; the rest is copied. */
function transferable(result: BlobResult): ArrayBuffer[] {
  const views = 'blobs' in result ? result.blobs.filter((blob) => blob instanceof Uint8Array) : []
  const owned = views.filter(({ buffer, byteLength }) => buffer instanceof ArrayBuffer && buffer.byteLength === byteLength)
  return owned.map(({ buffer }) => buffer as ArrayBuffer)
}
