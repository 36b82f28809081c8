import { type SqlDialect, type SqlToken, significantTokens, tokenizeSql } from './sql-tokenizer.ts'

/**
 * The words that say what a logged statement does: what stands in executable comments is executed and counts, and `SET STATEMENT … FOR` (MariaDB) before a
 * statement says nothing of it. Throws what cutting into words throws.
 */
export function statementWords(text: string, dialect: SqlDialect): SqlToken[] {
  const tokens = significantTokens(tokenizeSql(text, dialect)).filter(
    ({ type }) => type !== 'executable-begin' && type !== 'executable-end',
  )
  if (tokens[0]?.word !== 'SET' || tokens[1]?.word !== 'STATEMENT') return tokens
  const end = tokens.findIndex(({ word }) => word === 'FOR')
  return end < 0 ? tokens : tokens.slice(end + 1)
}

/** Number of the first token that stands behind parentheses or in none, from one on, and is one of some words; of the end where there is none. */
export function outerIndex(tokens: readonly SqlToken[], from: number, words: ReadonlySet<string>): number {
  let depth = 0
  for (let at = from; at < tokens.length; at++) {
    const word = tokens[at]?.word ?? ''
    if (word === '(') depth++
    else if (word === ')') depth--
    else if (depth === 0 && words.has(word)) return at
  }
  return tokens.length
}
