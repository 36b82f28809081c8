import {
  type Backup,
  commandRunner,
  describeBytes,
  type OperationOptions,
  type Problem,
  type RestoreRequest,
  type RestoreStop,
} from '@backup-planet/core'
import { leavesNothingOut, leftOutOf } from '../dump/left-out-facts.ts'
import { binlogItem } from '../dump-layout.ts'
import { grantStatement, missingRights, parseGrants, type RequiredRight } from '../mysql-grants.ts'
import { flavourOf } from '../mysql-server.ts'
import { type LogChain, readLogChain } from './log-chain.ts'
import { replayFacts } from './log-replay-facts.ts'
import { findReplayTools, type ReplayTools } from './log-replay-tools.ts'
import type { ReplayWay } from './log-replay-way.ts'
import type { MysqlRestoreOptions } from './restore-options.ts'
import type { RestoreTargetFacts } from './restore-target.ts'

/** What a plan says of the logs behind a full backup. */
export interface LogPlan {
  readonly steps: readonly string[]
  readonly problems: readonly Problem[]
  readonly facts: ReturnType<typeof replayFacts>
  /** How they are replayed: its step among all, and what stands against it. */
  readonly way: { readonly name: ReplayWay; readonly step: string; readonly problems: readonly Problem[] }
}

export interface LogPlanOptions extends OperationOptions {
  readonly full: Backup
  /** Everything behind the full, oldest first. */
  readonly logs: readonly Backup[]
  readonly request: RestoreRequest
  readonly restore: MysqlRestoreOptions
  readonly target: RestoreTargetFacts
  /** Names of the schemas that are restored, where not all are. */
  readonly schemas: readonly string[] | undefined
  readonly accounts: boolean
}

/** Plans the replay of logs; what they hold is only read when the plan is executed. */
export async function planLogs(options: LogPlanOptions): Promise<LogPlan> {
  const { full, logs, restore, target, schemas, accounts } = options
  const chain = readLogChain(full, logs)
  const flavour = flavourOf(chain.files.at(-1)?.serverVersion ?? full.source.version, undefined) === 'mariadb' ? 'mariadb' : 'mysql'
  const tools = restore.replay === 'statements' ? undefined : await findReplayTools(flavour, commandRunner, options)
  const way = {
    name: tools === undefined ? 'statements' : 'tools',
    step: replayStep({ full, logs, stop: options.request.stop, schemas }, chain, tools),
    problems: toolProblems(restore, tools, flavour),
  } as const
  return {
    way,
    steps: steps(options, way.step),
    problems: [
      ...chain.problems,
      ...kindProblems(logs),
      ...choiceProblems(options),
      ...leftOutProblems(full),
      ...optionProblems(options),
      ...logFormatProblems(logs),
      ...targetProblems(flavour, target),
      ...way.problems,
      ...stopProblems(options.request.stop, chain),
    ],
    facts: replayFacts({ chain, backups: [full, ...logs], flavour, tools, schemas, leftOut: leftOutOf(full.facts), accounts }),
  }
}

function kindProblems(logs: readonly Backup[]): Problem[] {
  const other = logs.find((backup) => backup.kind !== 'log')
  if (other === undefined) return []
  return [
    {
      severity: 'error',
      code: 'UNSUPPORTED',
      message: `backup ${other.id} of kind ${other.kind} cannot be applied to a full backup here`,
      hint: 'Restore a full backup, followed by log backups.',
    },
  ]
}

function choiceProblems({ request, restore, schemas }: LogPlanOptions): Problem[] {
  const problems: Problem[] = []
  const refuse = (message: string, hint: string) =>
    problems.push({ severity: 'error', code: 'UNSUPPORTED', item: binlogItem, message, hint })
  if (Object.entries(request.target.rename ?? {}).some(([from, to]) => from !== to)) {
    refuse(
      'items cannot be renamed when logs are replayed: their statements name schemas as they were',
      'Restore to another server under the same names, or the full backup alone under other ones.',
    )
  }
  if (restore.tables !== undefined) {
    refuse(
      'single tables cannot be restored together with logs',
      'Restore their schemas to another server, and copy the tables from there.',
    )
  }
  if (schemas !== undefined && restore.tables === undefined) {
    problems.push({
      severity: 'warning',
      code: 'UNSUPPORTED',
      item: binlogItem,
      message: `of the logs only changes of ${schemas.join(', ')} are applied`,
      hint: 'All logs are read before anything is changed: a statement of which nobody can tell whether it is about these alone ends the restore then, and is named.',
    })
  }
  return problems
}

function leftOutProblems(full: Backup): Problem[] {
  const leftOut = leftOutOf(full.facts)
  if (leftOut === undefined) {
    return [
      {
        severity: 'warning',
        code: 'UNSUPPORTED',
        item: binlogItem,
        message: `full backup ${full.id} does not say whether it leaves something out: changes of what it does not hold would end the replay`,
        hint: 'Make a new full backup, or restore to another server first to see whether the logs can be replayed.',
      },
    ]
  }
  if (leavesNothingOut(leftOut)) return []
  const { schemas, tables, rows } = leftOut
  const names = [...schemas.map((schema) => `${schema}.*`), ...tables, ...rows]
  const shown = `${names.slice(0, 10).join(', ')}${names.length > 10 ? ', …' : ''}`
  return [
    {
      severity: 'warning',
      code: 'UNSUPPORTED',
      item: binlogItem,
      message: `the full backup leaves something out, and so does the replay of the logs${names.length === 0 ? '' : `: ${shown}`}`,
      hint: 'All logs are read before anything is changed: a statement on both what is left out and what is not ends the restore then, and is named.',
    },
  ]
}

/** Options that count for what is in a full backup alone: the statements of logs are executed as they were. */
function optionProblems({ request, restore }: LogPlanOptions): Problem[] {
  const set = [
    ...(restore.stripDefiner ? ['stripDefiner'] : []),
    ...(Object.keys(restore.definerMap).length > 0 ? ['definerMap'] : []),
    ...(Object.keys(restore.collationMap).length > 0 ? ['collationMap'] : []),
    ...(request.target.options?.externalTables === 'leave out' ? ['externalTables'] : []),
  ]
  if (set.length === 0) return []
  return [
    {
      severity: 'warning',
      code: 'UNSUPPORTED',
      item: binlogItem,
      message: `${set.join(', ')} ${set.length === 1 ? 'counts' : 'count'} for the full backup alone: what logs create is created as it was on the source`,
      hint: 'Look through what was created after the full backup, or restore the full backup alone.',
    },
  ]
}

export function logFormatProblems(logs: readonly Backup[]): Problem[] {
  const formats = [...new Set(logs.map((log) => log.facts.binlogFormat).filter((format) => typeof format === 'string'))]
  const loose = formats.filter((format) => format !== 'ROW')
  if (loose.length === 0) return []
  return [
    {
      severity: 'warning',
      code: 'INCONSISTENT',
      item: binlogItem,
      message: `the source logged with binlog_format ${loose.join(', ')}: statements such as UPDATE … LIMIT may change other rows when they are replayed`,
      hint: 'Compare what matters after the restore, and set binlog_format = ROW on the source.',
    },
  ]
}

function targetProblems(flavour: 'mariadb' | 'mysql', target: RestoreTargetFacts): Problem[] {
  const problems: Problem[] = []
  const isMariadb = target.server.flavour === 'mariadb'
  if (isMariadb !== (flavour === 'mariadb')) {
    problems.push({
      severity: 'error',
      code: 'UNSUPPORTED',
      item: binlogItem,
      message: `logs of ${flavour} cannot be replayed on ${target.server.flavour} ${target.server.version}`,
      hint: 'Restore to a server of the same kind.',
    })
  }
  if (target.replayedTriggers) {
    problems.push({
      severity: 'error',
      code: 'INCONSISTENT',
      item: binlogItem,
      message: 'the target runs triggers for replayed rows (slave_run_triggers_for_rbr), and the log holds what they did already',
      hint: 'Run SET GLOBAL slave_run_triggers_for_rbr = NO on the target, then plan again.',
    })
  }
  const required: RequiredRight[] = [
    {
      privilege: isMariadb ? 'BINLOG REPLAY' : 'BINLOG_ADMIN',
      scope: 'global',
      alternatives: ['SUPER'],
      purpose: 'replay logs',
    },
  ]
  if (target.eventScheduler) {
    required.push({
      privilege: 'SUPER',
      scope: 'global',
      alternatives: ['SYSTEM_VARIABLES_ADMIN'],
      purpose: 'switch the event scheduler off while logs are replayed',
    })
  }
  const missing = missingRights(parseGrants(target.grants), required, []).map(({ right }) => right)
  if (missing.length > 0) {
    problems.push({
      severity: 'error',
      code: 'ACCESS_DENIED',
      item: binlogItem,
      message: `account ${target.account} lacks ${missing.map((right) => right.privilege).join(', ')} on the target, which replaying logs needs`,
      hint: `Run ${grantStatement(missing, target.account)}.`,
    })
  }
  return problems
}

export function toolProblems(
  restore: Pick<MysqlRestoreOptions, 'replay'>,
  tools: ReplayTools | undefined,
  flavour: 'mariadb' | 'mysql',
): Problem[] {
  if (tools !== undefined || restore.replay === 'statements') return []
  const names = flavour === 'mariadb' ? 'mariadb-binlog and mariadb' : 'mysqlbinlog and mysql, those of MySQL,'
  if (restore.replay === 'tools') {
    return [
      {
        severity: 'error',
        code: 'NOT_FOUND',
        item: binlogItem,
        message: `the programs ${names} are not found`,
        hint: 'Install them on this machine, or set the option replay to statements.',
      },
    ]
  }
  return []
}

export function stopProblems(stop: RestoreStop | undefined, chain: LogChain): Problem[] {
  if (stop === undefined || !('before' in stop)) return []
  const mysql8 = chain.files.every(
    (log) => flavourOf(log.serverVersion, undefined) !== 'mariadb' && Number(log.serverVersion.split('.')[0]) >= 8,
  )
  if (mysql8) return []
  return [
    {
      severity: 'warning',
      code: 'UNSUPPORTED',
      item: binlogItem,
      message: `the logs tell whole seconds: the replay ends before the first transaction that was committed at ${stop.before.slice(0, 19)} or later`,
      hint: 'To end between two transactions of one second, name the position or the GTID; so also where a slow DDL statement, or one on tables without transactions, is the one to leave out: it is logged with the time at which it began.',
    },
  ]
}

/** In words: which logs are replayed, how, and from where to where. */
export function replayStep(
  {
    full,
    logs,
    stop,
    schemas,
  }: {
    readonly full: Backup
    readonly logs: readonly Backup[]
    readonly stop: RestoreStop | undefined
    readonly schemas: readonly string[] | undefined
  },
  { files, begin }: LogChain,
  tools: ReplayTools | undefined,
): string {
  const bytes = files.reduce((sum, { bytes: size }) => sum + size, 0)
  const first = files[0]
  const last = files.at(-1)
  const names = first === last ? first?.file : `${first?.file} to ${last?.file}`
  const count = `${logs.length} log ${logs.length === 1 ? 'backup' : 'backups'}`
  if (first === undefined || begin === undefined) return `replay nothing of ${count} behind ${full.id}, which hold no changes`
  const how = tools === undefined ? 'by BINLOG statements' : `with ${tools.binlog} and ${tools.client} (${tools.version})`
  const what = schemas === undefined ? '' : `, changes of ${schemas.join(', ')} alone`
  return `replay ${count} (${names}, ${describeBytes(bytes)}) ${how} from ${begin.file}:${begin.offset} ${until(stop, last?.lastAt)}${what}`
}

function steps({ restore }: LogPlanOptions, replay: string): string[] {
  const texts = ['switch the event scheduler of the target off, if it runs, until the logs are replayed: what events did is in the logs']
  texts.push(replay)
  if (restore.skipGtids.length > 0)
    texts.push(`leave out of the replay ${restore.skipGtids.length === 1 ? 'transaction' : 'transactions'} ${restore.skipGtids.join(', ')}`)
  if (restore.users === 'skip') texts.push('leave accounts that exist already as they are, whatever the logs say of them')
  texts.push('switch the event scheduler on again, where it ran: events may run from then on')
  return texts
}

function until(stop: RestoreStop | undefined, lastAt: string | undefined): string {
  if (stop === undefined) return `to the end${lastAt === undefined ? '' : `, the last transaction being of ${lastAt}`}`
  if ('before' in stop) return `until before the first transaction that was committed at ${stop.before} or later`
  const value = 'position' in stop ? stop.position.value : stop.beforePosition.value
  const place = value.file === undefined ? `transaction ${value.gtid}` : `${value.file}:${value.offset}`
  return 'position' in stop
    ? `until right after ${place}`
    : `until right before the ${value.file === undefined ? place : `transaction that ends at ${place} or contains it`}`
}
