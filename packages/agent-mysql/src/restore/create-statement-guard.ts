import { BackupError } from '@backup-planet/core'
import type { DumpAccount } from '../dump-layout.ts'
import { dialectOf, type SqlDialect, type SqlToken, significantTokens, tokenizeSql } from './sql-tokenizer.ts'

export type CreateKind =
  | 'schema'
  | 'sequence'
  | 'table'
  | 'view'
  | 'function'
  | 'procedure'
  | 'package'
  | 'package body'
  | 'trigger'
  | 'event'

/** Words that stand between CREATE and the name, by kind; a definer and an algorithm are read apart. */
const heads: Readonly<Record<CreateKind, readonly (readonly string[])[]>> = {
  schema: [['DATABASE'], ['SCHEMA']],
  sequence: [['SEQUENCE']],
  table: [['TABLE']],
  view: [['VIEW']],
  function: [['FUNCTION'], ['AGGREGATE', 'FUNCTION']],
  procedure: [['PROCEDURE']],
  package: [['PACKAGE']],
  'package body': [['PACKAGE', 'BODY']],
  trigger: [['TRIGGER']],
  event: [['EVENT']],
}

const withBody: ReadonlySet<CreateKind> = new Set(['function', 'procedure', 'package', 'package body', 'trigger', 'event'])

export interface CheckedCreate {
  readonly tokens: readonly SqlToken[]
  /** Tokens of the name, `schema . name` when it is qualified. */
  readonly nameTokens: readonly SqlToken[]
  /** Index in `tokens` of what follows the name. */
  readonly afterName: number
  /** `user` and `host` tokens with everything from DEFINER to the account. */
  readonly definer?: { readonly begin: number; readonly end: number; readonly user: string; readonly host: string }
}

/**
 * A backup holds data, and its statements may have been written by others: only a single CREATE of the expected kind and name
 * passes. Statements without a body may hold no `;` at all, those with one must keep every `;` inside of it, and nothing up to the
 * name may hide in an executable comment. Throws `CORRUPTED`.
 */
export function checkCreateStatement(
  expected: { readonly kind: CreateKind; readonly name: string; readonly schema: string; readonly sqlMode?: string },
  text: string,
): CheckedCreate {
  const dialect: SqlDialect = expected.sqlMode === undefined ? {} : dialectOf(expected.sqlMode)
  const refuse = (reason: string) => refused(expected.kind, expected.name, reason)
  const tokens = significantTokens(tokenizeSql(text, dialect))
  const head = readHead(tokens, expected.kind, text)
  if (head === undefined) throw refuse(`it begins with "${text.slice(0, 60)}"`)
  const { nameIndex, definer } = head
  const qualified = tokens[nameIndex + 1]?.word === '.'
  const nameTokens = tokens.slice(nameIndex, nameIndex + (qualified ? 3 : 1))
  const last = nameTokens.at(-1)
  if (last?.name !== expected.name) throw refuse(`it creates ${JSON.stringify(last?.name ?? '')}`)
  if (qualified && nameTokens[0]?.name !== expected.schema) throw refuse(`it creates something in ${JSON.stringify(nameTokens[0]?.name)}`)
  if (last?.type !== 'identifier' && last?.type !== 'word') throw refuse('it has no name')
  const afterName = nameIndex + nameTokens.length
  const rest = tokens.slice(afterName)
  if (expected.kind === 'function' && namesLibrary(rest)) throw refuse('it loads a library')
  if (withBody.has(expected.kind)) {
    if (semicolonOutsideBody(rest, expected.sqlMode ?? '')) throw refuse('it holds a second statement')
  } else if (tokens.some(isSemicolon)) throw refuse('it holds a second statement')
  if (expected.kind === 'table' && copiesTable(rest)) throw refuse('it copies from another table')
  return { tokens, nameTokens, afterName, ...(definer === undefined ? {} : { definer }) }
}

function namesLibrary(afterName: readonly SqlToken[]): boolean {
  const tokens = afterName.filter((token) => token.type !== 'executable-begin' && token.type !== 'executable-end')
  return tokens.some((token, index) => token.type === 'word' && token.word === 'SONAME' && tokens[index + 1]?.type === 'string')
}

/** LIKE, SELECT and (MySQL 8) TABLE name another table; behind the first place of the list, LIKE is the operator of a CHECK or a generated column. */
function copiesTable(afterName: readonly SqlToken[]): boolean {
  const [open, first] = afterName.filter((token) => token.type !== 'executable-begin')
  const isWord = (token: SqlToken | undefined, word: string): boolean => token?.type === 'word' && token.word === word
  if (open?.word !== '(' || isWord(first, 'LIKE')) return true
  return afterName.some((token) => isWord(token, 'SELECT') || isWord(token, 'TABLE'))
}

/** The CREATE USER or CREATE ROLE of exactly this account, and an ALTER USER that says how long its passwords last. Throws `CORRUPTED`. */
export function checkAccountStatements(account: DumpAccount): void {
  const { create, alter } = account
  const isCreate = afterAccount(account, 'CREATE', create) !== undefined
  if (isCreate && (alter === undefined || /^ PASSWORD EXPIRE (NEVER|INTERVAL \d+ DAY)$/.test(afterAccount(account, 'ALTER', alter) ?? '')))
    return
  throw new BackupError(`the statement for account ${account.user}@${account.host} is refused: it does something else`, {
    code: 'CORRUPTED',
    hint: tamperedHint,
  })
}

/** What follows the account in a single CREATE or ALTER of exactly this one; `undefined` for any other statement. */
function afterAccount(account: DumpAccount, verb: 'CREATE' | 'ALTER', text: string): string | undefined {
  const tokens = significantTokens(tokenizeSql(text))
  if (tokens[0]?.word !== verb || tokens[1]?.word !== account.kind.toUpperCase()) return undefined
  const found = readAccount(tokens, 2, text)
  if (found?.user !== account.user || found.host !== account.host || tokens[found.next]?.word === ',') return undefined
  return tokens.some((token) => isSemicolon(token) || token.type === 'executable-begin') ? undefined : text.slice(found.end)
}

function readHead(tokens: readonly SqlToken[], kind: CreateKind, text: string) {
  let index = 0
  const take = (...words: readonly string[]): boolean => {
    if (!words.every((word, offset) => tokens[index + offset]?.type !== 'identifier' && tokens[index + offset]?.word === word)) return false
    index += words.length
    return true
  }
  if (!take('CREATE')) return undefined
  take('OR', 'REPLACE')
  let definer: CheckedCreate['definer']
  for (let going = true; going; ) {
    going = false
    if (take('ALGORITHM', '=')) going = tokens[index++]?.type === 'word'
    else if (take('SQL', 'SECURITY')) going = tokens[index++]?.type === 'word'
    else if (tokens[index]?.word === 'DEFINER' && tokens[index + 1]?.word === '=') {
      const account = readAccount(tokens, index + 2, text)
      if (account === undefined) return undefined
      definer = { begin: tokens[index]?.begin ?? 0, end: account.end, user: account.user, host: account.host }
      index = account.next
      going = true
    }
  }
  if (!heads[kind].some((words) => take(...words))) return undefined
  // SHOW CREATE DATABASE of MySQL writes its condition as an executable comment.
  if (kind === 'schema' && tokens[index]?.type === 'executable-begin') index++
  take('IF', 'NOT', 'EXISTS')
  if (tokens[index]?.type === 'executable-end') index++
  return { nameIndex: index, definer }
}

/** `user`@`host`, 'user'@'host', user@host, or a role without host. */
export function readAccount(tokens: readonly SqlToken[], index: number, text: string) {
  const user = tokens[index]
  if (user === undefined || (user.type !== 'identifier' && user.type !== 'string' && user.type !== 'word')) return undefined
  if (user.type === 'word') {
    const [name = '', host] = splitOnce(user.name)
    const next = tokens[index + 1]
    if (host === '' && next !== undefined && next.begin === user.end) {
      return { user: name, host: accountPart(next, text), end: next.end, next: index + 2 }
    }
    // An unquoted host with dots or percent would be quoted by the server.
    return { user: name, host: host ?? '', end: user.end, next: index + 1 }
  }
  const at = tokens[index + 1]
  if (at?.type !== 'word' || !at.name.startsWith('@') || at.begin !== user.end) {
    return { user: accountPart(user, text), host: '', end: user.end, next: index + 1 }
  }
  if (at.name.length > 1) return { user: accountPart(user, text), host: at.name.slice(1), end: at.end, next: index + 2 }
  const host = tokens[index + 2]
  if (host === undefined) return undefined
  return { user: accountPart(user, text), host: accountPart(host, text), end: host.end, next: index + 3 }
}

function splitOnce(text: string): [string] | [string, string] {
  const at = text.indexOf('@')
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

function accountPart(token: SqlToken, text: string): string {
  if (token.type !== 'string') return token.name
  const quote = text.charAt(token.begin)
  return text.slice(token.begin + 1, token.end - 1).replaceAll(quote + quote, quote)
}

export function isSemicolon(token: SqlToken): boolean {
  return token.type === 'symbol' && token.word === ';'
}

/**
 * Whether a `;` with something after it stands outside of what can be a block: before the first word that opens one or after the last
 * END. What this lets through the server still refuses, because our connections take one statement at a time.
 */
function semicolonOutsideBody(tokens: readonly SqlToken[], sqlMode: string): boolean {
  const openers = sqlMode.toUpperCase().split(',').includes('ORACLE') ? oracleOpeners : blockOpeners
  const first = tokens.findIndex((token) => token.type === 'word' && openers.has(token.word))
  const last = tokens.findLastIndex((token) => token.type === 'word' && token.word === 'END')
  return tokens.some((token, index) => isSemicolon(token) && index < tokens.length - 1 && (first < 0 || index < first || index > last))
}

const blockOpeners: ReadonlySet<string> = new Set(['BEGIN', 'CASE', 'IF', 'LOOP', 'REPEAT', 'WHILE', 'FOR'])
/** In SQL mode ORACLE declarations stand before BEGIN. */
const oracleOpeners: ReadonlySet<string> = new Set([...blockOpeners, 'AS', 'IS', 'DECLARE'])

export const tamperedHint = 'The backup was damaged or tampered with; nothing of this statement was executed. Restore another backup.'

function refused(kind: CreateKind, name: string, reason: string): BackupError {
  return new BackupError(`the statement for ${kind} ${JSON.stringify(name)} is refused: ${reason}`, {
    code: 'CORRUPTED',
    hint: tamperedHint,
  })
}
