import type { OperationOptions, RestoredFiles } from '@backup-planet/core'
import { GtidProgress } from '../binlog/gtid-progress.ts'
import { parseGtidSet, printGtidSet, unionOfGtidSets } from '../binlog/gtid-set.ts'
import { parseMariadbGtid } from '../binlog/mariadb-gtid.ts'
import type { ReplayFacts } from './log-replay-facts.ts'
import { incomingLogs, type ReplayPlace, scanLog } from './log-replay-sources.ts'

/**
 * The GTID position of the source where a replay has ended: what is executed there, transactions that were skipped among it. Empty where the logs have no
 * GTIDs. Reads the last log once more.
 */
export async function gtidAtEnd(
  files: RestoredFiles,
  facts: ReplayFacts,
  end: ReplayPlace | undefined,
  options: OperationOptions,
): Promise<string> {
  const { logs, flavour } = facts
  const number = end === undefined ? logs.length - 1 : end.log
  const log = logs[number]
  if (log === undefined) return facts.gtid ?? ''
  if (end === undefined) return log.gtidAfter ?? ''
  const progress = new GtidProgress(log.gtidBefore, flavour)
  let mysql = flavour === 'mysql' ? parseGtidSet(log.gtidBefore ?? '') : undefined
  for await (const file of incomingLogs({ files, logs, begin: { log: number, offset: 0 }, end, ...options })) {
    try {
      await scanLog(file, log, options, ({ to, gtid }) => {
        if (to > end.offset || gtid === undefined) return
        const one = flavour === 'mariadb' ? parseMariadbGtid(gtid) : undefined
        if (one !== undefined) progress.addMariadb(one)
        const set = mysql === undefined ? undefined : parseGtidSet(gtid)
        if (mysql !== undefined && set !== undefined) mysql = unionOfGtidSets(mysql, set)
      })
    } finally {
      await file.release()
    }
  }
  return mysql === undefined ? (progress.after ?? '') : printGtidSet(mysql)
}
