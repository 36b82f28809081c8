import { describePosition } from '../chain/position-order.ts'
import type { RestoreStop } from '../contracts/index.ts'
import type { ChosenChain } from './chosen-chain.ts'

/** Markdown beside the unpacked files of several backups: their order, and where the last one stops. */
export function chainGuide({ chosen, stop }: ChosenChain, folders: readonly string[]): string {
  const lines = chosen.map(({ backup }, index) => `${index + 1}. \`${folders[index]}\`: ${backup.kind} of ${backup.consistentAt}`)
  return `# Restore

These backups belong together. Restore them in this order; the \`RESTORE.md\` in each folder says how.

${lines.join('\n')}

${stop === undefined ? 'The last one is applied as a whole.' : `The last one is applied only in part: ${describeStop(stop)}.`}
`
}

/** As an operator reads it. */
export function describeStop(stop: RestoreStop): string {
  if ('before' in stop) return `it stops before the first change that was made at ${stop.before} or later`
  if ('position' in stop) return `it stops right after ${describePosition(stop.position)}`
  return `it stops before the change at ${describePosition(stop.beforePosition)}`
}
