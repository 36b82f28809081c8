import type { Problem } from '@backup-planet/core'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import { checkRights, requiredLogRights } from '../mysql-rights.ts'
import { readBinlogStatus, type ServerFacts } from '../mysql-server.ts'
import { binlogFilters } from './server-binlogs.ts'

/** A binlog that the server deletes before somebody has looked after a backup that failed over a long weekend is a gap. */
const advisedDays = 4

/** Everything that would make a log backup fail, or a restore from it come out wrong; missing rights first. Changes nothing. */
export async function checkLogCapture(
  session: MysqlSession,
  settings: ResolvedMysqlAgentSettings,
  server: ServerFacts,
): Promise<readonly Problem[]> {
  return [
    ...(await checkRights(session, requiredLogRights(settings, server), [])),
    ...binlogSettingProblems(settings, server),
    ...(server.logBin ? [...(await checkFilters(session, server)), ...(await checkReplica(session, server))] : []),
  ]
}

/** What the settings of the server mean for a restore to any moment; pure. */
export function binlogSettingProblems(settings: Pick<ResolvedMysqlAgentSettings, 'binlogFetch'>, server: ServerFacts): readonly Problem[] {
  if (!server.logBin) {
    const hint = 'Set log_bin and server_id in the configuration of the server, and restart it.'
    return [
      warning('UNSUPPORTED', 'the server writes no binlog: there is nothing that a log backup could hold, and every run is a full', hint),
    ]
  }
  const { variables } = server
  const problems: Problem[] = []
  if (server.serverId === '0') {
    const hint = 'Run SET GLOBAL server_id = 1 (another number on every server), and set it in the configuration of the server.'
    problems.push({ severity: 'error', code: 'UNSUPPORTED', message: 'server_id is 0: the server sends its binlogs to nobody', hint })
  }
  if (server.binlogFormat !== undefined && server.binlogFormat !== 'ROW') {
    const message = `binlog_format is ${server.binlogFormat}: replaying it can give other rows than there were`
    problems.push(warning('INCONSISTENT', message, 'Run SET GLOBAL binlog_format = ROW, and set it in the configuration of the server.'))
  }
  const image = variables.binlog_row_image
  if (image !== undefined && !/^FULL/i.test(image)) {
    const message = `binlog_row_image is ${image}: rows of tables without a primary key may not be found again in a replay`
    problems.push(
      warning('INCONSISTENT', message, 'Run SET GLOBAL binlog_row_image = FULL, and set it in the configuration of the server.'),
    )
  }
  const seconds = binlogExpirySeconds(server)
  if (seconds !== undefined && seconds < advisedDays * 86_400) {
    const message = `the server deletes binlogs after ${describeSeconds(seconds)}: when no log backup succeeds for so long, the next one is a full and what is between cannot be restored`
    problems.push(warning('INCONSISTENT', message, `Keep them for ${advisedDays} days and more, with ${expiryStatement(server)}.`))
  }
  const total = Number(variables.max_binlog_total_size ?? 0)
  if (total > 0) {
    const message = `the server deletes binlogs beyond ${total} bytes in all (max_binlog_total_size), backed up or not`
    problems.push(warning('INCONSISTENT', message, 'See that log backups run far more often than so much is written.'))
  }
  const encryption = encryptionVariable(server)
  if (encryption !== undefined) {
    const message = `binlogs are encrypted on the server (${encryption}), which decrypts them for a log backup`
    problems.push(
      settings.binlogFetch === 'copy'
        ? {
            severity: 'error',
            code: 'UNSUPPORTED',
            message: `${message}; files cannot be copied`,
            hint: 'Set binlogFetch to auto or dump.',
          }
        : warning(
            'UNSUPPORTED',
            message,
            'Keep the backups in a repository that encrypts, and use TLS unless the server is on this machine.',
          ),
    )
  }
  return problems
}

/** After how long the server deletes a binlog; `undefined` where it does not. Source: MySQL and MariaDB "Binary Log System Variables". */
export function binlogExpirySeconds({ variables }: ServerFacts): number | undefined {
  const seconds = Number(variables.binlog_expire_logs_seconds ?? 0) || Number(variables.expire_logs_days ?? 0) * 86_400
  return seconds > 0 ? seconds : undefined
}

/** The setting that encrypts binlogs, where it is on: MySQL `binlog_encryption`, MariaDB `encrypt_binlog`. */
function encryptionVariable({ variables }: ServerFacts): string | undefined {
  return ['binlog_encryption', 'encrypt_binlog'].find((name) => /^(ON|1)$/i.test(variables[name] ?? ''))
}

function expiryStatement({ variables }: ServerFacts): string {
  return variables.binlog_expire_logs_seconds === undefined
    ? `SET GLOBAL expire_logs_days = ${advisedDays}`
    : `SET GLOBAL binlog_expire_logs_seconds = ${advisedDays * 86_400}`
}

async function checkFilters(session: MysqlSession, server: ServerFacts): Promise<Problem[]> {
  const filters = binlogFilters(await readBinlogStatus(session, server).catch(deniedIsUnknown))
  return filters.map(({ option, schemas }) =>
    warning(
      'INCONSISTENT',
      `${option} is ${schemas}: what the server leaves out of its binlogs comes back only as of the last full backup`,
      `Remove ${option} from the configuration of the server, or make a job of its own for what is in the binlogs.`,
    ),
  )
}

/** A replica that does not write what it gets from its source into a binlog of its own has next to nothing to back up. */
async function checkReplica(session: MysqlSession, { flavour, variables }: ServerFacts): Promise<Problem[]> {
  const name = variables.log_replica_updates === undefined ? 'log_slave_updates' : 'log_replica_updates'
  if (!/^(OFF|0)$/i.test(variables[name] ?? '')) return []
  const statements = flavour === 'mariadb' ? ['SHOW ALL SLAVES STATUS'] : ['SHOW REPLICA STATUS', 'SHOW SLAVE STATUS']
  for (const sql of statements) {
    const rows = await session.rows(sql, 'asking whether it is a replica').catch(refusedIsUnknown)
    if (rows === 'not a statement') continue
    if (rows === 'denied' || rows.length === 0) return []
    const message = `the server is a replica and ${name} is off: changes that come from its source are not in its binlogs`
    return [
      { severity: 'error', code: 'INCONSISTENT', message, hint: `Set ${name} in its configuration and restart it, or back up the source.` },
    ]
  }
  return []
}

/** Another version has other words for it; who is denied these is denied those. */
function refusedIsUnknown(error: unknown): 'denied' | 'not a statement' {
  return errorNumber(error) === 1064 ? 'not a statement' : (deniedIsUnknown(error) ?? 'denied')
}

/** Rights that are missing are said by the check of rights; a syntax error is that of another version. */
function deniedIsUnknown(error: unknown): undefined {
  const number = errorNumber(error)
  if (number !== undefined && [1044, 1064, 1142, 1227].includes(number)) return undefined
  throw error
}

function describeSeconds(seconds: number): string {
  const [amount, unit] =
    seconds % 86_400 === 0 ? [seconds / 86_400, 'day'] : seconds % 3600 === 0 ? [seconds / 3600, 'hour'] : [seconds, 'second']
  return `${amount} ${unit}${amount === 1 ? '' : 's'}`
}

function warning(code: Problem['code'], message: string, hint: string): Problem {
  return { severity: 'warning', code, message, hint }
}
