/**
 * Gives the memory of bytes back at once, instead of when the garbage collector comes by: it counts what lies outside of its heap
 * lightly, and lets tens of megabytes pile up in every thread. Nobody may use the bytes afterwards. Small ones, which share their
 * memory with others, and those of shared memory are left alone.
 */
export function discard(bytes: Uint8Array): void {
  for (const memory of memoryOf(bytes)) memory.transfer(0)
}

/** The memory of bytes that have one of their own, as a list of what can be transferred to another thread. */
export function memoryOf({ buffer }: Uint8Array): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize && !buffer.detached ? [buffer] : []
}
