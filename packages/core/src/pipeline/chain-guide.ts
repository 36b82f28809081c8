import { describePosition, positionKey } from '../chain/position-order.ts'
import type { Agent, Backup, RestoreStop } from '../contracts/index.ts'
import { encodeSegment } from '../naming/path-segment.ts'
import type { ChosenChain } from './chosen-chain.ts'

/**
 * Markdown beside the unpacked files of several backups: their order, and where the last one stops; how logs are applied in the
 * words of their agent, where it has any.
 */
export function chainGuide(
  { chosen, stop }: ChosenChain,
  folders: readonly string[],
  agent: Pick<Agent, 'replayGuide'> = {},
  items?: readonly string[],
): string {
  const backups = chosen.map(({ backup }) => backup)
  const replay = agent.replayGuide?.({ backups, folders, ...(stop === undefined ? {} : { stop }) })
  const lines = backups.map((backup, index) => `${index + 1}. \`${folders[index]}\`: ${backup.kind} of ${backup.consistentAt}`)
  const ending = stop === undefined ? 'The last one is applied as a whole.' : `The last one is applied only in part: ${describeStop(stop)}.`
  return `# Restore

These backups belong together. Restore them in this order; the \`RESTORE.md\` in each folder says how${replay === undefined ? '' : ', but for the logs'}.

${lines.join('\n')}

${ending}
${items === undefined ? '' : partText(items)}${replay === undefined ? overlapText(backups, folders) : `\n## The logs\n\nApply them as follows, and not as the \`RESTORE.md\` in their folders says.\n\n${replay}`}`
}

function partText(items: readonly string[]): string {
  const names = items.map((item) => `\`${encodeSegment(item)}\``).join(', ')
  return `\nOnly ${names} and the logs were unpacked. **The logs hold the changes of everything:** apply them only where everything was restored that they change.\n`
}

/** Logs go on where logs ended, also when a full was made meanwhile: then the first of them begins before it. */
function overlapText(backups: readonly Backup[], folders: readonly string[]): string {
  return backups
    .flatMap(({ kind, from }, index) => {
      const before = backups[index - 1]?.position
      if (kind !== 'log' || from === undefined || before === undefined || positionKey(from) === positionKey(before)) return []
      return [
        `\n**\`${folders[index]}\` begins at ${describePosition(from)}, and not where the state before it ends.** Apply of it only what comes after ${describePosition(before)}: what lies before that is in the state already, and must not be applied a second time.\n`,
      ]
    })
    .join('')
}

/** As an operator reads it. */
export function describeStop(stop: RestoreStop): string {
  if ('before' in stop) return `it stops before the first change that was made at ${stop.before} or later`
  if ('position' in stop) return `it stops right after ${describePosition(stop.position)}`
  return `it stops before the change at ${describePosition(stop.beforePosition)}`
}
