import type { Json } from '@backup-planet/core'
import * as z from 'zod'
import { isForeignSchema, type NameSelection, schemaIsSelected, tableIsSelected } from './name-selection.ts'
import type { ServerInventory } from './server-inventory.ts'

const names = z.array(z.string()).readonly()

const schema = z.object({
  /** Schemas that were on the server and are not in the backup; the server's own are never among them. */
  schemas: names,
  /** Tables as `schema.table` that are not in the backup although their schema is. */
  tables: names,
  /** Tables as `schema.table` of which the backup has the definition and no rows. */
  rows: names,
  /** Sequences as `schema.sequence` that are in the backup although the patterns for tables do not select their names: rows of a log may be theirs. */
  sequences: names,
  /** Tables as `schema.table`, held or not, that had triggers: what was done to one of them may have changed others. Not in older backups. */
  triggered: names.optional(),
  /** The items that were asked for, where it was not everything. */
  items: names.optional(),
  /** What the settings say, for what is created later. */
  patterns: z.object({
    includeSchemas: names.optional(),
    excludeSchemas: names,
    includeTables: names.optional(),
    excludeTables: names,
  }),
})

/** `leftOut` in the facts of a full backup: what it does not hold, so that logs which go on from it are not applied to that. */
export type LeftOut = z.output<typeof leftOutSchema>

export const leftOutSchema = schema.extend({ lowerCaseTableNames: z.number() })

export interface LeftOutInput {
  readonly settings: NameSelection
  /** Asked for by name; everything when left out. */
  readonly items: readonly string[] | undefined
  /** All schemas that the account can see and that are not the server's own, as the server lists them. */
  readonly schemas: readonly string[]
  readonly inventory: ServerInventory
  /** Tables as `schema.table`, of the whole server. */
  readonly triggered: readonly string[]
}

export function leftOutFacts({ settings, items, schemas, inventory, triggered }: LeftOutInput): Json {
  const { includeSchemas, excludeSchemas, includeTables, excludeTables } = settings
  const captured = new Set(inventory.schemas.map(({ name }) => name))
  const read = inventory.schemas.flatMap((one) => (one.failure === undefined ? [{ name: one.name, ...one.inventory }] : []))
  const facts: z.input<typeof schema> = {
    schemas: schemas.filter((name) => !captured.has(name) && !isForeignSchema(name)),
    tables: read.flatMap(({ name, leftOutTables }) => leftOutTables.map((table) => `${name}.${table}`)),
    rows: read.flatMap(({ name, tables }) =>
      tables.filter(({ table }) => table.dataLeftOut !== undefined).map(({ table }) => `${name}.${table.name}`),
    ),
    sequences: read.flatMap(({ name, sequences }) =>
      sequences.filter((one) => !tableIsSelected(settings, name, one.name)).map((one) => `${name}.${one.name}`),
    ),
    triggered,
    ...(items === undefined ? {} : { items }),
    patterns: {
      ...(includeSchemas === undefined ? {} : { includeSchemas }),
      excludeSchemas,
      ...(includeTables === undefined ? {} : { includeTables }),
      excludeTables,
    },
  }
  return JSON.parse(JSON.stringify(facts)) as Json
}

/** @param facts of a full backup. `undefined` where they do not say it: a physical backup leaves nothing out. */
export function leftOutOf(facts: Readonly<Record<string, Json>>): LeftOut | undefined {
  const parsed = schema.safeParse(facts.leftOut)
  if (!parsed.success) return undefined
  return { ...parsed.data, lowerCaseTableNames: typeof facts.lowerCaseTableNames === 'number' ? facts.lowerCaseTableNames : 0 }
}

/** Whether it leaves nothing out, and would not have. */
export function leavesNothingOut({ schemas, tables, rows, items, patterns }: LeftOut): boolean {
  const { includeSchemas, excludeSchemas, includeTables, excludeTables } = patterns
  const chosen = [items, includeSchemas, includeTables].every((list) => list === undefined)
  return chosen && [schemas, tables, rows, excludeSchemas, excludeTables].every((list) => list.length === 0)
}

/** Whether the backup leaves a schema out, or would have if it had been there then. */
export function schemaIsLeftOut(leftOut: LeftOut, name: string): boolean {
  const stored = asStored(leftOut, name)
  if (listed(leftOut, leftOut.schemas, stored)) return true
  if (leftOut.items !== undefined && !listed(leftOut, leftOut.items, stored)) return true
  return !schemaIsSelected(leftOut.patterns, stored)
}

/** The same of a table, in whatever schema. */
export function tableIsLeftOut(leftOut: LeftOut, schemaName: string, table: string): boolean {
  if (schemaIsLeftOut(leftOut, schemaName)) return true
  const [stored, storedTable] = [asStored(leftOut, schemaName), asStored(leftOut, table)]
  const full = `${stored}.${storedTable}`
  if (listed(leftOut, leftOut.tables, full)) return true
  return !tableIsSelected(leftOut.patterns, stored, storedTable) && !listed(leftOut, leftOut.sequences, full)
}

/** Whether a table was on the server, and the backup does not hold it: names that patterns fit may be those of views. */
export function tableWasLeftOut(leftOut: LeftOut, schemaName: string, table: string): boolean {
  return listed(leftOut, leftOut.tables, `${asStored(leftOut, schemaName)}.${asStored(leftOut, table)}`)
}

/** Whether the backup holds the definition of a table alone, and its rows lie elsewhere or nowhere. */
export function rowsAreLeftOut(leftOut: LeftOut, schemaName: string, table: string): boolean {
  return listed(leftOut, leftOut.rows, `${asStored(leftOut, schemaName)}.${asStored(leftOut, table)}`)
}

/** With `lower_case_table_names=1` the server keeps all names in lower case, so patterns were compared with that. */
function asStored({ lowerCaseTableNames }: LeftOut, name: string): string {
  return lowerCaseTableNames === 1 ? name.toLowerCase() : name
}

function listed({ lowerCaseTableNames }: LeftOut, list: readonly string[], name: string): boolean {
  if (lowerCaseTableNames === 0) return list.includes(name)
  const folded = name.toLowerCase()
  return list.some((one) => one.toLowerCase() === folded)
}
