import { checkedName } from './checked-header.ts'

/** Bytes in front of the data of every stream. */
export const streamHeaderBytes = 22

/** Source: "Microsoft Tape Format Specification" 1.00a, MTF_STREAM_HDR. */
export interface StreamHeader {
  /** Four letters, such as `SPAD`, `MQCI`, `MQDA`. */
  readonly id: string
  /** Of the data, in bytes; as large as the file says. */
  readonly length: bigint
}

/** @param offset of `bytes` in the file, for messages. Throws `CORRUPTED`. */
export function readStreamHeader(bytes: Buffer, offset: number): StreamHeader {
  return { id: checkedName(bytes, offset, { words: 10, what: 'stream' }), length: bytes.readBigUInt64LE(8) }
}
