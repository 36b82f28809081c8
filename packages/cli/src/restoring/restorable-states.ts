import { type Backup, findGaps, orderOf, planChain, restoreWindows } from '@backup-planet/core'
import { itemsOf } from '../commands/command-options.ts'
import type { RestorableStates } from '../output/windows-text.ts'
import type { JobBackups } from './job-backups.ts'
import type { PlanningAgent } from './restore-goal-options.ts'

/** What a job can be restored to, by the backups in all of its repositories together. */
export function restorableStates({ listed }: JobBackups, agent: PlanningAgent, items: readonly string[] | undefined): RestorableStates {
  const listings = listed.map(({ name, backups }) => ({ repository: name, backups }))
  const history = { listings, order: orderOf(agent), ...itemsOf(items) }
  const latest = planChain(history, { latest: true })
  const id = latest.possible ? latest.backups.at(-1)?.id : undefined
  const last = listings.flatMap(({ backups }): readonly Backup[] => backups).find((backup) => backup.id === id)
  return {
    windows: restoreWindows(history),
    gaps: findGaps(history),
    pointInTime: agent.supports.pointInTime,
    ...(last === undefined ? {} : { last }),
  }
}
