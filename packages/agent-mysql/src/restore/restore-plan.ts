import { createHash } from 'node:crypto'
import {
  type Backup,
  BackupError,
  type Json,
  type OperationOptions,
  type PlanStep,
  type Problem,
  type RestorePlan,
  type RestorePlanItem,
  type RestoreRequest,
  throwIfAborted,
} from '@backup-planet/core'
import { accountsItem, binlogItem } from '../dump-layout.ts'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'
import { connect, quoteIdentifier } from '../mysql-connection.ts'
import { type LogPlan, planLogs } from './log-replay-plan.ts'
import { compatibilityProblems, nameProblems, targetProblems } from './restore-compatibility.ts'
import { abandonHint, readJournalHead, requestDigested } from './restore-journal.ts'
import { isTableSelected, type MysqlRestoreOptions, parseRestoreOptions } from './restore-options.ts'
import { type RestoreTargetFacts, readTarget, targetFingerprint } from './restore-target.ts'
import { unknownTableProblems } from './table-selection.ts'

/**
 * What a restore to the server of these settings would do, and what stands against it. Changes nothing. When a restore of the same
 * request was cut there, its own plan comes back, so that executing it goes on where it stopped.
 * Throws `INVALID_SETTINGS` for unknown options, `INVALID_INPUT` without a full backup, and what connecting throws.
 */
export async function planMysqlRestore(
  settings: MysqlConnectionSettings,
  request: RestoreRequest,
  options: OperationOptions = {},
): Promise<RestorePlan> {
  throwIfAborted(options.signal, 'planning the restore')
  const restore = parseRestoreOptions(request.target.options)
  const backup = fullBackup(request.backups)
  const logs = request.backups.slice(request.backups.indexOf(backup) + 1)
  const problems: Problem[] = []
  const rename = request.target.rename ?? {}
  const chosen = chooseItems(backup, request, problems, restore)
  const names = chosen.map((item) => item.item)
  problems.push(...unknownTableProblems(backup, names, restore))
  await using connection = await connect(settings, { signal: options.signal })
  const schemas = chosen.filter((item) => item.item !== accountsItem).map((item) => item.to)
  const target = await readTarget(connection, schemas, chosen.length > schemas.length)
  problems.push(
    ...nameProblems(chosen, rename, target.systemSchemas),
    ...compatibilityProblems(backup, target, chosen, restore),
    ...targetProblems(target, chosen, restore),
  )
  const items = chosen.map((item) => planItem(backup, item, target, restore))
  if (!request.target.overwrite) problems.push(...items.flatMap(overwriteProblem))
  const replay =
    logs.length === 0
      ? undefined
      : await planLogs({ ...options, full: backup, logs, request, restore, target, ...replayedItems(backup, chosen) })
  if (replay !== undefined) {
    problems.push(...replay.problems)
    items.push(...logs.map(planLogItem))
  } else if (request.stop !== undefined) problems.push(stopWithoutLogs)
  const plan = withId({
    contract: 'restore-plan/1',
    application: 'mysql',
    backups: [backup.id, ...logs.map((log) => log.id)],
    target: { id: target.server.id, name: placeOf(settings), fingerprint: targetFingerprint(target) },
    items,
    ...bytesOf(items),
    steps: steps(items.slice(0, chosen.length), target, restore, placeOf(settings), replay),
    ...(replay === undefined ? {} : { facts: replay.facts }),
    problems,
    request: {
      rename,
      overwrite: request.target.overwrite,
      options: request.target.options ?? {},
      ...(request.stop === undefined ? {} : { stop: request.stop }),
    },
  })
  const head = await readJournalHead(connection)
  if (head === undefined) return plan
  if (sameWork(head.plan, plan)) return replayedAnotherWay(head.plan, plan, replay)
  const cut: Problem = {
    severity: 'error',
    code: 'CONFLICT',
    message: `another restore (plan ${head.plan.id}) began on this server at ${head.beganAt} and has not ended`,
    hint: abandonHint,
  }
  return { ...plan, problems: [cut, ...problems] }
}

function fullBackup(backups: readonly Backup[]): Backup {
  const backup = backups.findLast((candidate) => candidate.kind === 'full')
  if (backup !== undefined) return backup
  throw new BackupError('there is no full backup to restore from', {
    code: 'INVALID_INPUT',
    hint: 'Choose a full backup, or a later one together with its full.',
  })
}

/** The item of the logs is replayed whatever is chosen, and never stands for a schema of that name which the full does not hold. */
function itemsOfFull(backup: Backup, { items, backups }: RestoreRequest): readonly string[] | undefined {
  const isOfLogs = (item: string) =>
    item === binlogItem && !backup.items.some((one) => one.item === item) && backups.some((one) => one.kind === 'log')
  return items?.filter((item) => !isOfLogs(item))
}

const stopWithoutLogs: Problem = {
  severity: 'error',
  code: 'INVALID_INPUT',
  message: 'a full backup can only be restored as a whole, and not to another moment',
  hint: 'Restore it together with the log backups that follow it, or leave the moment out.',
}

/** Of which items the logs are replayed: of all there are and will be, unless some were left out. */
function replayedItems(backup: Backup, chosen: readonly { readonly item: string }[]) {
  const items = new Set(chosen.map(({ item }) => item))
  const isWhole = backup.items.every(({ item }) => item === accountsItem || items.has(item))
  const schemas = isWhole ? undefined : [...items].filter((item) => item !== accountsItem)
  return { schemas, accounts: items.has(accountsItem) }
}

function planLogItem(log: Backup): RestorePlanItem {
  const bytes = log.items.find(({ item }) => item === binlogItem)?.bytes
  return { item: binlogItem, to: binlogItem, backup: log.id, overwrites: [], ...(bytes === undefined ? {} : { bytes }) }
}

function chooseItems(backup: Backup, request: RestoreRequest, problems: Problem[], restore: MysqlRestoreOptions) {
  const rename = request.target.rename ?? {}
  const wanted = itemsOfFull(backup, request) ?? backup.items.filter((item) => item.failure === undefined).map((item) => item.item)
  const chosen: { item: string; to: string }[] = []
  for (const name of new Set(wanted)) {
    const item = backup.items.find((candidate) => candidate.item === name)
    if (item === undefined || item.failure !== undefined) {
      const reason = item?.failure === undefined ? 'is not in' : 'failed in'
      problems.push({
        severity: 'error',
        code: 'NOT_FOUND',
        item: name,
        message: `${name} ${reason} backup ${backup.id}`,
        hint: 'Choose another backup, or leave this item out.',
      })
    } else if (name !== accountsItem || (restore.users !== 'none' && restore.tables === undefined)) {
      chosen.push({ item: name, to: (Object.hasOwn(rename, name) ? rename[name] : undefined) ?? name })
    }
  }
  return chosen
}

function planItem(
  backup: Backup,
  { item, to }: { item: string; to: string },
  target: RestoreTargetFacts,
  restore: MysqlRestoreOptions,
): RestorePlanItem {
  const bytes = backup.items.find((candidate) => candidate.item === item)?.bytes
  const overwrites = (target.schemas.get(to) ?? [])
    .filter((object) => restore.tables === undefined || (isTable(object.type) && isTableSelected(restore, item, object.name)))
    .map((object) => (restore.tables === undefined ? `${object.type} ${object.name}` : object.name))
  return { item, to, backup: backup.id, overwrites, ...(bytes === undefined ? {} : { bytes }) }
}

function isTable(type: string): boolean {
  return type === 'table' || type === 'view' || type === 'sequence'
}

function overwriteProblem(item: RestorePlanItem): Problem[] {
  if (item.overwrites.length === 0) return []
  const shown = item.overwrites.slice(0, 5).join(', ')
  return [
    {
      severity: 'error',
      code: 'ALREADY_EXISTS',
      item: item.item,
      message: `schema ${item.to} on the target holds ${item.overwrites.length} objects: ${shown}${item.overwrites.length > 5 ? ', …' : ''}`,
      hint: 'Restore under another name with rename, or allow overwriting.',
    },
  ]
}

function bytesOf(items: readonly RestorePlanItem[]): { bytes?: number } {
  if (items.some((item) => item.bytes === undefined && item.item !== accountsItem)) return {}
  return { bytes: items.reduce((sum, item) => sum + (item.bytes ?? 0), 0) }
}

function steps(
  items: readonly RestorePlanItem[],
  target: RestoreTargetFacts,
  restore: MysqlRestoreOptions,
  place: string,
  replay: LogPlan | undefined,
): PlanStep[] {
  const schemas = items.filter((item) => item.item !== accountsItem)
  const accounts = schemas.length < items.length
  const texts: string[] = ['keep a journal of what is done in schema backup_planet_restore, so that a cut restore goes on where it stopped']
  if (restore.relaxedCommits) texts.push('let commits of the whole server survive a crash of the server only, until the end')
  if (accounts) texts.push(`create accounts and roles; existing ones: ${restore.users}`)
  for (const item of schemas) {
    if (item.overwrites.length > 0) {
      const what = restore.tables === undefined ? `schema ${item.to} with everything in it` : `in schema ${item.to}`
      texts.push(`drop ${what}: ${item.overwrites.join(', ')}`)
    }
    const name = item.to === item.item ? `schema ${item.to}` : `schema ${item.item} as ${quoteIdentifier(item.to)}`
    texts.push(`create ${name} with its sequences and tables${restore.deferIndexes ? ', without secondary keys' : ''}`)
  }
  if (schemas.length > 0) {
    const how = target.localInfile ? 'LOAD DATA LOCAL INFILE' : 'INSERT'
    texts.push(`load the rows over ${restore.threads} connections to ${place} by ${how}, each file in a transaction of its own`)
    texts.push(`add ${restore.deferIndexes ? 'secondary keys and ' : ''}foreign keys`)
    texts.push(restore.tables === undefined ? 'create routines, views and triggers' : 'create triggers')
  }
  if (accounts) texts.push('grant to the accounts that were created')
  const events = schemas.length > 0 && restore.tables === undefined
  if (events) texts.push('create events, all disabled')
  if (schemas.length > 0 && restore.verify !== 'none') texts.push('compare rows and checksums with what the backup recorded')
  const gtid = replay === undefined ? 'the backup' : 'the last transaction that was replayed'
  const gtidStep = restore.restoreGtid ? [`set the GTID position to that of ${gtid}`] : []
  const eventStep =
    events && restore.enableEvents
      ? [`enable the events that were enabled${replay === undefined ? ', which may run from then on' : ''}`]
      : []
  if (replay === undefined) texts.push(...gtidStep, ...eventStep)
  else texts.push(...replay.steps.slice(0, 1), ...eventStep, ...replay.steps.slice(1, -1), ...gtidStep, ...replay.steps.slice(-1))
  texts.push('remove the journal')
  return texts.map((text, index) => ({ number: index + 1, text }))
}

function placeOf(settings: MysqlConnectionSettings): string {
  return settings.socketPath ?? `${settings.host}:${settings.port}`
}

function withId(plan: Omit<RestorePlan, 'id'>): RestorePlan {
  return { id: createHash('sha256').update(JSON.stringify(plan)).digest('hex').slice(0, 16), ...plan }
}

/** The same things from the same backup to the same names with the same choices; what lies there has changed meanwhile. */
function sameWork(a: RestorePlan, b: RestorePlan): boolean {
  const work = (plan: RestorePlan) =>
    JSON.stringify([
      plan.backups,
      plan.target.id,
      plan.items.map((item) => [item.item, item.to, item.backup]),
      requestDigested(plan.request),
    ])
  return work(a) === work(b)
}

/** The plan that was begun, with the way of replaying logs that is asked for now. */
function replayedAnotherWay(begun: RestorePlan, now: RestorePlan, replay: LogPlan | undefined): RestorePlan {
  const { facts } = begun
  if (replay === undefined || facts?.replay === undefined) return begun
  const way = { ...(facts.replay as Readonly<Record<string, Json>>), way: replay.way.name }
  const steps = begun.steps.map((step) => (step.text.startsWith('replay ') ? { ...step, text: replay.way.step } : step))
  const problems = [...begun.problems.filter(({ code, item }) => code !== 'NOT_FOUND' || item !== binlogItem), ...replay.way.problems]
  return { ...begun, steps, problems, facts: { ...facts, replay: way }, request: { ...begun.request, options: now.request.options } }
}
