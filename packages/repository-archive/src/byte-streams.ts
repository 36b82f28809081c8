import { createHash } from 'node:crypto'
import { type Duplex, pipeline, Readable } from 'node:stream'

/** Content through a Node transform. A failure on either side ends both; the reader's early return releases both. */
export async function* through(content: AsyncIterable<Uint8Array>, transform: Duplex): AsyncIterable<Uint8Array> {
  const source = Readable.from(content, { objectMode: true, highWaterMark: 2 })
  let failure: Error | undefined
  pipeline(source, transform, (error) => {
    if (error) failure ??= error
  })
  try {
    for await (const chunk of transform) yield chunk as Uint8Array
    if (failure !== undefined) throw failure
  } finally {
    transform.destroy()
    source.destroy()
  }
}

export async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}

export async function collect(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of content) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
