import type { Uploader } from '../../contracts/index.ts'
import { flakyUploader } from '../../testing/flaky-uploader.ts'
import { applyLayers } from '../apply-layers.ts'
import { createThrottle } from '../throttle.ts'
import { uploaderLayer } from '../uploader-layer.ts'
import { withLogging } from '../with-logging.ts'
import { withRetry } from '../with-retry.ts'
import { withThrottle } from '../with-throttle.ts'

const retry = { wait: async () => undefined, random: () => 0 }

/** Every layer that keeps all of the uploader contract, by a name for tests. */
export const contractLayers = {
  'uploader layer': (uploader) => uploaderLayer(uploader, {}),
  'flaky uploader without faults': (uploader) => flakyUploader(uploader),
  'retry layer': (uploader) => withRetry(uploader, retry),
  'retry layer on a flaky uploader': (uploader) =>
    withRetry(
      flakyUploader(
        uploader,
        (['upload', 'download', 'stat', 'list', 'remove'] as const).flatMap((operation) => [
          { operation, occurrence: 1, action: 'fail' as const },
          { operation, occurrence: 3, action: 'fail-half-way' as const },
        ]),
      ),
      retry,
    ),
  'throttle layer': (uploader) => withThrottle(uploader, createThrottle({ bytesPerSecond: 1e9, burstBytes: 50_000 })),
  'logging layer': (uploader) => withLogging(uploader, () => undefined),
  'logging layer with a broken log': (uploader) =>
    withLogging(uploader, () => {
      throw new Error('log disk full')
    }),
  'all layers': (uploader) => applyLayers(uploader, { retry, throttle: createThrottle(), log: () => undefined }),
} satisfies Readonly<Record<string, (uploader: Uploader) => Uploader>>
