import type { MysqlSession } from '../mysql-connection.ts'
import { quoteText } from '../mysql-quoting.ts'
import { readServerTime } from '../mysql-server.ts'
import type { ReadBeginning } from './log-continuation.ts'
import { listBinlogs, type ServerBinlog } from './server-binlogs.ts'

export interface PurgeOptions {
  readonly session: MysqlSession
  readonly readBeginning: ReadBeginning
  /** The first binlog that is not backed up: it and everything after it stays. */
  readonly firstKept: string
  readonly keepHours: number
}

/**
 * Has the server delete binlogs that are backed up and that it ended more than `keepHours` ago, by its own clock. The server itself keeps what a connected
 * replica still reads, and everything after that. Returns the oldest binlog that is meant to stay; `undefined` when nothing was to be deleted.
 */
export async function purgeBinlogs({ session, readBeginning, firstKept, keepHours }: PurgeOptions): Promise<string | undefined> {
  const binlogs = await listBinlogs(session)
  const last = binlogs.findIndex(({ name }) => name === firstKept)
  if (last < 0) return undefined
  const until = Date.parse(await readServerTime(session)) - keepHours * 3_600_000
  const stays = await lastBegunBefore(binlogs.slice(0, last + 1), until, readBeginning)
  if (stays === undefined || stays === binlogs[0]) return undefined
  await session.run(`PURGE BINARY LOGS TO ${quoteText(stays.name)}`, 'purging binlogs that are backed up')
  return stays.name
}

/** A binlog ends when the next one begins: so everything before the last one that was begun by then had ended by then. */
async function lastBegunBefore(
  binlogs: readonly ServerBinlog[],
  until: number,
  readBeginning: ReadBeginning,
): Promise<ServerBinlog | undefined> {
  let [low, high] = [0, binlogs.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const { createdAt } = await readBeginning((binlogs[middle] as ServerBinlog).name)
    // Seconds, floored: the file was begun within that second.
    if (createdAt !== undefined && Date.parse(createdAt) + 1000 <= until) low = middle + 1
    else high = middle
  }
  return binlogs[low - 1]
}
