import type { LogChoice } from './log-replay-choice.ts'
import { type StatementScope, statementScope } from './log-replay-scope.ts'
import { type StatementTables, statementTables } from './log-replay-tables.ts'
import { journalSchema } from './restore-journal.ts'
import { type SqlToken, significantTokens, tokenizeSql } from './sql-tokenizer.ts'

/** The schema of accounts and other things of the server itself, which no backup holds as a schema and no log changes. */
export const serverSchema = 'mysql'

export type Selected = Pick<LogChoice, 'schemas'>

/** Whether changed rows of a table are applied. */
export function isTableReplayed(selected: Selected, schema: string): boolean {
  if (schema === journalSchema || schema === serverSchema) return false
  return selected.schemas === undefined || selected.schemas.has(schema)
}

/** What becomes of a statement of the log. */
export type StatementFate =
  | { readonly is: 'replayed' | 'left out' }
  /** It changes a table of the server itself. */
  | { readonly is: 'of the server'; readonly table: string }
  | { readonly is: 'of accounts'; readonly accounts: readonly string[] }
  | { readonly is: 'refused'; readonly because: string }

const replayed: StatementFate = { is: 'replayed' }
const leftOut: StatementFate = { is: 'left out' }
const unclear = 'touches schemas that are not restored, or may do so'

export function statementFate(text: string, defaultSchema: string, selected: Selected): StatementFate {
  const tokens = wordsOf(text)
  // A statement that cannot be cut into words.
  if (tokens === undefined) return selected.schemas === undefined ? replayed : { is: 'refused', because: unclear }
  const scope = statementScope(text, {}, defaultSchema, (schema) => selected.schemas === undefined || selected.schemas.has(schema))
  if (scope.of === 'accounts') return { is: 'of accounts', accounts: scope.accounts }
  const tables = statementTables(tokens, defaultSchema)
  return ofJournal(tokens, tables) ?? ofServer(tables) ?? ofSchemas(scope, selected)
}

function wordsOf(text: string): SqlToken[] | undefined {
  try {
    return significantTokens(tokenizeSql(text))
  } catch {
    return undefined
  }
}

/** A restore that went into the source itself was logged there with its journal, which is not the journal of this one. */
function ofJournal(tokens: readonly SqlToken[], { of, named }: StatementTables): StatementFate | undefined {
  if (of === 'tables' && named.some(({ schema }) => schema === journalSchema)) return leftOut
  const isDatabase = tokens.slice(1, 4).some(({ word }) => word === 'DATABASE' || word === 'SCHEMA')
  return isDatabase && tokens.slice(2, 6).some(({ name }) => name === journalSchema) ? leftOut : undefined
}

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

function ofSchemas(scope: StatementScope, { schemas }: Selected): StatementFate {
  if (schemas === undefined || scope.of === 'selected') return replayed
  return scope.of === 'others' ? leftOut : { is: 'refused', because: unclear }
}
