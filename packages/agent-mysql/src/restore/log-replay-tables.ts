import type { SqlToken } from './sql-tokenizer.ts'

export interface NamedTable {
  readonly schema: string
  readonly table: string
}

/** What a statement names, as far as that can be told from where its names stand. */
export interface StatementTables {
  /** Its first word, in upper case. */
  readonly verb: string
  /** `program`: a routine, an event or a package, whose body is not looked into; `trigger`: the table that it belongs to is named behind it. */
  readonly of: 'tables' | 'view' | 'trigger' | 'program'
  /** In their order, so that what is changed comes first; a view, trigger or program itself is the first of its own. */
  readonly named: readonly NamedTable[]
}

/** Words of a statement on a table that may stand before its name. */
export const modifiers: ReadonlySet<string> = new Set(
  'IF NOT EXISTS IGNORE LOW_PRIORITY HIGH_PRIORITY DELAYED QUICK INTO FROM TABLE TABLES ONLINE LOCAL NO_WRITE_TO_BINLOG'.split(' '),
)
/** Behind these stands a table wherever they are, and behind the others when the statement begins with them. */
const anywhere: ReadonlySet<string> = new Set(['TABLE', 'TABLES', 'INTO', 'FROM', 'JOIN', 'STRAIGHT_JOIN', 'REFERENCES', 'SEQUENCE'])
const atBeginning: ReadonlySet<string> = new Set(['INSERT', 'REPLACE', 'UPDATE', 'DELETE', 'TRUNCATE'])
const programs: ReadonlySet<string> = new Set(['PROCEDURE', 'FUNCTION', 'EVENT', 'PACKAGE'])
/** As far behind its verb as a statement says what it is about: DEFINER, ALGORITHM and the like stand between. */
const headTokens = 24

/**
 * The tables that a statement names with or without their schema. Source: MySQL 8.4 manual, "SQL Statements", and the same of MariaDB.
 *
 * @param tokens without spaces and comments
 * @param defaultSchema of names without one
 */
export function statementTables(tokens: readonly SqlToken[], defaultSchema: string): StatementTables {
  const verb = tokens[0]?.word ?? ''
  const head = tokens
    .slice(0, headTokens)
    .findIndex((token) => ['VIEW', 'TRIGGER', 'TABLE', 'INDEX', 'SEQUENCE', 'AS', '('].includes(token.word) || programs.has(token.word))
  const what = ['CREATE', 'ALTER', 'DROP'].includes(verb) ? (tokens[head]?.word ?? '') : ''
  if (programs.has(what)) return { verb, of: 'program', named: nameList(tokens, bodyName(tokens, head), defaultSchema).slice(0, 1) }
  if (what === 'TRIGGER') {
    const on = tokens.findIndex((token, index) => index > head && token.word === 'ON')
    return {
      verb,
      of: 'trigger',
      named: [head + 1, ...(on < 0 ? [] : [on + 1])].flatMap((at) => nameList(tokens, at, defaultSchema).slice(0, 1)),
    }
  }
  const named = what === 'VIEW' ? nameList(tokens, head + 1, defaultSchema) : []
  for (const [index, token] of tokens.entries()) {
    if ((token.type !== 'word' && token.type !== 'symbol') || tokens[index - 1]?.word === '.' || !opensTable(tokens, index, verb, what))
      continue
    named.push(...nameList(tokens, index + 1, defaultSchema))
  }
  return { verb, of: what === 'VIEW' ? 'view' : 'tables', named: withoutRepeated(named) }
}

function withoutRepeated(named: readonly NamedTable[]): readonly NamedTable[] {
  return [...new Map(named.map((one) => [`${one.schema}\0${one.table}`, one])).values()]
}

function opensTable(tokens: readonly SqlToken[], index: number, verb: string, what: string): boolean {
  const { word } = tokens[index] ?? { word: '' }
  if (modifiers.has(tokens[index + 1]?.word ?? '') && anywhere.has(tokens[index + 1]?.word ?? '')) return false
  if (anywhere.has(word)) return true
  if (index === 0) return atBeginning.has(word)
  if (word === 'ON') return what === 'INDEX' && index < headTokens
  if (word === 'TO') return verb === 'RENAME' || (verb === 'ALTER' && tokens[index - 1]?.word === 'RENAME')
  if (word === 'USING') return verb === 'DELETE'
  if (word === 'LIKE') return verb === 'CREATE' && what === 'TABLE' && index < headTokens
  if (word === 'AS' || word === '=') return verb === 'ALTER' && tokens[index - 1]?.word === 'RENAME'
  return word === 'RENAME' && verb === 'ALTER' && !['COLUMN', 'INDEX', 'KEY', 'TO', 'AS'].includes(tokens[index + 1]?.word ?? '')
}

/** PACKAGE BODY names the package behind a second word. */
function bodyName(tokens: readonly SqlToken[], head: number): number {
  return head + (tokens[head]?.word === 'PACKAGE' && tokens[head + 1]?.word === 'BODY' ? 2 : 1)
}

/** Names from a token on, with what follows behind commas, each perhaps with an alias. */
function nameList(tokens: readonly SqlToken[], from: number, defaultSchema: string): NamedTable[] {
  const found: NamedTable[] = []
  let at = from
  for (;;) {
    while (tokens[at]?.type === 'word' && modifiers.has(tokens[at]?.word ?? '')) at++
    const first = tokens[at]
    if (!isName(first)) return found
    const second = tokens[at + 1]?.word === '.' ? tokens[at + 2] : undefined
    if (second === undefined) found.push({ schema: defaultSchema, table: first.name })
    else found.push({ schema: first.name, table: second.name })
    at += second === undefined ? 1 : 3
    if (tokens[at]?.word === 'AS') at++
    if (isName(tokens[at]) && tokens[at + 1]?.word === ',') at++
    if (tokens[at]?.word !== ',') return found
    at++
  }
}

export function isName(token: SqlToken | undefined): token is SqlToken {
  return token !== undefined && (token.type === 'identifier' || (token.type === 'word' && !token.name.startsWith('@')))
}
