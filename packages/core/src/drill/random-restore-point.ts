import { createHash } from 'node:crypto'
import type { ChainHistory } from '../chain/chain-history.ts'
import type { Backup } from '../contracts/index.ts'
import { planGoal } from '../pipeline/goal-chain.ts'
import type { RestoreGoal } from '../pipeline/restore-goal.ts'

/**
 * Draws what to restore: every backup that can be restored is as likely as any other, so that old ones get their turn and those that a rare schedule makes
 * are not drowned by a frequent one. Of a log that says which times it covers, a moment in these is drawn as well, and every one is as likely: so restores
 * also stop where nobody has ended a backup. Pure: the same seed and backups give the same. `undefined` where nothing can be restored.
 *
 * @param canStop whether the agent can stop inside a log
 */
export function randomRestorePoint(history: ChainHistory, canStop: boolean, seed: number): RestoreGoal | undefined {
  const unique = new Map(history.listings.flatMap(({ backups }) => backups).map((backup) => [backup.id, backup]))
  // What failed in a partial one is known without a drill.
  const left = [...unique.values()].filter(({ status }) => status === 'complete').sort((a, b) => (a.id < b.id ? -1 : 1))
  for (let drawn = 0; left.length > 0; drawn++) {
    const [backup] = left.splice(Math.floor(fractionOf(seed, `backup ${drawn}`) * left.length), 1)
    if (backup === undefined || planGoal(history, { backup: backup.id }, canStop).possible !== true) continue
    const at = canStop ? momentIn(backup, fractionOf(seed, `moment ${drawn}`)) : undefined
    if (at !== undefined && planGoal(history, { at }, canStop).possible === true) return { at }
    return { backup: backup.id }
  }
  return undefined
}

/** The moment that lies so far into all the time that a log covers. */
function momentIn({ kind, covers }: Backup, fraction: number): string | undefined {
  if (kind !== 'log' || covers === undefined) return undefined
  const spans = covers.map(({ from, to }) => ({ from: Date.parse(from), milliseconds: Date.parse(to) - Date.parse(from) }))
  let rest = Math.floor(fraction * spans.reduce((sum, { milliseconds }) => sum + milliseconds, 0))
  for (const { from, milliseconds } of spans) {
    if (rest < milliseconds) return new Date(from + rest).toISOString()
    rest -= milliseconds
  }
  return undefined
}

/** At least 0 and less than 1; the same for the same seed and purpose. */
function fractionOf(seed: number, purpose: string): number {
  return createHash('sha256').update(`${seed} ${purpose}`).digest().readUIntBE(0, 6) / 2 ** 48
}
