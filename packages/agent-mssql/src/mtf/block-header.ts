import { assertBytes } from './backup-file-damage.ts'
import { checkedName } from './checked-header.ts'

/** Bytes that every descriptor block begins with. */
export const blockHeaderBytes = 52

/** What stands at the beginning of every block. Source: "Microsoft Tape Format Specification" 1.00a, MTF_DB_HDR. */
export interface BlockHeader {
  /** Four letters, such as `TAPE`, `SSET`, `MSCI`. */
  readonly type: string
  /** Length of the block without its streams, in bytes. */
  readonly firstEvent: number
  /** Of its texts: `utf16le`, or `latin1` for what other programs wrote. */
  readonly encoding: 'utf16le' | 'latin1'
}

/** @param offset of `bytes` in the file, for messages. Throws `CORRUPTED`. */
export function readBlockHeader(bytes: Buffer, offset: number): BlockHeader {
  const type = checkedName(bytes, offset, { words: 25, what: 'block' })
  const firstEvent = bytes.readUInt16LE(8)
  assertBytes(firstEvent, blockHeaderBytes, { what: `block ${type}`, offset })
  return { type, firstEvent, encoding: bytes[48] === 1 ? 'latin1' : 'utf16le' }
}
