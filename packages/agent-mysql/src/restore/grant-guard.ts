import { BackupError } from '@backup-planet/core'
import type { DumpAccount } from '../dump-layout.ts'
import { isSemicolon, readAccount, tamperedHint } from './create-statement-guard.ts'
import { applyEdits, type SqlToken, significantTokens, tokenizeSql } from './sql-tokenizer.ts'

type Grantee = Pick<DumpAccount, 'kind' | 'user' | 'host'>

/**
 * A line of SHOW GRANTS: a single GRANT, REVOKE (of a partial revoke) or SET DEFAULT ROLE, to exactly this account and nobody else.
 * MariaDB prints the password again with it, which is left out: that is set when the account is created, and nowhere else.
 * Throws `CORRUPTED`.
 */
export function checkGrantStatement(account: Grantee, text: string): { readonly sql: string; readonly tokens: readonly SqlToken[] } {
  const refuse = (reason: string) =>
    new BackupError(`the grant "${text.slice(0, 40)}" of ${account.user}@${account.host} is refused: ${reason}`, {
      code: 'CORRUPTED',
      hint: tamperedHint,
    })
  const tokens = significantTokens(tokenizeSql(text))
  const before = wordsBeforeGrantee(tokens)
  if (before === undefined) throw refuse('it is not a single GRANT or SET DEFAULT ROLE')
  if (tokens.some((token) => isSemicolon(token) || token.type === 'executable-begin')) throw refuse('it holds more than one statement')
  const places = tokens.flatMap((token, index) => (token.type === 'word' && before.includes(token.word) ? [index] : []))
  const place = places[0]
  if (place === undefined || places.length > 1) throw refuse('it does not say once whom it is for')
  const found = readAccount(tokens, place + 1, text)
  if (found === undefined || !isSame(account, found, tokens[place + 1])) throw refuse(`it is for ${found?.user ?? ''}@${found?.host ?? ''}`)
  const rest = tokens.slice(found.next)
  if (rest.some((token) => token.word === ',') || !/^(WITH|REQUIRE|IDENTIFIED|)$/.test(rest[0]?.word ?? '')) {
    throw refuse('it is for more than one account, or says more than a grant')
  }
  const sql = grantWithoutPassword(text)
  if (sql === undefined) throw refuse('it sets a password')
  return { sql, tokens: significantTokens(tokenizeSql(sql)) }
}

/** The words that stand before the account, by the kind of statement; `undefined` when it is of none. */
function wordsBeforeGrantee(tokens: readonly SqlToken[]): readonly string[] | undefined {
  const [first, second, third] = tokens.map((token) => (token.type === 'word' ? token.word : ''))
  if (first === 'GRANT') return ['TO']
  if (first === 'REVOKE') return ['FROM']
  return first === 'SET' && second === 'DEFAULT' && third === 'ROLE' ? ['FOR', 'TO'] : undefined
}

/** PUBLIC is everybody, however it is written, and CURRENT_USER is whoever restores. */
function isSame(account: Grantee, found: { readonly user: string; readonly host: string }, first: SqlToken | undefined): boolean {
  if (first?.type === 'word' && /^CURRENT_(USER|ROLE)$/.test(first.word)) return false
  if (found.user.toUpperCase() === 'PUBLIC' && found.host === '') return account.user === 'PUBLIC' && account.kind === 'role'
  return found.user === account.user && found.host === account.host
}

/**
 * A grant as it is without IDENTIFIED BY PASSWORD 'hash' or IDENTIFIED VIA plugin USING 'hash' OR plugin …, which would change the password of an
 * account that is there; `undefined` for a password in clear, which no server prints.
 */
export function grantWithoutPassword(text: string): string | undefined {
  const tokens = significantTokens(tokenizeSql(text))
  const identified = tokens.findIndex((token) => token.type === 'word' && token.word === 'IDENTIFIED')
  const begin = tokens[identified]
  if (begin === undefined) return text
  const [how, what] = [tokens[identified + 1]?.word, tokens[identified + 2]?.word]
  if (!(how === 'BY' && what === 'PASSWORD') && how !== 'VIA' && how !== 'WITH') return undefined
  const next = tokens.slice(identified + 2).find((token) => token.type === 'word' && (token.word === 'REQUIRE' || token.word === 'WITH'))
  return applyEdits(text, [{ begin: begin.begin, end: next?.begin ?? text.length, text: '' }]).trimEnd()
}
