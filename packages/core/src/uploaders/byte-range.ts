import type { ByteRange } from '../contracts/index.ts'

/**
 * The part of `range` that exists in content of `size` bytes; `begin === end` where nothing of it does.
 * Throws TypeError for a range that no content could have.
 */
export function clampRange(range: ByteRange | undefined, size: number): { readonly begin: number; readonly end: number } {
  const begin = range?.begin ?? 0
  const end = range?.end ?? size
  if (!Number.isSafeInteger(begin) || begin < 0) throw new TypeError(`range begins at ${begin}, which is no position`)
  if (range?.end !== undefined && (!Number.isSafeInteger(end) || end < begin)) throw new TypeError(`range ${begin}–${end} is no range`)
  const from = Math.min(begin, size)
  return { begin: from, end: Math.max(from, Math.min(end, size)) }
}
