import type { Uploader } from '../contracts/index.ts'
import type { Throttle } from './throttle.ts'
import { type PretendedWrite, withDryRun } from './with-dry-run.ts'
import { type UploaderLogEntry, withLogging } from './with-logging.ts'
import { type RetrySettings, withRetry } from './with-retry.ts'
import { withThrottle } from './with-throttle.ts'

export interface Layers {
  readonly retry?: RetrySettings | undefined
  readonly throttle?: Throttle | undefined
  readonly log?: ((entry: UploaderLogEntry) => void) | undefined
  /** `true`, or who is told of every pretended write. */
  readonly dryRun?: boolean | ((write: PretendedWrite) => void) | undefined
}

/**
 * Puts the layers around an uploader in the one order that is right, from the inside to the outside:
 *
 * 1. throttle, next to the wire: what is sent again by a retry counts again;
 * 2. retry, so that a pause between attempts holds no tokens;
 * 3. dry run, outside of both: what is only pretended is neither slowed down nor tried again, while real reads are;
 * 4. log, outermost: one entry for each operation as its caller sees it, pretended ones included.
 */
export function applyLayers(uploader: Uploader, layers: Layers): Uploader {
  let layered = uploader
  if (layers.throttle !== undefined) layered = withThrottle(layered, layers.throttle)
  if (layers.retry !== undefined) layered = withRetry(layered, layers.retry)
  if (layers.dryRun !== undefined && layers.dryRun !== false) {
    layered = withDryRun(layered, layers.dryRun === true ? undefined : layers.dryRun)
  }
  if (layers.log !== undefined) layered = withLogging(layered, layers.log)
  return layered
}
