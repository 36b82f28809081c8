import { randomInt } from 'node:crypto'
import { type DrillGoal, type DrillReport, drill, type RunOptions, type Uploader } from '@backup-planet/core'
import { openJobBackups } from '../restoring/job-backups.ts'
import { openJobRepositories } from '../restoring/job-repositories.ts'
import { goalOf } from '../restoring/restore-goal-options.ts'
import { UsageError } from '../usage-error.ts'
import { repositoriesOf } from '../workspace/repository-choice.ts'
import type { Workspace } from '../workspace/workspace.ts'

/** What differs from the block `drill` of the job. */
export interface DrillWish {
  readonly backup?: string | undefined
  readonly at?: string | undefined
  readonly random?: boolean | undefined
  readonly seed?: number | undefined
  readonly items?: readonly string[] | undefined
  /** A target: schemas of its server, in place of a server of their own. */
  readonly to?: string | undefined
  readonly keep?: boolean | undefined
}

export interface DrillJobOptions extends RunOptions {
  /** Told where a key was made, since there was none, and its private half: the public one is to be kept elsewhere. */
  readonly onKeyMade?: (file: string, privateKey: string) => void
}

/**
 * Drills a job as its configuration says: what `backup-planet drill JOB` does, and what a scheduler calls. A drill that does not pass resolves; its report says
 * so. Throws a `UsageError` or `INVALID_SETTINGS` where the configuration or the wish is wrong, and `ABORTED`.
 */
export async function drillJob(workspace: Workspace, job: string, wish: DrillWish, options: DrillJobOptions): Promise<DrillReport> {
  const { drill: configured } = workspace.configuration.job(job)
  const to = wish.to ?? configured?.to
  if (to === 'source') {
    throw new UsageError(
      'a drill does not burden the server of the job itself',
      'Name a server under "targets" with --to, or leave it out.',
    )
  }
  await using agent = to === undefined ? await workspace.agentOf(job) : await workspace.agentOn(to, job)
  const items = wish.items ?? configured?.items
  const goal = await drillGoal(workspace, job, agent, wish, configured?.goal, options)
  const { privateKey, createdIn } = await workspace.evidenceKey()
  if (createdIn !== undefined) options.onKeyMade?.(createdIn, privateKey)
  await using opened = await openJobRepositories(workspace, job)
  await using stack = new AsyncDisposableStack()
  const records: Uploader[] = []
  for (const name of repositoriesOf(workspace.configuration, job)) {
    if (opened.repositories.some((one) => one.name === name)) records.push(stack.use(await workspace.uploader(name)))
  }
  const directory = workspace.drillDirectory(job)
  return await drill(
    {
      agent,
      job,
      repositories: opened.repositories,
      unlisted: opened.unopened,
      goal,
      ...(items === undefined ? {} : { items }),
      scratch: {
        place: to === undefined ? 'private' : 'server',
        keep: wish.keep === true,
        options: await workspace.drillOptions(job),
        ...(directory === undefined ? {} : { directory }),
      },
      files: workspace.scratch(),
      key: privateKey,
      records,
    },
    options,
  )
}

const largestSeed = 2 ** 32

/** Throws a `UsageError` for wishes that exclude each other. */
async function drillGoal(
  workspace: Workspace,
  job: string,
  agent: Parameters<typeof goalOf>[1],
  { backup, at, random, seed, items }: DrillWish,
  byDefault: 'latest' | 'random' | undefined,
  { signal }: RunOptions,
): Promise<DrillGoal> {
  const drawn = random === true || seed !== undefined
  const named = [backup, at].filter((wish) => wish !== undefined).length
  if (named + (drawn ? 1 : 0) > 1) throw new UsageError('--backup, --at and --random exclude each other', 'Give only one of them.')
  if (drawn || (named === 0 && byDefault === 'random')) return { random: seed ?? randomInt(largestSeed) }
  if (named === 0) return { latest: true }
  await using backups = await openJobBackups(workspace, job, {}, { signal })
  const goal = goalOf({ backup, at }, agent, backups, items)
  return 'backup' in goal ? { backup: goal.backup } : 'at' in goal ? { at: goal.at } : { latest: true }
}
