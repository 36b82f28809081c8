import { namesWithin, noChain } from '../chain/chain-branches.ts'
import type { ChainHistory } from '../chain/chain-history.ts'
import { type Reach, reachOf } from '../chain/chain-reach.ts'
import type { NoChainPlan } from '../chain/no-chain-plan.ts'
import { type ChainPlan, type ChainTarget, planWithin } from '../chain/plan-chain.ts'
import type { Backup } from '../contracts/index.ts'
import type { AskedPosition, RestoreGoal } from './restore-goal.ts'

/** What a goal comes to: a plan, a refusal, or a plan that an agent which cannot stop inside a log could not carry out. */
export type GoalPlan = ChainPlan | NoChainPlan | { readonly possible: 'by-stopping'; readonly before?: Backup; readonly after?: Backup }

/**
 * Which backups bring a job back to a goal. Pure.
 *
 * @param canStop whether the agent can stop inside a log
 */
export function planGoal(history: ChainHistory, goal: RestoreGoal, canStop: boolean): GoalPlan {
  const reach = reachOf(history)
  const plan = planExactly(reach, history, goal)
  const reached = plan.possible && (plan.stop === undefined || canStop)
  if (reached) return plan
  const nearest = 'at' in goal && goal.nearest === true ? nearestBefore(reach, history, goal, plan, canStop) : undefined
  if (nearest !== undefined) return nearest
  if (!plan.possible) return plan
  return { possible: 'by-stopping', ...('at' in goal ? wholeBackupsAround(reach, history, goal) : {}) }
}

function planExactly(reach: Reach, history: ChainHistory, goal: RestoreGoal): ChainPlan | NoChainPlan {
  if ('position' in goal) return planPosition(reach, history, goal.position, (position) => ({ position }))
  if ('beforePosition' in goal) return planPosition(reach, history, goal.beforePosition, (beforePosition) => ({ beforePosition }))
  return planWithin(reach, history, goal)
}

type PositionTarget = Extract<ChainTarget, { readonly position: unknown } | { readonly beforePosition: unknown }>

/** In the newest history that holds it; else the refusal that knows something nearer. */
function planPosition(
  reach: Reach,
  history: ChainHistory,
  { chain, value }: AskedPosition,
  targetOf: (position: { readonly chain: string; readonly value: AskedPosition['value'] }) => PositionTarget,
): ChainPlan | NoChainPlan {
  let refused: NoChainPlan | undefined
  const names = chain === undefined ? namesWithin(reach) : [chain]
  for (const name of names.length === 0 ? [noChain] : names) {
    const plan = planWithin(reach, history, targetOf({ chain: name, value }))
    if (plan.possible) return plan
    if (refused === undefined || refused.reason.code === 'unknown-position') refused = plan
  }
  return refused as NoChainPlan
}

type TimeGoal = Extract<RestoreGoal, { readonly at: string }>

function nearestBefore(
  reach: Reach,
  history: ChainHistory,
  goal: TimeGoal,
  refused: ChainPlan | NoChainPlan,
  canStop: boolean,
): ChainPlan | undefined {
  const before = refused.possible ? undefined : refused.before
  const chain = before?.chain ?? goal.chain
  const found = before && planWithin(reach, history, { at: before.at, ...(chain === undefined ? {} : { chain }) })
  if (found?.possible && (found.stop === undefined || canStop)) return withNearestWarning(found, goal, before?.at ?? '')
  const { before: whole } = canStop ? {} : wholeBackupsAround(reach, history, goal)
  const plan = whole && planWithin(reach, history, { backup: whole.id })
  return plan?.possible ? withNearestWarning(plan, goal, whole?.consistentAt ?? '') : undefined
}

function withNearestWarning(plan: ChainPlan, { at }: TimeGoal, instead: string): ChainPlan {
  const message = `The moment ${at} cannot be restored; this is ${instead}, the nearest before it that can.`
  return { ...plan, warnings: [{ code: 'nearest', message }, ...plan.warnings] }
}

/** The backups nearest to a moment that can be restored as a whole. */
function wholeBackupsAround(
  reach: Reach,
  history: ChainHistory,
  { at, chain }: TimeGoal,
): { readonly before?: Backup; readonly after?: Backup } {
  const moment = Date.parse(at)
  const backups = history.listings.flatMap((listing) => listing.backups)
  const sorted = backups.toSorted((a, b) => Date.parse(a.consistentAt) - Date.parse(b.consistentAt))
  const comesBack = ({ id }: Backup) => {
    const plan = planWithin(reach, history, { backup: id })
    return plan.possible && plan.stop === undefined && (chain ?? plan.chain) === plan.chain
  }
  const before = sorted.findLast((backup) => Date.parse(backup.consistentAt) <= moment && comesBack(backup))
  const after = sorted.find((backup) => Date.parse(backup.consistentAt) > moment && comesBack(backup))
  return { ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }
}
