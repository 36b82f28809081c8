/**
 * The checksum of blocks and stream headers: XOR of the `words` 16-bit words from `offset`, stored in the word behind them.
 * Source: "Microsoft Tape Format Specification" 1.00a, header checksums of MTF_DB_HDR and MTF_STREAM_HDR.
 */
export function hasWordChecksum(bytes: Buffer, offset: number, words: number): boolean {
  return wordChecksum(bytes, offset, words) === bytes.readUInt16LE(offset + 2 * words)
}

export function wordChecksum(bytes: Buffer, offset: number, words: number): number {
  let sum = 0
  for (let index = 0; index < words; index++) sum ^= bytes.readUInt16LE(offset + 2 * index)
  return sum
}
