import { damaged } from './backup-file-damage.ts'

export interface CheckedWords {
  /** How many 16-bit words the checksum covers; it stands behind them. */
  readonly words: number
  /** For messages. */
  readonly what: 'block' | 'stream'
}

/**
 * The four letters that a block or stream begins with. Throws `CORRUPTED` where none stand there, or where the checksum of the header is not theirs.
 *
 * @param offset of `bytes` in the file, for messages
 */
export function checkedName(bytes: Buffer, offset: number, { words, what }: CheckedWords): string {
  const name = bytes.toString('latin1', 0, 4)
  if (!/^[A-Z][A-Z0-9]{3}$/.test(name)) throw damaged(offset, `a ${what} was expected, and 0x${bytes.toString('hex', 0, 4)} stands there`)
  if (hasWordChecksum(bytes, 0, words)) return name
  const [stored, computed] = [bytes.readUInt16LE(2 * words), wordChecksum(bytes, 0, words)]
  throw damaged(offset, `the checksum of ${what} ${name} is ${hexadecimal(stored)} where ${hexadecimal(computed)} was expected`)
}

/**
 * Whether the XOR of 16-bit words is the word behind them. Source: "Microsoft Tape Format Specification" 1.00a, header checksums of MTF_DB_HDR and
 * MTF_STREAM_HDR.
 */
export function hasWordChecksum(bytes: Buffer, offset: number, words: number): boolean {
  return wordChecksum(bytes, offset, words) === bytes.readUInt16LE(offset + 2 * words)
}

function wordChecksum(bytes: Buffer, offset: number, words: number): number {
  let sum = 0
  for (let index = 0; index < words; index++) sum ^= bytes.readUInt16LE(offset + 2 * index)
  return sum
}

function hexadecimal(word: number): string {
  return `0x${word.toString(16).padStart(4, '0')}`
}
