import { BackupError } from '@backup-planet/core'

/**
 * One piece of a statement. `text.slice(begin, end)` is the piece as it was written; joined in order the pieces are the
 * whole statement again.
 */
export interface SqlToken {
  readonly type:
    | 'space'
    | 'comment'
    /** `/*!50100` or `/*M!100301`: what follows is executed. Ends with an `executable-end`. */
    | 'executable-begin'
    | 'executable-end'
    /** Unquoted word or number; compare `word`. */
    | 'word'
    /** Quoted identifier; its meaning is `name`. */
    | 'identifier'
    | 'string'
    | 'symbol'
  readonly begin: number
  readonly end: number
  /** Upper-case for words, the character for symbols, otherwise empty. */
  readonly word: string
  /** The name that a word or quoted identifier stands for. */
  readonly name: string
}

export interface SqlDialect {
  /** SQL mode ANSI_QUOTES: double quotes are identifiers. */
  readonly ansiQuotes?: boolean
  /** SQL mode NO_BACKSLASH_ESCAPES: a backslash in a string is a backslash. */
  readonly noBackslashEscapes?: boolean
}

/** How a statement is read that was created under this `sql_mode`. */
export function dialectOf(sqlMode: string): SqlDialect {
  const modes = sqlMode.toUpperCase().split(',')
  const ansi = ['ANSI_QUOTES', 'ANSI', 'ORACLE', 'DB2', 'MAXDB', 'MSSQL', 'POSTGRESQL']
  return { ansiQuotes: modes.some((mode) => ansi.includes(mode)), noBackslashEscapes: modes.includes('NO_BACKSLASH_ESCAPES') }
}

const space = /[ \t\n\r\f\v]+/y
const word = /(?:[0-9A-Za-z_$@]|[\u0080-\uffff])+/y
const executable = /\/\*M?!\d*/y

/**
 * Cuts a statement of MySQL or MariaDB into tokens (MySQL 8.4 manual, "Language Structure"). Throws `CORRUPTED` for a quote
 * or comment that never ends.
 */
export function tokenizeSql(text: string, dialect: SqlDialect = {}): SqlToken[] {
  const tokens: SqlToken[] = []
  let position = 0
  let depth = 0
  const push = (type: SqlToken['type'], end: number, tokenWord = '', name = ''): void => {
    tokens.push({ type, begin: position, end, word: tokenWord, name })
    position = end
  }
  while (position < text.length) {
    const character = text.charAt(position)
    const spaceEnd = matchEnd(space, text, position)
    if (spaceEnd !== undefined) push('space', spaceEnd)
    else if (character === '`' || (character === '"' && dialect.ansiQuotes === true)) {
      const end = quoteEnd(text, position, false)
      push('identifier', end, '', text.slice(position + 1, end - 1).replaceAll(character + character, character))
    } else if (character === "'" || character === '"') push('string', quoteEnd(text, position, dialect.noBackslashEscapes !== true))
    else if (character === '#' || isDashComment(text, position)) push('comment', lineEnd(text, position))
    else if (text.startsWith('/*', position)) {
      const begin = matchEnd(executable, text, position)
      if (begin !== undefined) {
        depth++
        push('executable-begin', begin)
      } else push('comment', commentEnd(text, position))
    } else if (depth > 0 && text.startsWith('*/', position)) {
      depth--
      push('executable-end', position + 2)
    } else {
      const wordEnd = matchEnd(word, text, position)
      if (wordEnd === undefined) push('symbol', position + 1, character)
      else {
        const name = text.slice(position, wordEnd)
        push('word', wordEnd, name.toUpperCase(), name)
      }
    }
  }
  if (depth > 0) throw unended('executable comment', text)
  return tokens
}

/** Without spaces and comments. */
export function significantTokens(tokens: readonly SqlToken[]): SqlToken[] {
  return tokens.filter((token) => token.type !== 'space' && token.type !== 'comment')
}

export interface SqlEdit {
  readonly begin: number
  readonly end: number
  readonly text: string
}

/** Replaces pieces that do not overlap. */
export function applyEdits(text: string, edits: readonly SqlEdit[]): string {
  let result = ''
  let position = 0
  for (const edit of [...edits].sort((a, b) => a.begin - b.begin)) {
    if (edit.begin < position) throw new TypeError('edits of a statement overlap')
    result += text.slice(position, edit.begin) + edit.text
    position = edit.end
  }
  return result + text.slice(position)
}

function matchEnd(pattern: RegExp, text: string, position: number): number | undefined {
  pattern.lastIndex = position
  return pattern.test(text) ? pattern.lastIndex : undefined
}

/** `--` begins a comment only before a space, a control character or the end. */
function isDashComment(text: string, position: number): boolean {
  if (!text.startsWith('--', position)) return false
  const next = text.charAt(position + 2)
  return next === '' || next <= ' '
}

function lineEnd(text: string, position: number): number {
  const end = text.indexOf('\n', position)
  return end < 0 ? text.length : end + 1
}

function commentEnd(text: string, position: number): number {
  const end = text.indexOf('*/', position + 2)
  if (end < 0) throw unended('comment', text)
  return end + 2
}

/** Position after the closing quote; a doubled quote stands for itself. */
function quoteEnd(text: string, position: number, backslash: boolean): number {
  const quote = text.charAt(position)
  for (let index = position + 1; index < text.length; index++) {
    const character = text.charAt(index)
    if (backslash && character === '\\') index++
    else if (character === quote) {
      if (text.charAt(index + 1) === quote) index++
      else return index + 1
    }
  }
  throw unended(`quote ${quote}`, text)
}

function unended(what: string, text: string): BackupError {
  return new BackupError(`the statement "${text.slice(0, 60)}" has a ${what} that never ends`, {
    code: 'CORRUPTED',
    hint: 'The backup was damaged or tampered with; restore another one.',
  })
}
