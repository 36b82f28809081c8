/**
 * Bytes under way of one transfer. A killed upload leaves holes in as many bytes at the end of its part at most, and as many again may
 * have been on the network: together 8 MiB are sent twice.
 */
export const windowBytes = 4 * 1024 * 1024

/** Smaller objects are not worth looking for what is left of them. */
export const leastResumedBytes = 2 * windowBytes

/** How much of a part of `size` bytes was surely written without holes, and may be kept when its hash is right. */
export function surelyWritten(size: number): number {
  return Math.max(0, size - windowBytes)
}
