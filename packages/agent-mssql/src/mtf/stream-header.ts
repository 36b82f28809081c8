import { damaged } from './backup-file-damage.ts'
import { describe, hexadecimal } from './block-header.ts'
import { hasWordChecksum, wordChecksum } from './word-checksum.ts'

/** Bytes in front of the data of every stream. */
export const streamHeaderBytes = 22
const checkedWords = 10

/** Source: "Microsoft Tape Format Specification" 1.00a, MTF_STREAM_HDR. */
export interface StreamHeader {
  /** Four letters, such as `SPAD`, `MQCI`, `MQDA`. */
  readonly id: string
  /** Of the data, in bytes; as large as the file says. */
  readonly length: bigint
}

/** @param offset of `bytes` in the file, for messages. Throws `CORRUPTED`. */
export function readStreamHeader(bytes: Buffer, offset: number): StreamHeader {
  const id = bytes.toString('latin1', 0, 4)
  if (!/^[A-Z][A-Z0-9]{3}$/.test(id)) {
    throw damaged(offset, `a stream was expected, and ${describe(bytes.subarray(0, 4))} stands there`)
  }
  if (!hasWordChecksum(bytes, 0, checkedWords)) {
    const [stored, computed] = [bytes.readUInt16LE(2 * checkedWords), wordChecksum(bytes, 0, checkedWords)]
    throw damaged(offset, `the checksum of stream ${id} is ${hexadecimal(stored)} where ${hexadecimal(computed)} was expected`)
  }
  return { id, length: bytes.readBigUInt64LE(8) }
}
