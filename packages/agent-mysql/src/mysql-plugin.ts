import type { AgentPlugin } from '@backup-planet/core'
import { createMysqlAgent } from './mysql-agent.ts'
import type { MysqlAgentSettings } from './mysql-agent-settings.ts'

/** What the command line finds in this package. */
export const plugin: AgentPlugin = {
  contract: 'agent-plugin/1',
  application: 'mysql',
  exampleSettings: `# Where the server listens; socketPath: /run/mysqld/mysqld.sock instead for a local one.
host: 127.0.0.1
port: 3306
user: backup
password: \${env:MYSQL_PASSWORD}
# physical copies the files of the whole server with its own tool: for hundreds of gigabytes, on the machine of the server. It takes no choice of schemas, tables, accounts or definers.
# mode: physical
# TLS, verified; ca is the PEM text of the authority when the system does not know it.
# ssl: { ca: "\${file:/etc/mysql/ca.pem}" }
# Readers at once, each with a connection and a thread.
threads: 4
# Text in one data file, and its zstd level; 0 leaves compressing to the repository, which then finds again what has not changed.
chunkBytes: 67108864
compressionLevel: 0
# Schemas and tables (schema.table); * and ? are wild.
# includeSchemas: ["shop", "crm_*"]
excludeSchemas: []
# includeTables: []
excludeTables: []
# Users, roles and grants; the server's own accounts as well?
users: true
systemUsers: false
# Every version of a row of system-versioned tables.
history: true
# Definers of views and programs: left out, or replaced.
stripDefiner: false
definerMap: {}
# auto | stage | ftwrl | lockTables | none
locking: auto
lockTimeoutSeconds: 10
lockAttempts: 6
# Queries that run longer hold off the lock: wait | refuse.
longQueryGuardSeconds: 60
longQueryAction: wait
longQueryWaitSeconds: 600
# auto | detect | instance | mdl
ddlGuard: auto
# Longest wait of a reader behind an ALTER; then the schema fails.
tableWaitSeconds: 10
# Tables without snapshots, such as MyISAM: lock | none | refuse
nonTransactionalTables: lock
binlogRotate: true
# Log backups (run --kind log, follow, or log: in the schedule of the job) restore to any moment. They need log_bin on the server, and binlogs that it keeps until then.
# How they read binlogs: auto | dump | copy
binlogFetch: auto
# Binlogs that are backed up: never, or { keepHours: 72 } to have the server delete older ones.
purgeBinlogs: never
# none | rows | checksum
verify: rows
connectTimeoutSeconds: 10
`,
  create: (settings) => createMysqlAgent(settings as MysqlAgentSettings),
}
