import { applyLayers, createThrottle, type Uploader } from '@backup-planet/core'

/** What every uploader gets from a configuration: retries, and the limit where one is set. */
export function limitedUploader(uploader: Uploader, limits: { readonly upload?: number | undefined }): Uploader {
  return applyLayers(uploader, {
    retry: {},
    ...(limits.upload === undefined ? {} : { throttle: createThrottle({ bytesPerSecond: limits.upload }) }),
  })
}
