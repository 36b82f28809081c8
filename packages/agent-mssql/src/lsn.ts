/**
 * A log sequence number as SQL Server prints it in `RESTORE HEADERONLY` and msdb (`numeric(25,0)`): number of the virtual log file × 10^15, plus number
 * of the block in it × 10^5, plus slot in the block. 0 stands for none. Source: SQL Server "Transaction log architecture guide", and headers of
 * published backups beside what the server printed of them.
 */
export type Lsn = bigint

export interface LsnParts {
  /** Each an unsigned 32-bit number. */
  readonly virtualLogFile: number
  readonly block: number
  /** An unsigned 16-bit number. */
  readonly slot: number
}

const fileFactor = 10n ** 15n
const blockFactor = 10n ** 5n
const largestWord = 0xffff_ffffn
const largestSlot = 0xffffn

export function lsnOf({ virtualLogFile, block, slot }: LsnParts): Lsn {
  return BigInt(virtualLogFile) * fileFactor + BigInt(block) * blockFactor + BigInt(slot)
}

/** `undefined` for a number that no log can have. */
export function partsOfLsn(lsn: Lsn): LsnParts | undefined {
  if (lsn < 0n) return undefined
  const [file, rest] = [lsn / fileFactor, lsn % fileFactor]
  const [block, slot] = [rest / blockFactor, rest % blockFactor]
  if (file > largestWord || block > largestWord || slot > largestSlot) return undefined
  return { virtualLogFile: Number(file), block: Number(block), slot: Number(slot) }
}

/**
 * Reads the decimal form, `68000000009900024`, also with leading zeros, and the form of `fn_dblog`, `00000044:00000063:0018`, in hexadecimal. `undefined`
 * for any other text.
 */
export function parseLsn(text: string): Lsn | undefined {
  if (/^\d{1,25}$/.test(text)) {
    const lsn = BigInt(text)
    return partsOfLsn(lsn) === undefined ? undefined : lsn
  }
  const [, file, block, slot] = /^([0-9a-f]{8}):([0-9a-f]{8}):([0-9a-f]{4})$/i.exec(text) ?? []
  if (file === undefined || block === undefined || slot === undefined) return undefined
  return lsnOf({ virtualLogFile: Number.parseInt(file, 16), block: Number.parseInt(block, 16), slot: Number.parseInt(slot, 16) })
}

/** The decimal form, without leading zeros. */
export function formatLsn(lsn: Lsn): string {
  return lsn.toString()
}

/** By the place in the log; only of one history (recovery fork) this says which was first. */
export function compareLsn(a: Lsn, b: Lsn): -1 | 0 | 1 {
  return a < b ? -1 : a > b ? 1 : 0
}
