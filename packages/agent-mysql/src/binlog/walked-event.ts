import { eventType } from './binlog-event-type.ts'

/** One event that has come whole and was found sound. The same object is filled anew for the next one. */
export interface WalkedEvent {
  timestamp: number
  type: number
  serverId: number
  size: number
  flags: number
  /** Where it begins in the bytes that were read. */
  begin: number
  /** Where it begins on the server; of an event that is in no file, where the next one does. */
  from: number
  /** Whether it is part of the file on the server. */
  stored: boolean
  /** Header and body, without checksum: the whole of it, or as much as its type needs. Good until the handler returns. */
  bytes: Buffer
}

/** How much of an event its reader needs; the rest goes by. A QUERY has up to 64 KiB of variables before its text. */
export function keptBytes(type: number, size: number): number {
  switch (type) {
    case eventType.FORMAT_DESCRIPTION:
    case eventType.PREVIOUS_GTIDS:
    case eventType.GTID_LIST:
      return size
    case eventType.QUERY:
    case eventType.QUERY_COMPRESSED:
    case eventType.EXECUTE_LOAD_QUERY:
      return Math.min(size, 68_000)
    default:
      return Math.min(size, 1100)
  }
}
