import { type Backup, findGaps, type ListedRepository, orderOf, type Problem, planChain, type SignedEvidence } from '@backup-planet/core'
import { sizeOf } from '../commands/list-command.ts'
import type { JobEvidence } from '../drilling/job-evidence.ts'
import type { PlanningAgent } from '../restoring/restore-goal-options.ts'
import { restorableItems } from './item-windows.ts'
import type { BackupReport, DrillSummary, JobReport } from './report-data.ts'
import { problemsOf } from './report-problems.ts'

export interface JobSources {
  readonly job: string
  readonly repositories: readonly string[]
  readonly listed: readonly ListedRepository[]
  readonly agent: PlanningAgent
  readonly evidence: readonly JobEvidence[]
  /** Why something could not be read. */
  readonly unread: readonly Problem[]
}

export function jobReport({ job, repositories, listed, agent, evidence, unread }: JobSources): JobReport {
  const history = { listings: listed.map(({ name, backups }) => ({ repository: name, backups })), order: orderOf(agent) }
  const { groups, leftOut } = restorableItems(history)
  const latest = planChain(history, { latest: true })
  const id = latest.possible ? latest.backups.at(-1)?.id : undefined
  const backups = backupsOf(listed)
  const last = backups.find((backup) => backup.id === id)
  const facts = { gaps: findGaps(history), backups, drills: drillsOf(evidence) }
  return {
    job,
    application: agent.application,
    repositories,
    pointInTime: agent.supports.pointInTime,
    ...(last === undefined ? {} : { restorableUntil: { at: last.consistentAt, backup: last.id } }),
    restorable: groups,
    itemsLeftOut: leftOut,
    ...facts,
    problems: problemsOf({ job, restorable: groups.some(({ windows }) => windows.length > 0), unread, ...facts }),
  }
}

/** One row a backup, whoever holds it. */
function backupsOf(listed: readonly ListedRepository[]): readonly BackupReport[] {
  const found = new Map<string, BackupReport & { readonly repositories: string[] }>()
  for (const { name, repository, backups } of listed) {
    for (const backup of backups) {
      const known = found.get(backup.id)
      if (known === undefined) found.set(backup.id, { ...backupReport(backup, repository.storedBytes?.(backup)), repositories: [name] })
      else known.repositories.push(name)
    }
  }
  return [...found.values()].sort((a, b) => compare(b.consistentAt, a.consistentAt) || compare(b.id, a.id))
}

function backupReport(backup: Backup, storedBytes: number | undefined): Omit<BackupReport, 'repositories'> {
  const { id, kind, status, limitedTo, beganAt, endedAt, consistentAt, items } = backup
  return {
    id,
    kind,
    status,
    ...(limitedTo === undefined ? {} : { limitedTo }),
    beganAt,
    consistentAt,
    seconds: Math.max(0, (Date.parse(endedAt) - Date.parse(beganAt)) / 1000),
    items: items.length,
    failed: items.flatMap(({ item, failure }) => (failure === undefined ? [] : [{ item, ...failure }])),
    bytes: sizeOf(backup),
    ...(storedBytes === undefined ? {} : { storedBytes }),
  }
}

/** A record that lies in several repositories is one drill; where one of its copies is refused, it is. */
function drillsOf(evidence: readonly JobEvidence[]): readonly DrillSummary[] {
  const found = new Map<string, DrillSummary>()
  for (const record of evidence) {
    const { id } = record.evidence
    const verdict = record.verified === undefined ? 'unchecked' : record.verified ? 'verified' : 'refused'
    const { repositories = [], signature = verdict } = found.get(id) ?? {}
    const worse = verdict === 'refused' ? verdict : signature
    found.set(id, { ...drillSummary(record), signature: worse, repositories: [...repositories, ...record.repositories] })
  }
  return [...found.values()].sort((a, b) => compare(b.beganAt, a.beganAt) || compare(b.id, a.id))
}

function drillSummary({ evidence, signature }: SignedEvidence): Omit<DrillSummary, 'repositories' | 'signature'> {
  const { id, beganAt, seconds, outcome, restorePoint, items, engineChecks, bytes, failure } = evidence
  const checks = [...items.flatMap((item) => item.checks), ...engineChecks]
  const passed = checks.filter((check) => check.passed).length
  return {
    id,
    beganAt,
    seconds,
    outcome,
    keyId: signature.keyId,
    ...(restorePoint === undefined ? {} : { restoredTo: restorePoint.at, backup: restorePoint.backup }),
    items: items.length,
    checks: { passed, failed: checks.length - passed },
    bytes,
    ...(failure === undefined ? {} : { failure }),
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
