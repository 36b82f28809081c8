import { isName, modifiers, type StatementTables } from './log-replay-tables.ts'
import { outerIndex } from './log-replay-words.ts'
import type { SqlToken } from './sql-tokenizer.ts'

const onOneTable: ReadonlySet<string> = new Set(['INSERT', 'REPLACE', 'TRUNCATE'])
const definitions: ReadonlySet<string> = new Set('CREATE ALTER DROP RENAME ANALYZE OPTIMIZE REPAIR CHECK'.split(' '))
const defined: ReadonlySet<string> = new Set(['TABLE', 'TABLES', 'SEQUENCE', 'INDEX'])
/** As far behind its verb as stands what is defined: `CREATE OR REPLACE TEMPORARY TABLE`. */
const definedTokens = 6

/**
 * Whether everything that a statement changes is among the tables that it is known to name. Where not, what it names says nothing of what it changes:
 * calls of functions, WITH before a change, lists in parentheses, words that nobody here knows.
 */
export function isTargetFound(tokens: readonly SqlToken[], { verb, of, named }: StatementTables): boolean {
  if (of !== 'tables') return named.length > 0
  if (verb === 'FLUSH') return true
  if (onOneTable.has(verb)) return isTableAt(tokens, 1)
  if (verb === 'UPDATE') return isTableAt(tokens, 1) && isPlainList(tokens, ['SET'])
  if (verb === 'DELETE') return isTableAt(tokens, 1) && isPlainList(tokens, ['WHERE', 'ORDER', 'LIMIT', 'RETURNING'])
  if (!definitions.has(verb)) return false
  const at = tokens.findIndex(({ word }, index) => index > 0 && index < definedTokens && defined.has(word))
  if (at < 0) return false
  return tokens[at]?.word === 'INDEX' ? named.length > 0 : isTableAt(tokens, at + 1)
}

function isTableAt(tokens: readonly SqlToken[], from: number): boolean {
  let at = from
  while (tokens[at]?.type === 'word' && modifiers.has(tokens[at]?.word ?? '')) at++
  return isName(tokens[at])
}

/** One table, or several in a list without parentheses: tables may stand in those, and behind them unseen. */
function isPlainList(tokens: readonly SqlToken[], ends: readonly string[]): boolean {
  const end = outerIndex(tokens, 1, new Set(ends))
  const several = outerIndex(tokens, 1, new Set([',', 'JOIN', 'STRAIGHT_JOIN'])) < end
  return !several || !tokens.slice(1, end).some(({ word }) => word === '(')
}
