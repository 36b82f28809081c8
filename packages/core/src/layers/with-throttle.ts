import type { Uploader } from '../contracts/index.ts'
import { passedOn } from './passed-on.ts'
import type { Throttle } from './throttle.ts'
import { uploaderLayer } from './uploader-layer.ts'

/** Lets the bytes of uploads and downloads pass no faster than `throttle` allows; one throttle may serve many uploaders. */
export function withThrottle(uploader: Uploader, throttle: Throttle): Uploader {
  return uploaderLayer(uploader, {
    upload: (key, content, options) =>
      uploader.upload(
        key,
        passedOn(content, () => throttled(content.open(), throttle, options?.signal)),
        options,
      ),
    download: (key, range, options) => throttled(uploader.download(key, range, options), throttle, options?.signal),
  })
}

async function* throttled(
  content: AsyncIterable<Uint8Array>,
  throttle: Throttle,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of content) {
    for (let offset = 0; offset < chunk.byteLength; ) {
      const part = chunk.subarray(offset, offset + throttle.largestTake)
      await throttle.take(part.byteLength, { signal })
      yield part
      offset += part.byteLength
    }
  }
}
