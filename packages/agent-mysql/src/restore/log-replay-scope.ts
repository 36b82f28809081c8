import { statementWords } from './log-replay-words.ts'
import type { SqlDialect, SqlToken } from './sql-tokenizer.ts'

/** What of the server a logged statement is about. */
export type StatementScope =
  /** Only schemas that are restored. */
  | { readonly of: 'selected' }
  /** Only schemas that are not. */
  | { readonly of: 'others' }
  /** Both, or nobody can tell. */
  | { readonly of: 'both' }
  /** Accounts, as `user@host`; roles as `role@`. */
  | { readonly of: 'accounts'; readonly accounts: readonly string[] }

const schemaWords: ReadonlySet<string> = new Set(['DATABASE', 'SCHEMA'])

/**
 * Which schemas a statement touches, judged by its default schema and by every name before a dot in it. Rather `both` than wrong: an alias before a dot
 * counts as a schema, except for NEW and OLD of triggers.
 */
export function statementScope(
  text: string,
  dialect: SqlDialect,
  defaultSchema: string,
  isSelected: (schema: string) => boolean,
): StatementScope {
  const tokens = statementWords(text, dialect)
  const accounts = accountsOf(tokens, text)
  if (accounts !== undefined) return { of: 'accounts', accounts }
  const named = namedDatabase(tokens)
  if (named !== undefined) return { of: isSelected(named) ? 'selected' : 'others' }
  const schemas = new Set(qualifiers(tokens))
  if (defaultSchema !== '') schemas.add(defaultSchema)
  if (schemas.size === 0) return { of: 'both' }
  const selected = [...schemas].filter(isSelected).length
  return { of: selected === schemas.size ? 'selected' : selected === 0 ? 'others' : 'both' }
}

/** CREATE, ALTER or DROP DATABASE name a schema, whatever the default is. */
export function namedDatabase(tokens: readonly SqlToken[]): string | undefined {
  const verb = tokens[0]?.word ?? ''
  const at = tokens.findIndex((token, index) => index > 0 && index < 4 && schemaWords.has(token.word))
  if (at < 0 || !['CREATE', 'ALTER', 'DROP'].includes(verb)) return undefined
  const name = tokens
    .slice(at + 1)
    .find((token) => token.type === 'identifier' || (token.type === 'word' && !['IF', 'NOT', 'EXISTS'].includes(token.word)))
  return name?.name
}

function qualifiers(tokens: readonly SqlToken[]): string[] {
  return tokens.flatMap((token, index) => {
    const next = tokens[index + 1]
    const before = tokens[index - 1]
    const isName = token.type === 'identifier' || (token.type === 'word' && !/^\d/.test(token.name) && !token.name.startsWith('@'))
    if (!isName || next?.word !== '.' || before?.word === '.') return []
    return token.word === 'NEW' || token.word === 'OLD' ? [] : [token.name]
  })
}

const accountVerbs: readonly (readonly string[])[] = [
  ['CREATE', 'USER'],
  ['ALTER', 'USER'],
  ['DROP', 'USER'],
  ['RENAME', 'USER'],
  ['CREATE', 'ROLE'],
  ['DROP', 'ROLE'],
  ['CREATE', 'OR', 'REPLACE', 'USER'],
  ['CREATE', 'OR', 'REPLACE', 'ROLE'],
  ['GRANT'],
  ['REVOKE'],
  ['SET', 'PASSWORD'],
  ['SET', 'DEFAULT', 'ROLE'],
]

/** The accounts that an account statement names, or all that could be some; `undefined` for other statements. */
function accountsOf(tokens: readonly SqlToken[], text: string): string[] | undefined {
  const textOf = (token: SqlToken | undefined): string => {
    if (token?.type !== 'string') return token?.name ?? ''
    const quote = text.charAt(token.begin)
    return text.slice(token.begin + 1, token.end - 1).replaceAll(quote + quote, quote)
  }
  if (!accountVerbs.some((words) => words.every((word, index) => tokens[index]?.word === word))) return undefined
  const named: string[] = []
  for (const [index, token] of tokens.entries()) {
    const whole = token.type === 'word' ? /^([^@]+)@([^@]+)$/.exec(token.name) : null
    if (whole !== null) named.push(`${whole[1]}@${whole[2]}`)
    else if (isAt(token)) {
      const user = tokens[index - 1]
      const host = token.name === '@' ? tokens[index + 1] : undefined
      if (user !== undefined) named.push(`${textOf(user)}@${host === undefined ? token.name.slice(1) : textOf(host)}`)
    } else if (token.type === 'word' && token.name.endsWith('@')) named.push(`${token.name}${textOf(tokens[index + 1])}`)
    else if (token.type !== 'symbol' && !isAt(tokens[index + 1])) named.push(`${textOf(token)}@`, `${textOf(token)}@%`)
  }
  return named
}

function isAt(token: SqlToken | undefined): boolean {
  return token?.type === 'word' && token.name.startsWith('@')
}
