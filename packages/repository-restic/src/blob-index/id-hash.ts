import { randomBytes } from 'node:crypto'

export const idBytes = 32

/** A random number for every value of every byte of an id, other ones in every process. */
const keys = new Int32Array(new Uint8Array(randomBytes(idBytes * 256 * Int32Array.BYTES_PER_ELEMENT)).buffer)

/**
 * 32 bits that are spread evenly whatever the ids are (tabulation hashing: Pătraşcu and Thorup, "The Power of Simple Tabulation Hashing",
 * Journal of the ACM 59, 2012). The bytes of a SHA-256 sum would do for ids that are ones; who writes an index may invent others that
 * all collide, if they know the hash.
 */
export function idHash(id: Uint8Array): number {
  let hash = 0
  for (let index = 0; index < idBytes; index++) hash ^= keys[(index << 8) | (id[index] ?? 0)] ?? 0
  return hash
}
