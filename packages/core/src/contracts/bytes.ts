/** Bytes from `begin` (inclusive) to `end` (exclusive); to the end of the content without `end`. */
export interface ByteRange {
  readonly begin: number
  readonly end?: number
}

/** Content that can be read again from the start, so that a retry needs no buffer. */
export interface Reopenable {
  /** In bytes, where it is known beforehand. An uploader fails with `CORRUPTED` when the content differs from it. */
  readonly size?: number | undefined
  /** Lower-case hex, where it is known beforehand. Checked like `size`. */
  readonly sha256?: string | undefined
  /**
   * `sha256` was computed from the very bytes that lie in memory, and nobody changes them until the upload has settled: an uploader need not
   * compute it once more. A layer that makes other bytes of them leaves this and `sha256` out.
   */
  readonly unchanging?: boolean | undefined
  /** A fresh stream on every call. Its bytes may be others each time where no `sha256` is announced, as encryption never repeats itself. */
  open(): AsyncIterable<Uint8Array>
}
