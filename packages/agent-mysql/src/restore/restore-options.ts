import { type Json, parseSettings } from '@backup-planet/core'
import * as z from 'zod'
import { matchesTable, tablePattern } from '../name-patterns.ts'

/** Each names one transaction. */
export const skipGtids = z
  .array(z.string().regex(/^(\d+-\d+-\d+|[0-9a-fA-F-]{36}(:[a-zA-Z_]\w*)?:\d+)$/, 'write one transaction, such as 0-1-1074'))
  .readonly()
  .default([])

const schema = z
  .strictObject({
    /** Tables to restore, as `schema.table` with the names of the backup, `*` and `?`; views, routines and events are then left out. */
    tables: z.array(tablePattern).min(1).readonly().optional(),
    /** Connections that load at once. */
    threads: z.int().min(1).max(64).default(4),
    /**
     * Accounts that exist already: `skip` leaves them as they are, `create` fails when there is one, `replace` drops and creates them;
     * `none` restores no account. The server's own accounts and the one that restores are never replaced.
     */
    users: z.enum(['skip', 'create', 'replace', 'none']).default('skip'),
    /** Leaves DEFINER out, so that the account that restores becomes the definer. */
    stripDefiner: z.boolean().default(false),
    /** Definer as `user@host` → definer to write instead. */
    definerMap: z.record(z.string(), z.string().regex(/^[^@]/, 'write it as user@host')).default({}),
    /**
     * Tables whose definition reaches beyond the data directory of the target: engines that read files or other hosts (CONNECT, FEDERATED, SPIDER,
     * S3 …), CONNECTION, and a UNION over tables of other schemas. `leave out` creates neither them nor their triggers, and says so.
     */
    externalTables: z.enum(['leave out', 'allow']).default('leave out'),
    /** Collation that the target does not know → one that it knows. */
    collationMap: z.record(z.string(), z.string().regex(/^\w+$/)).default({}),
    /** `false`: nothing of the restore goes into the binlog of the target (`sql_log_bin=0`), so replicas do not follow. */
    binlog: z.boolean().default(true),
    /** Sets the GTID position of the target to that of the backup; only for a server that becomes a copy. */
    restoreGtid: z.boolean().default(false),
    /** Whether events that were enabled are enabled again at the end; `false` leaves all of them disabled. */
    enableEvents: z.boolean().default(true),
    /** Builds secondary indexes after the rows, which is faster for InnoDB. */
    deferIndexes: z.boolean().default(true),
    /** While it runs, commits of the whole target server survive a crash of the server but not of the machine. Set back at the end. */
    relaxedCommits: z.boolean().default(false),
    /** What is compared with the backup afterwards: nothing, rows, or the checksum too where the backup recorded one. */
    verify: z.enum(['none', 'rows', 'checksum']).default('checksum'),
    /**
     * How logs are replayed: `tools` by the server's own `mariadb-binlog` or `mysqlbinlog` and client, `statements` by statements of ours; `auto` by the
     * tools where they are found.
     */
    replay: z.enum(['auto', 'tools', 'statements']).default('auto'),
    /** Transactions that are left out when logs are replayed, by their GTIDs: `0-1-1074`, `3e11fa47-71ca-11e1-9e33-c80aa9429562:23`. */
    skipGtids,
    /** Attempts for a chunk that meets a deadlock or a lock timeout. */
    attempts: z.int().min(1).max(100).default(10),
  })
  .readonly()

export type MysqlRestoreOptions = z.output<typeof schema>

/** Throws `INVALID_SETTINGS` that names every unknown or wrong option. */
export function parseRestoreOptions(options: Readonly<Record<string, Json>> | undefined): MysqlRestoreOptions {
  return parseSettings(schema, options ?? {}, 'target.options')
}

/** Whether a table of the backup is to be restored. Everything is, without patterns. */
export function isTableSelected(options: Pick<MysqlRestoreOptions, 'tables'>, schemaName: string, table: string): boolean {
  return options.tables?.some((pattern) => matchesTable(pattern, schemaName, table)) ?? true
}
