/** The name of a binlog as its parts: all files of a server are `base.number`, where the number grows past six digits. */
export interface BinlogName {
  readonly base: string
  readonly number: bigint
}

/** `undefined` for what is no such name. */
export function parseBinlogName(name: string): BinlogName | undefined {
  const [, base, digits] = /^(.*)\.(\d{1,20})$/s.exec(name) ?? []
  return base === undefined || digits === undefined ? undefined : { base, number: BigInt(digits) }
}

/** -1 where `a` was written before `b`, 1 after, 0 for the same one; `undefined` where they are not of one row. */
export function compareBinlogNames(a: string, b: string): -1 | 0 | 1 | undefined {
  if (a === b) return 0
  const [first, second] = [parseBinlogName(a), parseBinlogName(b)]
  if (first === undefined || second === undefined || first.base !== second.base) return undefined
  if (first.number === second.number) return 0
  return first.number < second.number ? -1 : 1
}

/** What follows it in the row. */
export function nextBinlogName(name: string): string | undefined {
  const digits = /\.(\d{1,20})$/.exec(name)?.[1]
  if (digits === undefined) return undefined
  return `${name.slice(0, -digits.length)}${String(BigInt(digits) + 1n).padStart(digits.length, '0')}`
}

/** Whether it can be the name of a file in a directory of ours: a server may say what it likes. */
export function isBinlogFileName(name: string): boolean {
  return name.length <= 255 && /^[^/\\\0]+$/.test(name) && name !== '.' && name !== '..'
}
