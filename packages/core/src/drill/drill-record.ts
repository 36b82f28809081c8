import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import packageFacts from '../../package.json' with { type: 'json' }
import type { Backup, EngineCheck, RestorePlan, RestoreReport, Scratch } from '../contracts/index.ts'
import { canonicalJson } from '../manifest/canonical-json.ts'
import type { ChosenBackup } from '../pipeline/chosen-chain.ts'
import type { DrillEvidence, DrillFailure, DrillGoal, DrillOutcome, DrillProblem } from './drill-evidence.ts'

/** What a drill has found so far. */
export interface DrillFindings {
  /** As they were chosen. */
  chosen: readonly ChosenBackup[]
  scratch?: Pick<Scratch, 'name' | 'version'>
  plan?: RestorePlan
  /** Whether the restore was begun. */
  restoring: boolean
  report?: RestoreReport
  engineChecks: readonly EngineCheck[]
  readonly problems: DrillProblem[]
}

export interface DrillFacts {
  readonly id: string
  readonly job: string
  readonly application: string
  readonly agentVersion: string
  readonly beganAt: Date
  readonly endedAt: Date
  readonly seconds: number
  readonly bytes: number
  readonly goal: DrillGoal
  readonly outcome: DrillOutcome
  readonly failure?: DrillFailure | undefined
}

/** The record of a drill, not yet signed. */
export function evidenceOf(facts: DrillFacts, findings: DrillFindings): DrillEvidence {
  const { id, job, application, goal, bytes, outcome, failure } = facts
  const { chosen, scratch, plan, report, engineChecks } = findings
  const source = chosen.at(-1)?.backup.source
  return {
    format: 'backup-planet/drill-evidence/1',
    id,
    job,
    application,
    host: hostname(),
    beganAt: facts.beganAt.toISOString(),
    endedAt: facts.endedAt.toISOString(),
    seconds: Math.round(facts.seconds * 1000) / 1000,
    goal,
    ...restorePointOf(findings),
    ...(source === undefined ? {} : { source: { id: source.id, name: source.name, version: source.version } }),
    chain: chosen.map((one) => drilledBackup(one, plan)),
    bytes,
    ...(scratch === undefined ? {} : { scratch: { name: scratch.name, version: scratch.version } }),
    items: (report?.items ?? []).map(({ item, to, checks, failure: ofItem }) => ({
      item,
      to,
      checks,
      ...(ofItem === undefined ? {} : { failure: ofItem }),
    })),
    engineChecks,
    problems: distinct(findings.problems),
    outcome,
    ...(failure === undefined ? {} : { failure }),
    versions: { software: packageFacts.version, agent: facts.agentVersion, node: process.versions.node },
  }
}

function restorePointOf({ chosen, plan }: DrillFindings): Pick<DrillEvidence, 'restorePoint'> {
  const last = chosen.at(-1)?.backup
  if (last === undefined || plan === undefined) return {}
  const { stop } = plan.request
  const at = stop !== undefined && 'before' in stop ? stop.before : last.consistentAt
  return { restorePoint: { at: new Date(at).toISOString(), backup: last.id, ...(stop === undefined ? {} : { stop }) } }
}

function drilledBackup({ backup, from }: ChosenBackup, plan: RestorePlan | undefined): DrillEvidence['chain'][number] {
  const { id, kind, consistentAt } = backup
  return {
    id,
    kind,
    consistentAt,
    repository: from.name,
    destination: from.repository.destination,
    bytes: plan?.chain?.backups.find((one) => one.id === id)?.bytes ?? 0,
    manifestSha256: manifestDigest(backup),
  }
}

/** SHA-256 of the canonical JSON (RFC 8785) of a manifest, in lower-case hex. */
export function manifestDigest(manifest: Backup): string {
  return createHash('sha256').update(canonicalJson(manifest)).digest('hex')
}

function distinct(problems: readonly DrillProblem[]): DrillProblem[] {
  return [...new Map(problems.map((problem) => [problem.message, problem])).values()]
}
