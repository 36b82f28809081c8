import { BackupError, type Source } from '@backup-planet/core'
import type { SelectedSource } from './begin-capture.ts'
import { binlogExpirySeconds, binlogSettingProblems } from './log/log-checks.ts'
import { listBinlogs, type ServerBinlog } from './log/server-binlogs.ts'
import { sourceItems } from './mysql-capture-plan.ts'
import type { MysqlSession } from './mysql-connection.ts'
import type { ServerFacts } from './mysql-server.ts'

/** The server as an operator sees it, with what its settings mean for a restore to any moment. */
export async function describeSource(session: MysqlSession, { server, name, inventory }: SelectedSource): Promise<Source> {
  return { id: server.id, name, version: server.version, items: sourceItems(inventory), facts: await sourceFacts(session, server) }
}

/** What is said of a server whatever its items are. */
export async function sourceFacts(session: MysqlSession, server: ServerFacts): Promise<Source['facts']> {
  const binlogs = server.logBin ? await listBinlogs(session).catch(unknownWithoutRights) : []
  const expiry = binlogExpirySeconds(server)
  const needs = binlogSettingProblems({ binlogFetch: 'auto' }, server)
  return {
    flavour: server.flavour,
    hostname: server.hostname,
    binlog: server.logBin,
    binlogFormat: server.binlogFormat ?? null,
    gtid: server.gtidMode,
    ...(server.logBin ? { binlogRowImage: server.variables.binlog_row_image ?? null } : {}),
    ...(binlogs === undefined || !server.logBin ? {} : binlogTotals(binlogs)),
    ...(server.logBin ? { binlogKeptSeconds: expiry ?? 'until they are purged' } : {}),
    pointInTime: needs.length === 0 ? 'possible' : needs.map(({ message, hint }) => `${message}. ${hint}`),
  }
}

function binlogTotals(binlogs: readonly ServerBinlog[]): Readonly<Record<string, number | string>> {
  return {
    binlogFiles: binlogs.length,
    binlogBytes: binlogs.reduce((sum, { bytes }) => sum + bytes, 0),
    ...(binlogs[0] === undefined ? {} : { binlogOldest: binlogs[0].name }),
  }
}

function unknownWithoutRights(error: unknown): undefined {
  if (BackupError.is(error) && error.code === 'ACCESS_DENIED') return undefined
  throw error
}
