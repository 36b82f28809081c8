import { type LeftOut, rowsAreLeftOut, schemaIsLeftOut, tableIsLeftOut } from '../dump/left-out-facts.ts'
import type { LogChoice } from './log-replay-choice.ts'
import { changesFirstAlone, isTableList, needsNoDefaultSchema } from './log-replay-left-out.ts'
import { isGrantOnLeftOut } from './log-replay-rights.ts'
import { isSchemaAway, isSchemaChosen } from './log-replay-schemas.ts'
import { namedDatabase, type StatementScope, statementScope } from './log-replay-scope.ts'
import { type StatementTables, statementTables } from './log-replay-tables.ts'
import { isTargetFound } from './log-replay-target.ts'
import { statementWords } from './log-replay-words.ts'
import { journalSchema } from './restore-journal.ts'
import type { SqlDialect, SqlToken } from './sql-tokenizer.ts'

/** The schema of accounts and other things of the server itself, which no backup holds as a schema and no log changes. */
export const serverSchema = 'mysql'

export type Selected = Pick<LogChoice, 'schemas' | 'leftOut' | 'lowerCaseTableNames' | 'triggered'>

/** Whether changed rows of a table are applied. */
export function isTableReplayed(selected: Selected, schema: string, table: string): boolean {
  if (schema === journalSchema || schema === serverSchema) return false
  if (isSchemaChosen(selected, schema) === false) return false
  return (
    selected.leftOut === undefined || !(tableIsLeftOut(selected.leftOut, schema, table) || rowsAreLeftOut(selected.leftOut, schema, table))
  )
}

/** What becomes of a statement of the log. */
export type StatementFate =
  | { readonly is: 'replayed' }
  /** `triggered`: the table as `schema.table` in lower case, whose trigger is created by it. */
  | { readonly is: 'left out'; readonly triggered?: string }
  /** It gives or takes rights on what was left out. */
  | { readonly is: 'of rights left out' }
  /** It changes a table of the server itself. */
  | { readonly is: 'of the server'; readonly table: string }
  | { readonly is: 'of accounts'; readonly accounts: readonly string[] }
  | { readonly is: 'refused'; readonly because: string }

const replayed: StatementFate = { is: 'replayed' }
const leftOut: StatementFate = { is: 'left out' }
const unclear = 'touches schemas that are not restored, or may do so'

/** @param dialect of the `sql_mode` that was logged with it */
export function statementFate(text: string, dialect: SqlDialect, defaultSchema: string, selected: Selected): StatementFate {
  const tokens = wordsOf(text, dialect)
  // A statement that cannot be cut into words.
  if (tokens === undefined)
    return selected.schemas === undefined && selected.leftOut === undefined ? replayed : { is: 'refused', because: unclear }
  const scope = scopeOf(text, dialect, defaultSchema, selected)
  if (scope.of === 'accounts') {
    return isGrantOnLeftOut(tokens, defaultSchema, selected.leftOut)
      ? { is: 'of rights left out' }
      : { is: 'of accounts', accounts: scope.accounts }
  }
  const tables = statementTables(tokens, defaultSchema)
  const fate =
    ofTransaction(tables) ??
    ofJournal(tokens, tables) ??
    decided(tokens, tables, ofServer(tables)) ??
    decided(tokens, tables, ofLeftOut(tokens, tables, defaultSchema, selected.leftOut)) ??
    calls(tables, ofSchemas(tokens, tables, scope, selected))
  const away = fate.is === 'replayed' && isSchemaAway(wholeOf(selected), defaultSchema)
  if (fate.is === 'left out') return withTriggers(tables, selected)
  if (!away || needsNoDefaultSchema(tables.verb, tables.of)) return fate
  return { is: 'refused', because: `was made in schema ${defaultSchema}, which the full backup leaves out, and changes what it holds` }
}

/** Where nobody knows whether a name means what is restored, it has to be the same either way. */
function scopeOf(text: string, dialect: SqlDialect, defaultSchema: string, selected: Selected): StatementScope {
  const [one, other] = [true, false].map((unclear) =>
    statementScope(text, dialect, defaultSchema, (schema) => isSchemaChosen(selected, schema) ?? unclear),
  ) as [StatementScope, StatementScope]
  return one.of === other.of ? one : { of: 'both' }
}

/** All schemas of the full backup. */
function wholeOf({ schemas: _, ...whole }: Selected): Selected {
  return whole
}

function wordsOf(text: string, dialect: SqlDialect): SqlToken[] | undefined {
  try {
    return statementWords(text, dialect)
  } catch {
    return undefined
  }
}

/** The server writes a call as SELECT where a function may have changed something. */
function calls({ verb }: StatementTables, fate: StatementFate): StatementFate {
  return fate.is === 'left out' && (verb === 'SELECT' || verb === 'DO') ? { is: 'refused', because: unclear } : fate
}

const firesTriggers: ReadonlySet<string> = new Set(['INSERT', 'REPLACE', 'UPDATE', 'DELETE'])

/** A statement was logged without what its triggers did; rows are logged with it. */
function withTriggers({ verb, of, named }: StatementTables, { triggered }: Selected): StatementFate {
  const names = named.map(({ schema, table }) => `${schema}.${table}`.toLowerCase())
  if (of === 'trigger' && verb === 'CREATE' && names[1] !== undefined) return { is: 'left out', triggered: names[1] }
  const found = of === 'tables' && firesTriggers.has(verb) ? names.find((name) => triggered?.has(name) === true) : undefined
  if (found === undefined) return leftOut
  return { is: 'refused', because: `changes ${found}, which is not restored and whose triggers may have changed what is` }
}

/** Whatever the schema was: what they undo may be of any. */
function ofTransaction({ verb }: StatementTables): StatementFate | undefined {
  return verb === 'SAVEPOINT' || verb === 'ROLLBACK' || verb === 'RELEASE' ? replayed : undefined
}

/** Nothing is left out by its names that may change more than it names. */
function decided(tokens: readonly SqlToken[], tables: StatementTables, fate: StatementFate | undefined): StatementFate | undefined {
  if (fate === undefined || (fate.is !== 'left out' && fate.is !== 'of the server')) return fate
  if (namedDatabase(tokens) !== undefined || isTargetFound(tokens, tables)) return fate
  return { is: 'refused', because: 'may change what is restored, and what it changes cannot be told' }
}

/** A restore that went into the source itself was logged there with its journal, which is not the journal of this one. */
function ofJournal(tokens: readonly SqlToken[], { of, named }: StatementTables): StatementFate | undefined {
  if (of === 'tables' && named.some(({ schema }) => schema === journalSchema)) return leftOut
  return namedDatabase(tokens) === journalSchema ? leftOut : undefined
}

/** What the full backup does not hold is not there to be changed, and is no better for being created again. */
function ofLeftOut(
  tokens: readonly SqlToken[],
  { verb, of, named }: StatementTables,
  defaultSchema: string,
  facts: LeftOut | undefined,
): StatementFate | undefined {
  if (facts === undefined) return undefined
  const database = namedDatabase(tokens)
  if (database !== undefined) return schemaIsLeftOut(facts, database) ? leftOut : undefined
  const [first, ...others] = named
  if (first === undefined) return defaultSchema !== '' && schemaIsLeftOut(facts, defaultSchema) ? leftOut : undefined
  // Views and programs are never left out by the patterns for tables.
  if (
    of === 'view' &&
    verb === 'DROP' &&
    !others.every(({ schema }) => schemaIsLeftOut(facts, schema)) &&
    schemaIsLeftOut(facts, first.schema)
  )
    return { is: 'refused', because: 'names views that the full backup leaves out beside what it holds' }
  if (of !== 'tables' && schemaIsLeftOut(facts, first.schema)) return leftOut
  const tables = of === 'tables' ? named : others
  const missing = tables.filter(({ schema, table }) => tableIsLeftOut(facts, schema, table))
  if (missing.length > 0) {
    if (missing.length === tables.length && of !== 'view') return leftOut
    if (of === 'tables' && missing[0] === tables[0] && changesFirstAlone(tokens, verb)) return leftOut
    if (of === 'tables' && isTableList(tokens)) return isAnyReplayed(tables, { leftOut: facts }) ? undefined : leftOut
    const shown = missing.map(({ schema, table }) => `${schema}.${table}`).join(', ')
    return { is: 'refused', because: `names ${shown}, which the full backup leaves out, beside what it holds` }
  }
  const empty = of === 'tables' ? tables.find(({ schema, table }) => rowsAreLeftOut(facts, schema, table)) : undefined
  if (empty === undefined) return undefined
  if (tables.length === 1 && unneeded.has(verb)) return leftOut
  if (isTableList(tokens)) return isAnyReplayed(tables, { leftOut: facts }) ? undefined : leftOut
  return { is: 'refused', because: `changes ${empty.schema}.${empty.table}, of which the full backup holds no rows` }
}

/** On a table without rows. */
const unneeded: ReadonlySet<string> = new Set(['DROP', 'TRUNCATE', 'INSERT', 'REPLACE', 'UPDATE', 'DELETE'])

const changesSeveral: ReadonlySet<string> = new Set(['UPDATE', 'DELETE', 'DROP', 'RENAME', 'ALTER'])

function ofServer({ verb, of, named }: StatementTables): StatementFate | undefined {
  const isOfServer = named.map(({ schema }) => schema.toLowerCase() === serverSchema)
  const found = named[isOfServer.indexOf(true)]
  if (found === undefined) return undefined
  const table = `${serverSchema}.${found.table}`
  if (isOfServer.every(Boolean) || (isOfServer[0] === true && !(of === 'tables' && changesSeveral.has(verb))))
    return { is: 'of the server', table }
  return of === 'tables' && changesSeveral.has(verb)
    ? { is: 'refused', because: `names ${table}, which is the server's own, beside other tables` }
    : undefined
}

function ofSchemas(tokens: readonly SqlToken[], { of, named }: StatementTables, scope: StatementScope, selected: Selected): StatementFate {
  if (selected.schemas === undefined || scope.of === 'selected') return replayed
  if (of === 'tables' && named.length > 0 && isTableList(tokens)) return isAnyReplayed(named, selected) ? replayed : leftOut
  return scope.of === 'others' ? leftOut : { is: 'refused', because: unclear }
}

function isAnyReplayed(tables: StatementTables['named'], selected: Selected): boolean {
  return tables.some(({ schema, table }) => isTableReplayed(selected, schema, table))
}
