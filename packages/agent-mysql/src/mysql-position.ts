import { BackupError, type Position, type PositionOrder } from '@backup-planet/core'
import { type BinlogName, parseBinlogName } from './binlog/binlog-name.ts'
import { compareGtidSets, parseGtidSet } from './binlog/gtid-set.ts'
import { compareMariadbGtidLists, parseMariadbGtidList } from './binlog/mariadb-gtid.ts'

/** Where a binlog begins: behind the four bytes that mark it as one. */
export const beginningOfBinlog = '4'

/**
 * The order of binlog positions: by the number of the file, then by the offset in it. Where one of the two has no place, by their GTID sets: the
 * smaller is a part of the larger. `undefined` for files of other names, for sets of which neither is a part of the other, and for any other text.
 * Without contradiction as long as places and GTID sets of a chain grow together, as a server writes them; a set is the same point as every place that
 * holds just it.
 */
export const comparePositions: PositionOrder = (a, b) => {
  if (a.chain !== b.chain) return undefined
  const [left, right] = [placeOf(a), placeOf(b)]
  if (left !== undefined && right !== undefined) return comparePlaces(left, right)
  const [first, second] = [gtidOf(a, left), gtidOf(b, right)]
  return first === undefined || second === undefined ? undefined : compareGtids(first, second)
}

interface Place {
  readonly base: string
  readonly number: bigint
  readonly offset: bigint
}

function placeOf({ value }: Position): Place | undefined {
  const { file, offset } = value
  if (typeof file !== 'string' || typeof offset !== 'string' || !/^\d{1,20}$/.test(offset)) return undefined
  const name = binlogNamed(file)
  return name && { base: name.base, number: name.number, offset: BigInt(offset) }
}

const mostNames = 1000
const names = new Map<string, BinlogName | undefined>()

/** A plan compares the positions in a few files a million times: their names are read once. */
function binlogNamed(file: string): BinlogName | undefined {
  if (names.has(file)) return names.get(file)
  const name = parseBinlogName(file)
  if (names.size >= mostNames) names.clear()
  names.set(file, name)
  return name
}

function comparePlaces(a: Place, b: Place): -1 | 0 | 1 | undefined {
  if (a.base !== b.base) return undefined
  if (a.number !== b.number) return a.number < b.number ? -1 : 1
  return a.offset === b.offset ? 0 : a.offset < b.offset ? -1 : 1
}

/** Of a place the server may have kept none, which then is the set of nothing; whoever names no place must name a set. */
function gtidOf({ value }: Position, place: Place | undefined): string | undefined {
  const gtid = Object.hasOwn(value, 'gtid') ? value.gtid : place === undefined ? undefined : ''
  return typeof gtid === 'string' ? gtid : undefined
}

/** Two texts of GTIDs, of MySQL or of MariaDB, as {@link comparePositions} orders them. The empty text is the set of nothing. */
export function compareGtids(a: string, b: string): -1 | 0 | 1 | undefined {
  const [setA, setB] = [parseGtidSet(a), parseGtidSet(b)]
  if (setA !== undefined && setB !== undefined) return compareGtidSets(setA, setB)
  const [listA, listB] = [parseMariadbGtidList(a), parseMariadbGtidList(b)]
  return listA === undefined || listB === undefined ? undefined : compareMariadbGtidLists(listA, listB)
}

/**
 * What an operator writes: `mysql-bin.000012:379`, or a GTID or set of them, as `3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5` (MySQL) or `0-1-1074` (MariaDB).
 * Throws `INVALID_INPUT` for anything else.
 */
export function parsePosition(text: string): Position['value'] {
  const [, file, offset] = /^\s*(.+\.\d{6,20}):(\d{1,20})\s*$/s.exec(text) ?? []
  if (file !== undefined && offset !== undefined) return { file, offset: String(BigInt(offset)) }
  const gtid = text.replaceAll(/\s/g, '')
  if (gtid !== '' && (parseGtidSet(gtid) ?? parseMariadbGtidList(gtid)) !== undefined) return { gtid }
  throw new BackupError(`"${text.slice(0, 200)}" is no position in a binlog`, {
    code: 'INVALID_INPUT',
    hint: 'Write FILE:OFFSET, such as mysql-bin.000012:379, or a GTID or GTID set, such as 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5 (MySQL) or 0-1-1074 (MariaDB).',
  })
}
