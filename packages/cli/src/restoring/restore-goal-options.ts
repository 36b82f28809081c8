import { type Agent, type AskedPosition, type Backup, BackupError, orderOf, planChain, type RestoreGoal } from '@backup-planet/core'
import type { Command } from 'commander'
import { UsageError } from '../usage-error.ts'
import { assertReadable, backupNamed } from './backup-selection.ts'
import type { JobBackups } from './job-backups.ts'
import { type Moment, parseMoment } from './moment-text.ts'

export interface GoalWish {
  /** The whole identity of a backup, or a beginning or end of it that fits only one. */
  readonly backup?: string | undefined
  readonly at?: string | undefined
  readonly nearest?: boolean | undefined
  readonly position?: string | undefined
  readonly beforePosition?: string | undefined
  readonly beforeGtid?: string | undefined
}

export type PlanningAgent = Pick<Agent, 'application' | 'comparePositions' | 'parsePosition' | 'replayGuide' | 'supports'>

export function addGoalOptions(command: Command): Command {
  return command
    .option('--at <time>', 'everything that was changed before this moment, such as 2026-07-24T02:00:00Z; windows shows which there are')
    .option('--nearest', 'with --at: where that moment cannot be restored, the nearest before it that can')
    .option('--position <position>', 'everything up to this position of the server, such as mysql-bin.000012:4711 or a GTID')
    .option('--before-position <position>', 'everything before the change that ends at this position or contains it, which is left out')
    .option('--before-gtid <gtid>', 'the same, for who thinks of a change as its GTID')
    .option('--backup <id>', 'the end of this backup; a beginning or end of its id will do when it fits only one')
}

/** What a restore is to get to; the latest state where nothing is said. Throws a `UsageError`, and `NOT_FOUND` where there is no backup at all. */
export function goalOf(wish: GoalWish, agent: PlanningAgent, backups: JobBackups, items: readonly string[] | undefined): RestoreGoal {
  assertAlone(wish)
  const { at, backup, position, beforePosition = wish.beforeGtid } = wish
  const moment = at === undefined ? undefined : parseMoment(at)
  const asked = position ?? beforePosition
  const parsed = asked === undefined ? undefined : parsePosition(asked, agent)
  const all = backups.listed.flatMap((listing) => listing.backups)
  assertReadable(all, backups)
  if (backup !== undefined) return { backup: backupNamed(backup, backups, all).id }
  if (parsed !== undefined) return position === undefined ? { beforePosition: parsed } : { position: parsed }
  if (moment === undefined) return { latest: true }
  const nearest = wish.nearest === true ? { nearest: true } : {}
  return { at: meantBy(moment, agent, backups, all, items), ...nearest }
}

function assertAlone({ at, backup, position, beforePosition, beforeGtid, nearest }: GoalWish): void {
  const given = Object.entries({
    '--at': at,
    '--position': position,
    '--before-position': beforePosition,
    '--before-gtid': beforeGtid,
    '--backup': backup,
  })
  const [first, second] = given.flatMap(([name, value]) => (value === undefined ? [] : [name]))
  if (second !== undefined) throw new UsageError(`${first} and ${second} exclude each other`, 'Give only one of them.')
  if (nearest === true && at === undefined)
    throw new UsageError('--nearest needs --at', 'Write it like --at 2026-07-24T02:00:00Z --nearest.')
}

function parsePosition(text: string, agent: PlanningAgent): AskedPosition {
  if (agent.parsePosition === undefined) {
    throw new UsageError(
      `the agent for ${agent.application} reads no positions`,
      'Restore to a moment with --at, or to a backup with --backup.',
    )
  }
  try {
    return { value: agent.parsePosition(text) }
  } catch (error) {
    if (!BackupError.is(error) || error.code !== 'INVALID_INPUT') throw error
    throw new UsageError(error.message, error.hint ?? 'The README of the agent says how a position is written.')
  }
}

/** A time to the second that cannot be restored means the backup of that second: so tables show the times of backups. */
function meantBy(
  { at, toTheSecond }: Moment,
  agent: PlanningAgent,
  { listed }: JobBackups,
  all: readonly Backup[],
  items: readonly string[] | undefined,
): string {
  const begin = Date.parse(at)
  const same = all.filter(({ consistentAt }) => Date.parse(consistentAt) > begin && Date.parse(consistentAt) < begin + 1000)
  if (!toTheSecond || same.length === 0) return at
  const listings = listed.map(({ name, backups }) => ({ repository: name, backups }))
  const plan = planChain({ listings, order: orderOf(agent), ...(items === undefined ? {} : { items }) }, { at })
  if (plan.possible && (plan.stop === undefined || agent.supports.pointInTime)) return at
  return same.map(({ consistentAt }) => consistentAt).reduce((last, one) => (Date.parse(one) > Date.parse(last) ? one : last))
}
