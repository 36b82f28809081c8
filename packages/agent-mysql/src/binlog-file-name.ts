/** `mysql-bin.000012` taken apart. */
export interface BinlogFileName {
  /** `mysql-bin` */
  readonly base: string
  /** 12: at least six digits, and more from the millionth file on. */
  readonly number: bigint
}

/** `undefined` for what is no name of a binlog file. */
export function parseBinlogFileName(name: string): BinlogFileName | undefined {
  const match = /^(.+)\.(\d{1,20})$/s.exec(name)
  return match === null ? undefined : { base: match[1] as string, number: BigInt(match[2] as string) }
}

/** Whether the server began `next` when it ended `name`. */
export function followsBinlog(next: string, name: string): boolean {
  const [after, before] = [parseBinlogFileName(next), parseBinlogFileName(name)]
  return after !== undefined && before !== undefined && after.base === before.base && after.number === before.number + 1n
}
