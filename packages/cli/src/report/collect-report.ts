import { hostname } from 'node:os'
import {
  BackupError,
  type ListedRepository,
  listJob,
  notListed,
  type OperationOptions,
  type Problem,
  type Progress,
  type Repository,
} from '@backup-planet/core'
import { ownVersion } from '../commands/version-command.ts'
import { listJobEvidence } from '../drilling/job-evidence.ts'
import { planningAgentOf } from '../restoring/planning-agent.ts'
import type { PlanningAgent } from '../restoring/restore-goal-options.ts'
import { repositoriesOf } from '../workspace/repository-choice.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { jobReport } from './job-report.ts'
import type { JobReport, ReportData, RepositoryReport } from './report-data.ts'

export interface ReportRequest {
  readonly jobs: readonly string[]
  /** PEM; verifies the records of drills. */
  readonly publicKey?: string | undefined
  /** Milliseconds since 1970. */
  readonly now: number
}

export interface CollectedReport {
  readonly data: ReportData
  /** So many things could not be read; each is a problem in the data, and was told as one. */
  readonly unread: number
}

/**
 * Reads what there is of these jobs in all of their repositories; touches no server. What cannot be read, also because
 * its secrets are not here, is a problem in the report and hides nothing else. Throws `ABORTED`.
 */
export async function collectReport(workspace: Workspace, request: ReportRequest, options: OperationOptions): Promise<CollectedReport> {
  await using opened = new AsyncDisposableStack()
  const names = [...new Set(request.jobs.flatMap((job) => repositoriesOf(workspace.configuration, job)))]
  const places: Place[] = []
  for (const name of names) places.push(await openPlace(workspace, name, opened))
  const jobs: JobReport[] = []
  let unread = 0
  const noting: OperationOptions = {
    ...options,
    onProgress(progress) {
      if (progress.type === 'problem') unread++
      options.onProgress?.(progress)
    },
  }
  for (const job of request.jobs) jobs.push(await reportOfJob(workspace, job, places, request, noting))
  const repositories: RepositoryReport[] = []
  for (const place of places) repositories.push(await reportOfPlace(workspace, place, noting))
  const data: ReportData = {
    format: 'backup-planet/report/1',
    madeAt: new Date(request.now).toISOString(),
    host: hostname(),
    software: ownVersion(),
    jobs,
    repositories,
  }
  return { data, unread }
}

/** A repository, and why it cannot be read: known once that was tried, so that nobody waits for it twice. */
interface Place {
  readonly name: string
  readonly repository?: Repository
  error?: BackupError
}

async function openPlace(workspace: Workspace, name: string, opened: AsyncDisposableStack): Promise<Place> {
  try {
    return { name, repository: opened.use(await workspace.repository(name)) }
  } catch (error) {
    return { name, error: forgiven(error) }
  }
}

/** What is told here is a problem of the report. */
interface NotingOptions extends OperationOptions {
  readonly onProgress: (progress: Progress) => void
}

async function reportOfJob(
  workspace: Workspace,
  job: string,
  places: readonly Place[],
  { publicKey }: ReportRequest,
  { signal, onProgress }: OperationOptions,
): Promise<JobReport> {
  const names = repositoriesOf(workspace.configuration, job)
  const unread: Problem[] = []
  const noting: NotingOptions = {
    signal,
    onProgress(progress) {
      if (progress.type === 'problem') unread.push(progress.problem)
      onProgress?.(progress)
    },
  }
  const mine = names.flatMap((name) => places.filter((place) => place.name === name))
  const listed = await listedOf(mine, job, noting)
  const agent = await agentFor(workspace, job, listed, noting)
  const evidence = await listJobEvidence(workspace, job, publicKey, {
    signal,
    repositories: listed.map(({ name }) => name),
    onProblem: (problem) => noting.onProgress({ type: 'problem', problem }),
  })
  return jobReport({ job, repositories: names, listed, agent, evidence, unread })
}

async function listedOf(places: readonly Place[], job: string, options: NotingOptions): Promise<readonly ListedRepository[]> {
  const all: ListedRepository[] = []
  for (const place of places) {
    const { name, repository } = place
    if (repository !== undefined && place.error === undefined) {
      try {
        all.push(...(await listJob([{ name, repository }], job, options)).listed)
      } catch (failure) {
        place.error = forgiven(failure)
      }
    }
    if (place.error !== undefined) options.onProgress({ type: 'problem', problem: { ...notListed(name, place.error), severity: 'error' } })
  }
  return all
}

/** Where the agent cannot be had, such as without the secrets of its server, what only it knows of positions is not known. */
async function agentFor(
  workspace: Workspace,
  job: string,
  listed: readonly ListedRepository[],
  { onProgress }: NotingOptions,
): Promise<PlanningAgent> {
  try {
    return await planningAgentOf(
      workspace,
      job,
      listed.flatMap(({ backups }) => backups),
    )
  } catch (error) {
    const { code, message } = forgiven(error)
    const hint = 'Make the report where the settings of the job can be read; until then fewer moments are shown than can be restored.'
    onProgress({
      type: 'problem',
      problem: { severity: 'warning', code, message: `the order of the backups of job ${job} is not known: ${message}`, hint },
    })
    return { application: workspace.configuration.job(job).agent, supports: { kinds: ['full'], pointInTime: false, rename: false } }
  }
}

async function reportOfPlace(
  workspace: Workspace,
  { name, repository, error }: Place,
  options: OperationOptions,
): Promise<RepositoryReport> {
  const { kind } = workspace.configuration.repository(name)
  const report = { name, kind, ...(repository === undefined ? {} : { destination: repository.destination }) }
  if (error !== undefined) return { ...report, problem: problemOf(error) }
  try {
    const statistics = await repository?.stats?.(options)
    if (statistics === undefined) return report
    const { backups, storedBytes, unusedBytes, contentBytes, ratio } = statistics
    return { ...report, statistics: { backups, storedBytes, unusedBytes, contentBytes, ...(ratio === undefined ? {} : { ratio }) } }
  } catch (failure) {
    const problem = problemOf(forgiven(failure))
    options.onProgress?.({ type: 'problem', problem })
    return { ...report, problem }
  }
}

function problemOf({ code, message, hint = 'Make the repository reachable.' }: BackupError): Problem {
  return { severity: 'error', code, message, hint }
}

/** What a report can tell instead of ending with it. */
function forgiven(error: unknown): BackupError {
  if (!BackupError.is(error) || error.code === 'ABORTED') throw error
  return error
}
