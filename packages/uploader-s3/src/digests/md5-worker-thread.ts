import { createHash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import type { Md5Reply, Md5Request } from './md5-thread.ts'

if (parentPort === null) throw new TypeError('this module is the body of a worker thread')
const port = parentPort

port.on('message', ({ number, memory, offset, length }: Md5Request) => {
  const reply: Md5Reply = {
    number,
    md5: createHash('md5')
      .update(new Uint8Array(memory, offset, length))
      .digest('hex'),
  }
  port.postMessage(reply)
})
