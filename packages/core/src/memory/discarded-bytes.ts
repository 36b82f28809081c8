/**
 * Gives the memory of bytes back at once, instead of when the garbage collector comes by: it counts what lies outside of its heap
 * lightly, and lets tens of megabytes pile up in every thread. Nobody may use the bytes afterwards. Small ones, which share their
 * memory with others, and those of shared memory are left alone.
 */
export function discard({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize && !buffer.detached) buffer.transfer(0)
}
