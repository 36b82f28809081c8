import type { Backup } from '../contracts/index.ts'

/** What is read of a backup to restore these items, before compression, as far as it says. A log is read as a whole, whatever is restored from it. */
export function bytesToRead({ kind, items }: Backup, wanted: readonly string[]): number {
  return items
    .filter(({ item, failure }) => failure === undefined && (kind === 'log' || wanted.includes(item)))
    .reduce((sum, { bytes, files }) => sum + (bytes ?? files?.reduce((size, file) => size + file.size, 0) ?? 0), 0)
}

/** Room for the first, and beside it for the largest that is applied to it. */
export function spaceToRestore([first = 0, ...others]: readonly number[]): number {
  return first + others.reduce((largest, bytes) => Math.max(largest, bytes), 0)
}
