import type { Position, PositionOrder } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'

/** After this change of a memory application. */
export function positionAt(chain: string, sequence: number): Position {
  return { chain, value: { sequence: String(sequence) } }
}

export function sequenceOf({ value }: Position): number {
  return Number(value.sequence)
}

export const compareSequences: PositionOrder = (a, b) => {
  const difference = sequenceOf(a) - sequenceOf(b)
  if (a.chain !== b.chain || Number.isNaN(difference)) return undefined
  return difference < 0 ? -1 : difference > 0 ? 1 : 0
}

/** A number, as `17`. */
export function parseSequence(text: string): Position['value'] {
  if (/^\d{1,15}$/.test(text)) return { sequence: text }
  throw new BackupError(`${JSON.stringify(text)} is no position of a memory application`, {
    code: 'INVALID_INPUT',
    hint: 'Write the number of a change, like 17.',
  })
}
