import { quoteIdentifier } from '../mysql-quoting.ts'

/** A part of a table by its key; `from` and `to` are SQL literals, and open where they are left out. */
export interface KeyRange {
  readonly column: string
  readonly index?: string
  readonly from?: string
  readonly fromInclusive?: boolean
  readonly to?: string
  readonly toInclusive?: boolean
}

/** The first column of the key that a table is cut by. */
export interface ChunkKey {
  readonly column: string
  readonly index: string
  /** `walk`: borders are found by stepping through the index. */
  readonly kind: 'integer' | 'walk'
  /** For `walk`: SQL that yields the value as hex, and the prefix that makes a literal of it again, or plain quoting. */
  readonly literal: 'text' | 'number' | { readonly introducer: string }
}

/** Hands out the parts of one table one after the other; `undefined` when there are no more. */
export interface RangeSource {
  next(): Promise<KeyRange | undefined>
}

export interface IntegerRangesOptions {
  readonly column: string
  readonly index?: string
  readonly minimum: bigint
  readonly maximum: bigint
  /** Rows that make one file, as far as the averages of the server can be trusted. */
  readonly rowsPerChunk: number
  /** The server's guess of how many rows lie between two keys, both included. */
  readonly estimate: (from: bigint, to: bigint) => Promise<number>
}

/**
 * Cuts an integer key by halves until the server's estimate of a part is small enough. Every integer belongs to exactly one part,
 * whatever the estimates say: the first part is open below and the last one above. A lone outlier costs some forty
 * empty parts, not a part with all the rows.
 */
export function integerRanges(options: IntegerRangesOptions): RangeSource {
  const { minimum, maximum } = options
  const stack: [bigint, bigint][] = [[minimum, maximum]]
  return {
    async next() {
      const last = stack.pop()
      if (last === undefined) return undefined
      let [from, to] = last
      while (to > from && (await options.estimate(from, to)) > options.rowsPerChunk * 1.5) {
        const middle = from + (to - from) / 2n
        stack.push([middle + 1n, to])
        to = middle
      }
      return {
        column: options.column,
        ...(options.index === undefined ? {} : { index: options.index }),
        ...(from === minimum ? {} : { from: from.toString(), fromInclusive: true }),
        ...(to === maximum ? {} : { to: to.toString(), toInclusive: true }),
      }
    },
  }
}

export interface WalkRangesOptions {
  readonly column: string
  readonly index?: string
  /** The literal of the key that lies `rowsPerChunk` rows after `from`; `undefined` when there are not so many. */
  readonly step: (from: string | undefined) => Promise<string | undefined>
}

/** Steps through a key of any type: each part begins after the border of the part before and the last one is open. */
export function walkRanges(options: WalkRangesOptions): RangeSource {
  let from: string | undefined
  let ended = false
  return {
    async next() {
      if (ended) return undefined
      const border = await options.step(from)
      const range: KeyRange = {
        column: options.column,
        ...(options.index === undefined ? {} : { index: options.index }),
        ...(from === undefined ? {} : { from, fromInclusive: false }),
        ...(border === undefined ? {} : { to: border, toInclusive: true }),
      }
      if (border === undefined) ended = true
      from = border
      return range
    },
  }
}

const integerTypes: ReadonlySet<string> = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'bigint'])
const plainTextTypes: ReadonlySet<string> = new Set(['date', 'datetime', 'timestamp', 'uuid', 'inet6', 'inet4', 'year'])
const binaryTypes: ReadonlySet<string> = new Set(['binary', 'varbinary'])

export interface KeyColumn {
  readonly index: string
  readonly unique: boolean
  readonly sequence: number
  readonly column: string
  readonly nullable: boolean
  /** Indexed part only: such a key orders by a prefix. */
  readonly prefix: boolean
  readonly dataType: string
  readonly characterSet?: string
}

/** The key to cut a table by: the primary key, else a unique one that is never NULL, integers before the rest. */
export function chooseKey(columns: readonly KeyColumn[]): ChunkKey | undefined {
  const byIndex = new Map<string, KeyColumn[]>()
  for (const column of columns) byIndex.set(column.index, [...(byIndex.get(column.index) ?? []), column])
  const keys: ChunkKey[] = []
  for (const [index, parts] of [...byIndex].sort(([a], [b]) => Number(b === 'PRIMARY') - Number(a === 'PRIMARY'))) {
    const first = parts.find((part) => part.sequence === 1)
    if (first === undefined || !first.unique || first.prefix || parts.some((part) => part.nullable)) continue
    const literal = literalOf(first)
    if (literal === undefined) continue
    keys.push({
      index,
      column: first.column,
      kind: integerTypes.has(first.dataType) ? 'integer' : 'walk',
      literal,
    })
  }
  const primary = keys.find((key) => key.index === 'PRIMARY')
  return primary ?? keys.find((key) => key.kind === 'integer') ?? keys[0]
}

function literalOf(column: KeyColumn): ChunkKey['literal'] | undefined {
  if (integerTypes.has(column.dataType)) return 'number'
  if (plainTextTypes.has(column.dataType)) return 'text'
  if (column.dataType === 'decimal') return 'number'
  if (binaryTypes.has(column.dataType)) return { introducer: '' }
  if ((column.dataType === 'char' || column.dataType === 'varchar') && column.characterSet !== undefined) {
    return { introducer: `_${column.characterSet} ` }
  }
  return undefined
}

/** SQL that finds the next border of a walk; its one column `border` is hex where the literal has an introducer. */
export function stepStatement(from: string, key: ChunkKey, after: string | undefined, rows: number): string {
  const column = quoteIdentifier(key.column)
  const value = typeof key.literal === 'object' ? `HEX(${column})` : column
  const where = after === undefined ? '' : ` WHERE ${column} > ${after}`
  return `SELECT ${value} AS border FROM ${from} FORCE INDEX (${quoteIdentifier(key.index)})${where} ORDER BY ${column} LIMIT ${Math.max(0, rows - 1)}, 1`
}

/** The literal for a border as `stepStatement` answered it. */
export function borderLiteral(key: ChunkKey, border: string): string {
  if (typeof key.literal === 'object') return `${key.literal.introducer}x'${border}'`
  return key.literal === 'number' ? border : `'${border.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}
