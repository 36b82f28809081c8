import type { MysqlSession } from '../mysql-connection.ts'
import { quoteIdentifier } from '../mysql-quoting.ts'
import { borderLiteral, type ChunkKey, integerRanges, type KeyRange, type RangeSource, stepStatement, walkRanges } from './key-ranges.ts'
import type { InventoryTable } from './schema-inventory.ts'
import { fromClause } from './select-statement.ts'

/** A table is cut only when it is clearly larger than one file. */
const worthCutting = 1.5
/** Stepping through an index costs a scan of it, so only large tables are cut that way. */
const worthWalking = 3

export interface TableRangesOptions {
  readonly schema: string
  readonly table: InventoryTable
  readonly chunkBytes: number
  /** A session inside the snapshot; asked anew for every border, so that each reader finds its own. */
  readonly session: () => MysqlSession
}

/** The parts in which a table is read, found while it is read. A table without a usable key is one part. */
export async function tableRanges(options: TableRangesOptions): Promise<RangeSource> {
  const { table, chunkBytes, schema } = options
  const { key } = table
  if (key === undefined || table.estimatedBytes < chunkBytes * worthCutting) return once({})
  const rowsPerChunk = Math.max(1, Math.floor(chunkBytes / Math.max(1, table.averageRowBytes)))
  const name = `${schema}.${table.table.name}`
  const from = fromClause(schema, table.table)
  if (key.kind === 'integer') {
    const column = quoteIdentifier(key.column)
    const [row] = await options
      .session()
      .rows(`SELECT MIN(${column}) AS minimum, MAX(${column}) AS maximum FROM ${from}`, `reading the key borders of ${name}`)
    const minimum = row?.nullable('minimum')
    const maximum = row?.nullable('maximum')
    if (minimum === undefined || maximum === undefined) return once({})
    return integerRanges({
      column: key.column,
      index: key.index,
      minimum: BigInt(minimum),
      maximum: BigInt(maximum),
      rowsPerChunk,
      estimate: (low, high) => estimateRows(options, key, low, high),
    })
  }
  if (table.estimatedBytes < chunkBytes * worthWalking) return once({})
  return walkRanges({
    column: key.column,
    index: key.index,
    // A key whose bytes cannot be written as a literal again leaves the rest as one part, which its files cut anyway.
    step: async (after) => {
      try {
        const [row] = await options.session().rows(stepStatement(from, key, after, rowsPerChunk), `finding a key border of ${name}`)
        const border = row?.nullable('border')
        if (border === undefined) return undefined
        const literal = borderLiteral(key, border)
        await options.session().rows(`SELECT ${literal} IS NULL AS missing`, `reading a key border of ${name} back`)
        return literal
      } catch {
        return undefined
      }
    },
  })
}

async function estimateRows(options: TableRangesOptions, key: ChunkKey, low: bigint, high: bigint): Promise<number> {
  const { schema, table } = options
  const range: KeyRange = { column: key.column, index: key.index }
  const [row] = await options
    .session()
    .rows(
      `EXPLAIN SELECT 1 FROM ${fromClause(schema, table.table, range)} WHERE ${quoteIdentifier(key.column)} BETWEEN ${low} AND ${high}`,
      `estimating the rows of ${schema}.${table.table.name}`,
    )
  return row?.has('rows') ? row.number('rows') : 0
}

function once(range: Partial<KeyRange>): RangeSource {
  let given = false
  return {
    async next() {
      if (given) return undefined
      given = true
      return { column: '', ...range }
    },
  }
}
