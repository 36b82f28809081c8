import * as z from 'zod'
import { tablePattern } from './name-patterns.ts'
import { modeContradictions, physicalSettingsSchema } from './physical/physical-settings.ts'

/** A schema name with `*` (any text) and `?` (one character); everything else is taken literally. */
const namePattern = z.string().min(1)

const sslSettings = z
  .strictObject({
    /** PEM text of the authorities to trust instead of the system's. */
    ca: z.string().min(1).optional(),
    /** PEM text of the client certificate, for servers that want one. */
    cert: z.string().min(1).optional(),
    /** PEM text of the client's private key. */
    key: z.string().min(1).optional(),
    passphrase: z.string().optional(),
    /** `false` accepts any certificate: traffic is then readable to whoever stands in between. */
    rejectUnauthorized: z.boolean().default(true),
    /** Whether the certificate must name the host; only with `rejectUnauthorized`. */
    verifyIdentity: z.boolean().default(true),
    minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2'),
  })
  .readonly()

/** Everything an operator can set for the MySQL agent. Unknown keys are refused. */
export const mysqlAgentSettingsSchema = z
  .strictObject({
    host: z.string().min(1).default('127.0.0.1'),
    port: z.int().min(1).max(65_535).default(3306),
    /** Unix socket; `host` and `port` are ignored when it is given. */
    socketPath: z.string().min(1).optional(),
    user: z.string().min(1),
    /** Left out for accounts that the operating system authenticates (`unix_socket`, `auth_socket`). */
    password: z.string().optional(),
    /**
     * TLS; plain TCP without it. An empty object is TLS, verified against the system's authorities. `false` is plain TCP that is meant: leaving `ssl`
     * out is warned of when the host is another machine.
     */
    ssl: z.union([z.literal(false), sslSettings]).optional(),
    connectTimeoutSeconds: z.number().positive().max(3600).default(10),

    /**
     * `logical` reads schemas and accounts over connections, from any machine, and restores any of them to any server. `physical` copies the files of
     * the whole server on its own machine, with mariadb-backup or xtrabackup, and restores into an empty data directory of the same version.
     */
    mode: z.enum(['logical', 'physical']).default('logical'),
    /** Only for `mode: physical`. */
    physical: physicalSettingsSchema.optional(),

    /** Connections that read at once, each with its own thread and the same snapshot. */
    threads: z.int().min(1).max(64).default(4),
    /** Upper bound of the text of one data file, before compression; one single row may exceed it. */
    chunkBytes: z.int().min(4096).max(4_294_967_296).default(67_108_864),
    /**
     * zstd level of the data files; 0 leaves them as text, for a repository that finds again what it has already and compresses itself:
     * one changed row changes everything behind it in a compressed file.
     */
    compressionLevel: z.int().min(0).max(19).default(1),

    /** Schemas to capture; every schema that is not the server's own when left out. */
    includeSchemas: z.array(namePattern).readonly().optional(),
    excludeSchemas: z.array(namePattern).readonly().default([]),
    /** Tables to capture, as `schema.table`; all when left out. Other objects of the schema are always captured. */
    includeTables: z.array(tablePattern).readonly().optional(),
    excludeTables: z.array(tablePattern).readonly().default([]),
    /** Users, roles and grants, as the item `mysql`. */
    users: z.boolean().default(true),
    /** Whether the server's own accounts, such as `root@localhost`, are captured as well. */
    systemUsers: z.boolean().default(false),
    /** MariaDB system-versioned tables: every version of a row, not only the present one. */
    history: z.boolean().default(true),
    /** Leaves DEFINER clauses out of views, routines, triggers and events, so that whoever restores becomes the definer. */
    stripDefiner: z.boolean().default(false),
    /** Definer as `user@host` → definer to write instead, as `user@host`. */
    definerMap: z.record(z.string(), z.string()).default({}),

    /** How commits are held for the moment in which the snapshots begin. `auto` takes the mildest lock that the server and the rights allow. */
    locking: z.enum(['auto', 'stage', 'ftwrl', 'lockTables', 'none']).default('auto'),
    /** Longest wait for one attempt to take the lock, and longest time it is held. While it waits, other sessions may queue behind it. */
    lockTimeoutSeconds: z.int().min(1).max(3600).default(10),
    /**
     * The server ends a session that holds locks, and with it the run, when it has heard nothing from it for so long: this machine was paused or
     * lost its power, or the network is cut. While it lives it is heard of three times as often.
     */
    lockIdleSeconds: z.int().min(3).max(3600).default(30),
    /** Attempts before the run fails with `TIMED_OUT`. */
    lockAttempts: z.int().min(1).max(1000).default(6),
    /** A query that runs longer than this holds off the lock: locking behind it would stall the whole server. 0 looks for none. */
    longQueryGuardSeconds: z.int().min(0).max(86_400).default(60),
    /** What to do about such a query. Waiting is bounded by `longQueryWaitSeconds`. */
    longQueryAction: z.enum(['wait', 'refuse']).default('wait'),
    longQueryWaitSeconds: z.int().min(1).max(86_400).default(600),
    /**
     * How a change of structure during the copy is met. Whatever is chosen, one that got through is detected and fails its item.
     * `detect` lets it happen; `instance` keeps it out with LOCK INSTANCE FOR BACKUP (MySQL 8); `mdl` makes ALTER, and every
     * query behind it, wait until the copy ends; `auto` is `instance` where the server has it and `detect` elsewhere.
     */
    ddlGuard: z.enum(['auto', 'detect', 'instance', 'mdl']).default('auto'),
    /**
     * Longest wait of a reader for a table that an ALTER, or another statement that changes structure, holds or waits for. Then the schema
     * fails: the reader may be behind an ALTER that itself waits for another reader.
     */
    tableWaitSeconds: z.int().min(1).max(86_400).default(10),
    /**
     * Tables whose engine has no snapshots (MyISAM, Aria, MEMORY …): `lock` keeps them readable and unwritable until they
     * are copied, first of all; `none` copies them as they are at that moment; `refuse` fails the run.
     */
    nonTransactionalTables: z.enum(['lock', 'none', 'refuse']).default('lock'),
    /** Begins a new binlog file at the moment of the snapshot, so that a later log backup begins at the start of a file. */
    binlogRotate: z.boolean().default(true),

    /**
     * How a log backup reads binlogs: `dump` from the server, as a replica does, which decrypts them; `copy` as files, which takes this machine to be the
     * server's and the right to read them. `auto` copies where the files can be read here and prove to be the server's own, and dumps elsewhere.
     */
    binlogFetch: z.enum(['auto', 'dump', 'copy']).default('auto'),
    /**
     * Whether a log backup that is committed has the server delete binlogs: those before and in it which ended more than `keepHours` ago. The server
     * keeps what a connected replica still reads; of one that is not connected it knows nothing.
     */
    purgeBinlogs: z.union([z.literal('never'), z.strictObject({ keepHours: z.int().min(0).max(87_600) }).readonly()]).default('never'),

    /** What the server counts in the same snapshot and restore compares: nothing, rows, or an order-free checksum (a second scan). */
    verify: z.enum(['none', 'rows', 'checksum']).default('rows'),
  })
  .superRefine((settings, context) => {
    for (const { setting, message } of modeContradictions(settings)) context.addIssue({ code: 'custom', path: [setting], message })
  })
  .readonly()

/** What an integrator writes. */
export type MysqlAgentSettings = z.input<typeof mysqlAgentSettingsSchema>

/** Settings with every default filled in. */
export type ResolvedMysqlAgentSettings = z.output<typeof mysqlAgentSettingsSchema>

/** What is needed to connect; a part of the settings. */
export type MysqlConnectionSettings = Pick<
  ResolvedMysqlAgentSettings,
  'host' | 'port' | 'socketPath' | 'user' | 'password' | 'ssl' | 'connectTimeoutSeconds'
>
