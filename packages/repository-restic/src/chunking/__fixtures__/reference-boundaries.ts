import type { ChunkLimits } from '../chunker.ts'

/** The boundaries as chunker.ts defines them, each from the 64 bytes before it alone: slow, and nothing rolls. */
export function referenceBoundaries(content: Uint8Array, table: BigUint64Array, limits: ChunkLimits): readonly number[] {
  const ends: number[] = []
  for (let begin = 0; begin < content.length; begin = ends.at(-1) ?? 0)
    ends.push(begin + chunkLength(content.subarray(begin), table, limits))
  return ends
}

function chunkLength(content: Uint8Array, table: BigUint64Array, { minimum, maximum, boundaryBits }: ChunkLimits): number {
  for (let length = minimum; length <= Math.min(content.length, maximum); length++) {
    if (gearHash(content.subarray(length - 64, length), table) < 2n ** BigInt(64 - boundaryBits)) return length
  }
  return Math.min(content.length, maximum)
}

function gearHash(window: Uint8Array, table: BigUint64Array): bigint {
  const sum = window.toReversed().reduce((total, byte, age) => total + (table[byte] ?? 0n) * 2n ** BigInt(age), 0n)
  return sum % 2n ** 64n
}
