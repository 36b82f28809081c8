import { BackupError } from '@backup-planet/core'
import { BinlogScan } from '../binlog/binlog-scan.ts'
import { type BinlogPiece, streamBinlogs } from '../binlog/binlog-stream.ts'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'

/** What a binlog says of a place between two of its transactions. */
export interface BinlogPlace {
  /** When the binlog was begun: ISO 8601 in UTC, in seconds. */
  readonly createdAt?: string
  /** GTID set or list of everything before the place; empty where there is none. */
  readonly gtid: string
}

/** `undefined` where no transaction ends at this offset. Throws as `ReadBeginning` does. Everything before the place is read. */
export type ReadPlace = (binlog: string, offset: number) => Promise<BinlogPlace | undefined>

/** Reads from the server, over a connection of its own. */
export function placeReader(settings: MysqlConnectionSettings, signal: AbortSignal | undefined): ReadPlace {
  return (binlog, offset) => readPlace(binlog, offset, streamBinlogs(settings, { binlog, signal }))
}

/** @param source the binlog from its beginning, and whatever comes behind it */
export async function readPlace(binlog: string, offset: number, source: AsyncIterable<BinlogPiece>): Promise<BinlogPlace | undefined> {
  const scan = new BinlogScan({ name: binlog })
  try {
    for await (const { binlog: of, position, bytes } of source) {
      if (of !== binlog) break
      scan.push(bytes.subarray(0, Math.max(0, offset - position)))
      if (position + bytes.length >= offset) break
    }
    const { position } = scan.reached
    const { createdAt, gtidAfter = '', unfinished } = scan.end()
    if (position !== offset || unfinished !== undefined) return undefined
    return { gtid: gtidAfter, ...(createdAt === undefined ? {} : { createdAt }) }
  } catch (error) {
    // It ends inside an event, or has none.
    if (BackupError.is(error) && error.code === 'CORRUPTED') return undefined
    throw error
  }
}
