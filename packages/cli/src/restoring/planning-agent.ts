import type { Backup } from '@backup-planet/core'
import type { Workspace } from '../workspace/workspace.ts'
import type { GoalWish, PlanningAgent } from './restore-goal-options.ts'

/**
 * What is needed of an agent to find the way through the backups of a job, without its server. Where there are fulls only, nothing is, unless a position
 * was given that only the agent can read: so files can be brought back on a machine that has not the secrets of the server.
 */
export async function planningAgentOf(
  workspace: Workspace,
  job: string,
  backups: readonly Backup[],
  { position, beforePosition, beforeGtid }: GoalWish = {},
): Promise<PlanningAgent> {
  const asked = position ?? beforePosition ?? beforeGtid
  const alone = asked === undefined && backups.every(({ kind }) => kind === 'full')
  if (!alone) {
    await using agent = await workspace.agentOf(job)
    const { application, supports, comparePositions, parsePosition, replayGuide } = agent
    return {
      application,
      supports,
      ...(comparePositions === undefined ? {} : { comparePositions }),
      ...(parsePosition === undefined ? {} : { parsePosition }),
      ...(replayGuide === undefined ? {} : { replayGuide }),
    }
  }
  const application = backups[0]?.application ?? workspace.configuration.job(job).agent
  return { application, supports: { kinds: ['full'], pointInTime: false, rename: false } }
}
