import { BackupError } from '@backup-planet/core'
import { quoteIdentifier, quoteText } from '../mysql-quoting.ts'
import type { CheckedCreate } from './create-statement-guard.ts'
import { applyEdits, type SqlDialect, type SqlEdit, type SqlToken, significantTokens, tokenizeSql } from './sql-tokenizer.ts'

export interface RewriteOptions {
  /** Schema in the backup → schema on the target. */
  readonly from: string
  readonly to: string
  readonly stripDefiner: boolean
  /** Definer as `user@host` → definer to write instead. */
  readonly definerMap: Readonly<Record<string, string>>
}

/**
 * A CREATE that passed the guard, with its schema renamed where it names one, and its definer as the
 * options want it. Views also get every `from`.`x` renamed, since the server prints their names fully qualified.
 */
export function rewriteCreate(text: string, checked: CheckedCreate, options: RewriteOptions): string {
  const edits: SqlEdit[] = []
  const { definer, nameTokens } = checked
  if (definer !== undefined) {
    const wanted = options.definerMap[`${definer.user}@${definer.host}`]
    if (wanted !== undefined) edits.push({ begin: definer.begin, end: definer.end, text: `DEFINER=${quoteAccount(wanted)}` })
    else if (options.stripDefiner) edits.push({ begin: definer.begin, end: definer.end, text: '' })
  }
  const first = nameTokens[0]
  if (nameTokens.length > 1 && first !== undefined && options.from !== options.to) {
    edits.push({ begin: first.begin, end: first.end, text: quoteIdentifier(options.to) })
  }
  return applyEdits(text, edits)
}

/** Renames a schema wherever it qualifies a name: `old`.`x` becomes `new`.`x`. Strings and comments stay as they are. */
export function renameQualifiers(text: string, from: string, to: string, dialect: SqlDialect = {}): string {
  return applyEdits(
    text,
    qualifiers(significantTokens(tokenizeSql(text, dialect)), from).map((token) => ({
      begin: token.begin,
      end: token.end,
      text: quoteIdentifier(to),
    })),
  )
}

/** {@link renameQualifiers} for several schemas at once, which may take each other's names. */
export function renameAllQualifiers(text: string, rename: ReadonlyMap<string, string>): string {
  let renamed = text
  // Through names that nobody has, so that `a` → `b` and `b` → `a` do not meet.
  for (const from of rename.keys()) renamed = renameQualifiers(renamed, from, `\u0001${from}`)
  for (const [from, to] of rename) renamed = renameQualifiers(renamed, `\u0001${from}`, to)
  return renamed
}

/** How often a statement names the schema as a qualifier. */
export function countQualifiers(text: string, schema: string, dialect: SqlDialect = {}): number {
  return qualifiers(significantTokens(tokenizeSql(text, dialect)), schema).length
}

/**
 * A name before a dot that is not itself behind a dot: `a.schema` is a column, `schema.a` is qualified. Where a table has the name of the
 * schema for an alias, `schema`.`a` may be a column of it: then only tables, functions and names of three parts are qualified for sure, and
 * the server prints nothing else with its schema.
 */
function qualifiers(tokens: readonly SqlToken[], schema: string): SqlToken[] {
  const tables = hasAlias(tokens, schema) ? tablePlaces(tokens) : undefined
  return tokens.filter(
    (_, index) => isQualifier(tokens, index, schema) && (tables === undefined || tables.has(index) || isSurelyQualified(tokens, index)),
  )
}

/** A function, a name of three parts, a sequence, or what follows one of the words that only the name of a table follows. */
function isSurelyQualified(tokens: readonly SqlToken[], index: number): boolean {
  const before = tokens[index - 1]?.word ?? ''
  return (
    /^[.(]$/.test(tokens[index + 3]?.word ?? '') ||
    /^(VIEW|TABLE|REFERENCES|INTO|UPDATE)$/.test(before) ||
    (before === '(' && /^(NEXTVAL|LASTVAL|SETVAL)$/.test(tokens[index - 2]?.word ?? ''))
  )
}

function isQualifier(tokens: readonly SqlToken[], index: number, schema: string): boolean {
  const token = tokens[index]
  if (token?.type !== 'identifier' && token?.type !== 'word') return false
  return token.name === schema && tokens[index + 1]?.word === '.' && tokens[index - 1]?.word !== '.'
}

/** `t` `alias` and (SELECT …) `alias`, as the server prints them. */
function hasAlias(tokens: readonly SqlToken[], name: string): boolean {
  return tokens.some((token, index) => {
    const before = tokens[index - 1]
    const isName = (token.type === 'identifier' || token.type === 'word') && token.name === name && tokens[index + 1]?.word !== '.'
    return isName && (before?.type === 'identifier' || before?.word === ')')
  })
}

const joins: ReadonlySet<string> = new Set(['JOIN', 'STRAIGHT_JOIN'])
const clauses: ReadonlySet<string> = new Set([
  'ON',
  'USING',
  'WHERE',
  'GROUP',
  'HAVING',
  'ORDER',
  'LIMIT',
  'WINDOW',
  'UNION',
  'EXCEPT',
  'INTERSECT',
])

/** Where the names of tables begin: behind FROM and JOIN, and behind the commas and parentheses of a FROM. */
function tablePlaces(tokens: readonly SqlToken[]): ReadonlySet<number> {
  const places = new Set<number>()
  const clauseOf: string[] = ['']
  for (const [index, token] of tokens.entries()) {
    const clause = clauseOf.at(-1) ?? ''
    const before = tokens[index - 1]?.word ?? ''
    const begins = clause === 'FROM' && (before === 'FROM' || before === ',' || before === '(' || joins.has(before))
    if (token.word === '(') clauseOf.push(begins ? 'FROM' : '')
    else if (token.word === ')') clauseOf.pop()
    else if (token.word === ',' && clause === 'ON') clauseOf[clauseOf.length - 1] = 'FROM'
    else if (token.type === 'word' && before !== '.') {
      const top = clauseOf.length - 1
      if (token.word === 'SELECT') clauseOf[top] = 'SELECT'
      // FROM of EXTRACT, TRIM and SUBSTRING stands in parentheses of its own.
      else if (token.word === 'FROM' && clause === 'SELECT') clauseOf[top] = 'FROM'
      else if (joins.has(token.word) && clause === 'ON') clauseOf[top] = 'FROM'
      else if (clauses.has(token.word) && clause === 'FROM') clauseOf[top] = token.word === 'ON' || token.word === 'USING' ? 'ON' : ''
    }
    if (begins) places.add(index)
  }
  return places
}

/**
 * A trigger keeps the text it was created with: renames the schema of `ON schema.table`. Throws `CORRUPTED` when it is on a table of
 * another schema.
 */
export function renameTriggerTable(text: string, schema: string, to: string, dialect: SqlDialect = {}): string {
  const tokens = significantTokens(tokenizeSql(text, dialect))
  const on = tokens.findIndex((token) => token.type === 'word' && token.word === 'ON')
  const qualifier = tokens[on + 1]
  if (on < 0 || qualifier === undefined || tokens[on + 2]?.word !== '.') return text
  if (qualifier.name !== schema) {
    throw new BackupError(`a trigger of schema ${schema} is on a table of ${qualifier.name}`, {
      code: 'CORRUPTED',
      hint: 'The backup was damaged or tampered with; restore another one.',
    })
  }
  return to === schema ? text : applyEdits(text, [{ begin: qualifier.begin, end: qualifier.end, text: quoteIdentifier(to) }])
}

/** Replaces collations: `COLLATE x`, `COLLATE=x`, and names that a view converts to. */
export function mapCollations(text: string, map: Readonly<Record<string, string>>): string {
  if (Object.keys(map).length === 0) return text
  const tokens = significantTokens(tokenizeSql(text))
  const edits = tokens.flatMap((token, index) => {
    const before = tokens[index - 1]
    const follows = before?.word === 'COLLATE' || (before?.word === '=' && tokens[index - 2]?.word === 'COLLATE')
    const wanted = token.type === 'word' && follows ? map[token.name] : undefined
    return wanted === undefined ? [] : [{ begin: token.begin, end: token.end, text: wanted }]
  })
  return applyEdits(text, edits)
}

/**
 * Renames the schema of a GRANT: `ON old.*`, `ON old.t`, `ON PROCEDURE old.p`. A schema with wildcards is compared as it is escaped.
 */
export function renameGrant(text: string, tokens: readonly SqlToken[], rename: ReadonlyMap<string, string>): string {
  const on = tokens.findIndex((token) => token.type === 'word' && token.word === 'ON')
  const kinds = ['TABLE', 'PROCEDURE', 'FUNCTION', 'PACKAGE', 'SEQUENCE', 'BODY']
  let index = on + 1
  while (tokens[index]?.type === 'word' && kinds.includes(tokens[index]?.word ?? '')) index++
  const schema = tokens[index]
  if (on < 0 || schema === undefined || tokens[index + 1]?.word !== '.') return text
  for (const [from, to] of rename) {
    const plain = schema.name === from
    const escaped = schema.name === escapeWildcards(from)
    if (!plain && !escaped) continue
    return applyEdits(text, [{ begin: schema.begin, end: schema.end, text: quoteIdentifier(plain ? to : escapeWildcards(to)) }])
  }
  return text
}

function escapeWildcards(name: string): string {
  return name.replaceAll('_', '\\_').replaceAll('%', '\\%')
}

/** `user@host` as 'user'@'host'; a role without `@` stays alone. The last `@` separates. */
export function quoteAccount(account: string): string {
  const at = account.lastIndexOf('@')
  if (at === 0 || account === '') {
    throw new BackupError(`${JSON.stringify(account)} is no account`, { code: 'INVALID_SETTINGS', hint: 'Write it as user@host.' })
  }
  return at < 0 ? quoteText(account) : `${quoteText(account.slice(0, at))}@${quoteText(account.slice(at + 1))}`
}
