import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import type { ServerFacts } from '../mysql-server.ts'
import type { LockMethod } from './snapshot-lock.ts'

/** The steps of a capture in words: the plan promises them, and the run tells each as it begins. */
export const captureSteps = {
  connect: ({ threads }: Pick<ResolvedMysqlAgentSettings, 'threads'>): string =>
    threads === 1 ? 'connect 1 reader, in a thread of its own' : `connect ${threads} readers, each in a thread of its own`,
  instanceLock: 'take LOCK INSTANCE FOR BACKUP, which keeps structure from changing until the copy ends',
  touch: 'touch every table, so that ALTER waits until the copy ends',
  lock: (method: LockMethod, settings: Pick<ResolvedMysqlAgentSettings, 'lockAttempts' | 'lockTimeoutSeconds'>): string => {
    const { lockAttempts: attempts, lockTimeoutSeconds: seconds } = settings
    const limit = `trying at most ${attempts === 1 ? 'once' : `${attempts} times`} for ${seconds} s`
    if (method === 'stage') return `take BACKUP STAGE up to BLOCK_COMMIT, held for less than a second, ${limit}`
    if (method === 'ftwrl') return `take FLUSH TABLES WITH READ LOCK, held for less than a second, ${limit}`
    if (method === 'lockTables') return `take LOCK TABLES … READ on every table, held for less than a second, ${limit}`
    return 'take no lock, and begin again when the snapshots turn out to be of different moments'
  },
  begin: (server: Pick<ServerFacts, 'logBin'>): string =>
    `${server.logBin ? 'read the binlog position and ' : ''}begin the snapshot of every reader`,
  release: 'release the lock: the application writes again',
  compareDefinitions: 'read the definitions once more, and begin again when they have changed meanwhile',
  copyLoose: (settings: Pick<ResolvedMysqlAgentSettings, 'nonTransactionalTables'>, count: number): string => {
    const tables = `${count === 1 ? 'the table' : `the ${count} tables`} without snapshots`
    return settings.nonTransactionalTables === 'lock'
      ? `lock ${tables} for reading, copy ${count === 1 ? 'it' : 'them'} first and unlock`
      : `copy ${tables} as they are when they are read`
  },
  copyRows: (tables: number, chunkText: string): string =>
    `copy the rows of ${tables} ${tables === 1 ? 'table' : 'tables'} in files of up to ${chunkText} of text, the biggest first`,
  accounts: 'copy users, roles and grants',
} as const
