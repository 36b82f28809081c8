import { statementWords } from './log-replay-words.ts'
import type { SqlDialect, SqlToken } from './sql-tokenizer.ts'

/** Statements on tables that are nothing but a list of them: without some names they do the same to the others. */
const listVerbs: ReadonlySet<string> = new Set(['DROP', 'ANALYZE', 'OPTIMIZE', 'REPAIR', 'FLUSH'])
const listOf: ReadonlySet<string> = new Set(['TABLE', 'TABLES', 'SEQUENCE'])

/** Number of the token behind which the list stands; `undefined` for any other statement. */
function listBegin(tokens: readonly SqlToken[]): number | undefined {
  if (!listVerbs.has(tokens[0]?.word ?? '')) return undefined
  const at = tokens.findIndex((token, index) => index > 0 && index < 4 && listOf.has(token.word))
  return at < 0 ? undefined : at
}

/** Whether a statement names tables in a list alone, each of which it changes by itself. */
export function isTableList(tokens: readonly SqlToken[]): boolean {
  return listBegin(tokens) !== undefined
}

/** Whether only the first table that a statement names is changed by it, as far as its words say. @param verb as of `StatementTables` */
export function changesFirstAlone(tokens: readonly SqlToken[], verb: string): boolean {
  if (verb === 'CREATE' || verb === 'INSERT' || verb === 'REPLACE') return true
  if (verb !== 'ALTER') return false
  return !tokens.some(({ word }, index) => {
    const next = tokens[index + 1]?.word ?? ''
    if (word === 'RENAME') return !['COLUMN', 'INDEX', 'KEY'].includes(next)
    return word === 'EXCHANGE' || (word === 'CONVERT' && (next === 'PARTITION' || next === 'TABLE'))
  })
}

/** Statements that mean the same whatever the default schema is, as long as every name in them has its own. */
const schemaFree: ReadonlySet<string> = new Set(
  'CREATE ALTER DROP RENAME TRUNCATE ANALYZE OPTIMIZE REPAIR FLUSH GRANT REVOKE SET SAVEPOINT ROLLBACK RELEASE'.split(' '),
)

/** @param of as of `StatementTables`: the query of a view may call functions of the default schema */
export function needsNoDefaultSchema(verb: string, of: string): boolean {
  return schemaFree.has(verb) && of !== 'view'
}

/** Spares cutting long texts into words. */
const mayChange = /\b(?:DROP|ALTER|ANALYZE|OPTIMIZE|REPAIR|FLUSH)\b/i

/** What is there to be changed. */
export type IsHeld = (schema: string, table: string) => boolean

/**
 * The same statement for a server on which some things are not there: triggers of tables that were left out, and views over them, are not missed when they
 * are dropped or replaced, and tables that were left out are taken off a list. Where nothing of that is in it, the text is given back as it is.
 *
 * @param text each character stands for a byte of the statement, whatever its character set is
 * @param defaultSchema of names without one
 */
export function withoutLeftOut(text: string, dialect: SqlDialect, defaultSchema: string, isHeld: IsHeld): string {
  if (!mayChange.test(text.slice(0, 1024))) return text
  const tokens = statementWords(text, dialect)
  const verb = tokens[0]
  if (verb === undefined) return text
  const what = tokens.slice(1, 24).find(({ word }) => ['VIEW', 'TRIGGER', 'TABLE', 'TABLES', 'SEQUENCE', 'AS', '('].includes(word))
  if (verb.word === 'ALTER' && what?.word === 'VIEW') return replaced(text, verb.begin, verb.end, 'CREATE OR REPLACE')
  if (verb.word === 'DROP' && tokens[1] === what && (what?.word === 'TRIGGER' || what?.word === 'VIEW')) {
    return tokens[2]?.word === 'IF' ? text : replaced(text, what.end, what.end, ' IF EXISTS')
  }
  const begin = listBegin(tokens)
  return begin === undefined ? text : shortenedList(text, tokens, begin + 1, defaultSchema, isHeld)
}

function shortenedList(text: string, tokens: readonly SqlToken[], from: number, defaultSchema: string, isHeld: IsHeld): string {
  let at = from
  while (['IF', 'NOT', 'EXISTS'].includes(tokens[at]?.word ?? '')) at++
  const listed: { readonly begin: number; readonly end: number; readonly held: boolean }[] = []
  for (;;) {
    const first = tokens[at]
    if (first === undefined || (first.type !== 'identifier' && first.type !== 'word')) break
    const second = tokens[at + 1]?.word === '.' ? tokens[at + 2] : undefined
    const [schema, table] = second === undefined ? [defaultSchema, decoded(first.name)] : [decoded(first.name), decoded(second.name)]
    listed.push({ begin: first.begin, end: (second ?? first).end, held: isHeld(schema, table) })
    at += second === undefined ? 1 : 3
    if (tokens[at]?.word !== ',') break
    at++
  }
  const held = listed.filter((one) => one.held)
  const [first, last] = [listed[0], listed.at(-1)]
  if (first === undefined || last === undefined || held.length === 0 || held.length === listed.length) return text
  return replaced(text, first.begin, last.end, held.map(({ begin, end }) => text.slice(begin, end)).join(','))
}

function decoded(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8')
}

function replaced(text: string, begin: number, end: number, by: string): string {
  return text.slice(0, begin) + by + text.slice(end)
}
