import { expect, it } from 'vitest'
import { requiredLogRights } from '../mysql-rights.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { binlogExpirySeconds, binlogSettingProblems } from './log-checks.ts'

function server(variables: Readonly<Record<string, string>> = {}, more: Partial<ServerFacts> = {}): ServerFacts {
  return {
    flavour: 'mysql',
    version: '8.4.3',
    versionNumbers: [8, 4, 3],
    id: 'id',
    serverId: '1',
    hostname: 'db1',
    port: '3306',
    variables: { binlog_row_image: 'FULL', binlog_expire_logs_seconds: '2592000', ...variables },
    logBin: true,
    binlogFormat: 'ROW',
    gtidMode: 'mysql',
    lowerCaseTableNames: 0,
    maxAllowedPacket: 0,
    supports: { backupStage: false, lockInstance: true, roles: true, binlogSnapshotStatus: false },
    ...more,
  }
}

const found = (facts: ServerFacts, binlogFetch: 'auto' | 'copy' = 'auto') =>
  binlogSettingProblems({ binlogFetch }, facts).map(({ severity, message }) => `${severity}: ${message}`)

it('finds nothing in a server that is set up for it', () => {
  expect(found(server())).toEqual([])
  expect(found(server({ expire_logs_days: '0', binlog_expire_logs_seconds: '0' }, { flavour: 'mariadb' }))).toEqual([])
})

it.each([
  [server({}, { logBin: false }), 'warning: the server writes no binlog'],
  [server({}, { serverId: '0' }), 'error: server_id is 0'],
  [server({}, { binlogFormat: 'MIXED' }), 'warning: binlog_format is MIXED'],
  [server({ binlog_row_image: 'MINIMAL' }), 'warning: binlog_row_image is MINIMAL'],
  [server({ binlog_expire_logs_seconds: '7200' }), 'warning: the server deletes binlogs after 2 hours'],
  [server({ binlog_expire_logs_seconds: '0', expire_logs_days: '1' }), 'warning: the server deletes binlogs after 1 day:'],
  [server({ max_binlog_total_size: '1000000' }), 'warning: the server deletes binlogs beyond 1000000 bytes'],
  [server({ binlog_encryption: 'ON' }), 'warning: binlogs are encrypted on the server (binlog_encryption)'],
  [server({ encrypt_binlog: '1' }), 'warning: binlogs are encrypted on the server (encrypt_binlog)'],
])('says what stands against it: %#', (facts, message) => {
  expect(found(facts)).toEqual([expect.stringContaining(message)])
})

it('refuses to copy encrypted files', () => {
  expect(found(server({ binlog_encryption: 'ON' }), 'copy')).toEqual([expect.stringContaining('error: binlogs are encrypted')])
})

it('knows for how long binlogs are kept', () => {
  expect(binlogExpirySeconds(server({ binlog_expire_logs_seconds: '86400', expire_logs_days: '3' }))).toBe(86_400)
  expect(binlogExpirySeconds(server({ binlog_expire_logs_seconds: '0' }))).toBeUndefined()
})

it.each([
  [server(), 'never', ['REPLICATION CLIENT', 'REPLICATION SLAVE', 'RELOAD']],
  [server({}, { flavour: 'mariadb', versionNumbers: [10, 11, 6] }), 'never', ['BINLOG MONITOR', 'REPLICATION SLAVE', 'RELOAD']],
  [server({}, { flavour: 'mariadb', versionNumbers: [10, 4, 30] }), 'never', ['REPLICATION CLIENT', 'REPLICATION SLAVE', 'RELOAD']],
  [server(), { keepHours: 1 }, ['REPLICATION CLIENT', 'REPLICATION SLAVE', 'RELOAD', 'BINLOG_ADMIN']],
  [server({}, { versionNumbers: [5, 7, 44] }), { keepHours: 1 }, ['REPLICATION CLIENT', 'REPLICATION SLAVE', 'RELOAD', 'SUPER']],
  [
    server({}, { flavour: 'mariadb', versionNumbers: [11, 4, 2] }),
    { keepHours: 1 },
    ['BINLOG MONITOR', 'REPLICATION SLAVE', 'RELOAD', 'BINLOG ADMIN'],
  ],
  [server({}, { logBin: false }), 'never', []],
] as const)('needs the least rights of this server: %#', (facts, purgeBinlogs, expected) => {
  expect(requiredLogRights({ purgeBinlogs }, facts).map(({ privilege }) => privilege)).toEqual(expected)
})
