import { damaged } from './backup-file-damage.ts'
import { hasWordChecksum, wordChecksum } from './word-checksum.ts'

/** Bytes that every descriptor block begins with. */
export const blockHeaderBytes = 52
const checkedWords = 25

/** What stands at the beginning of every block. Source: "Microsoft Tape Format Specification" 1.00a, MTF_DB_HDR. */
export interface BlockHeader {
  /** Four letters, such as `TAPE`, `SSET`, `MSCI`. */
  readonly type: string
  readonly attributes: number
  /** Length of the block without its streams. */
  readonly firstEvent: number
  /** Number of the block within its set, as the writer counted. */
  readonly controlBlock: number
  /** `utf16le`, or `latin1` for what other programs wrote. */
  readonly encoding: 'utf16le' | 'latin1'
}

/** @param offset of `bytes` in the file, for messages. Throws `CORRUPTED`. */
export function readBlockHeader(bytes: Buffer, offset: number): BlockHeader {
  const type = bytes.toString('latin1', 0, 4)
  if (!/^[A-Z][A-Z0-9]{3}$/.test(type)) {
    throw damaged(offset, `a block was expected, and ${describe(bytes.subarray(0, 4))} stands there`)
  }
  if (!hasWordChecksum(bytes, 0, checkedWords)) {
    const [stored, computed] = [bytes.readUInt16LE(2 * checkedWords), wordChecksum(bytes, 0, checkedWords)]
    throw damaged(offset, `the checksum of block ${type} is ${hexadecimal(stored)} where ${hexadecimal(computed)} was expected`)
  }
  const firstEvent = bytes.readUInt16LE(8)
  if (firstEvent < blockHeaderBytes) {
    throw damaged(offset, `block ${type} says that it has ${firstEvent} bytes, at least ${blockHeaderBytes} were expected`)
  }
  return {
    type,
    attributes: bytes.readUInt32LE(4),
    firstEvent,
    controlBlock: bytes.readUInt32LE(36),
    encoding: bytes[48] === 1 ? 'latin1' : 'utf16le',
  }
}

export function describe(bytes: Buffer): string {
  return `0x${bytes.toString('hex')}`
}

export function hexadecimal(word: number): string {
  return `0x${word.toString(16).padStart(4, '0')}`
}
