import { describeBytes, type Position } from '@backup-planet/core'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import type { ServerBinlog } from './server-binlogs.ts'

/** The steps of a log backup in words: the plan promises them, and the run tells each as it begins. */
export const logSteps = {
  compare: (follows: string, { value: { file = '', offset = '' } }: Position): string =>
    `compare the beginning of the binlog ${file} with what backup ${follows} recorded, which ends at ${file}:${offset}`,
  flush: 'begin a new binlog file, so that the newest changes are in a complete one',
  nothing: 'copy nothing: nothing was written since, and the backup only says that it lasted until now',
  copy: (binlogs: readonly ServerBinlog[], fetch: ResolvedMysqlAgentSettings['binlogFetch']): string => {
    const [first, last] = [binlogs[0]?.name ?? '', binlogs.at(-1)?.name ?? '']
    const bytes = describeBytes(binlogs.reduce((sum, binlog) => sum + binlog.bytes, 0))
    const which = binlogs.length === 1 ? `binlog ${first}` : `${binlogs.length} binlogs, ${first} to ${last}`
    return `copy ${which}, ${bytes}, ${fetchedBy[fetch]}, and check every event of them on the way`
  },
  continuity: 'refuse them all when one is damaged, missing, or does not continue the one before it by its GTIDs',
  purge: (hours: number): string =>
    `once the backup is committed, have the server delete binlogs that are backed up and ended more than ${hours} h ago, unless a connected replica reads them`,
} as const

const fetchedBy = {
  auto: 'as files where they can be read here, else through the connection as a replica reads them',
  dump: 'through the connection as a replica reads them',
  copy: 'as files of this machine',
} as const
