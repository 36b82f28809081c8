import { BackupError } from '@backup-planet/core'
import { applyEdits, type SqlToken, significantTokens, tokenizeSql } from './sql-tokenizer.ts'

export type DefinitionKind = 'column' | 'primary' | 'unique' | 'key' | 'fulltext' | 'spatial' | 'foreign' | 'check' | 'period' | 'other'

/** One comma-separated part between the parentheses of CREATE TABLE. */
export interface TableDefinition {
  readonly kind: DefinitionKind
  /** As it was written, without the surrounding space. */
  readonly text: string
  /** Of the column, key or constraint, where it has one. */
  readonly name?: string
  /** Of a key: the columns it begins with and holds; an expression is left out. */
  readonly columns: readonly string[]
  /** A column with AUTO_INCREMENT. */
  readonly autoIncrement: boolean
  /** A key that must stay with its table: WITHOUT OVERLAPS, USING HASH. */
  readonly fixed: boolean
}

/** `begin`, the definitions separated by commas, and `tail` are the statement again. */
export interface CreateTableText {
  /** Up to and with the opening parenthesis. */
  readonly begin: string
  readonly definitions: readonly TableDefinition[]
  /** From the closing parenthesis on: options and partitions. */
  readonly tail: string
  readonly versioned: boolean
}

/**
 * Takes the text of SHOW CREATE TABLE apart without losing a character that matters. Throws `CORRUPTED` when it is no
 * CREATE TABLE with a list of definitions.
 */
export function splitCreateTable(text: string): CreateTableText {
  const tokens = significantTokens(tokenizeSql(text))
  const open = tokens.findIndex((token) => token.word === '(' && token.type === 'symbol')
  if (tokens[0]?.word !== 'CREATE' || open < 0) throw notCreateTable(text)
  const parts: SqlToken[][] = [[]]
  let depth = 1
  let close: SqlToken | undefined
  for (const token of tokens.slice(open + 1)) {
    if (token.type === 'symbol') {
      if (token.word === '(') depth++
      if (token.word === ')') depth--
      if (depth === 0) {
        close = token
        break
      }
      if (token.word === ',' && depth === 1) {
        parts.push([])
        continue
      }
    }
    parts.at(-1)?.push(token)
  }
  if (close === undefined || parts.some((part) => part.length === 0)) throw notCreateTable(text)
  const end = close.end
  return {
    begin: text.slice(0, tokens[open]?.end),
    definitions: parts.map((part) => readDefinition(text, part)),
    tail: text.slice(close.begin),
    versioned: hasWords(
      tokens.filter((token) => token.begin >= end),
      'WITH',
      'SYSTEM',
      'VERSIONING',
    ),
  }
}

/** The inverse of {@link splitCreateTable}, in the line format of the server. */
export function joinCreateTable(table: CreateTableText): string {
  return `${table.begin}\n  ${table.definitions.map((definition) => definition.text).join(',\n  ')}\n${table.tail}`
}

export interface DeferredTable {
  /** CREATE TABLE with what must be there before rows come. */
  readonly create: string
  /** Groups of keys that one ALTER TABLE each adds after the rows, in the order in which they must be added. */
  readonly keys: readonly (readonly TableDefinition[])[]
  readonly foreignKeys: readonly TableDefinition[]
}

/**
 * Takes foreign keys out, and with `deferKeys` the secondary keys that rows do not need. A key stays when AUTO_INCREMENT needs it,
 * when a unique key clusters the table in place of a primary key, and with every key that stands before one that stays: so the keys
 * come back in the order in which the server printed them. InnoDB builds one FULLTEXT key at a time (MySQL 8.4 manual, "Online DDL
 * Operations"), so each is a group of its own.
 */
export function deferKeys(table: CreateTableText, options: { readonly keys: boolean }): DeferredTable {
  const foreignKeys = table.definitions.filter((definition) => definition.kind === 'foreign')
  const secondary = table.definitions.filter((definition) => isSecondaryKey(definition.kind))
  let kept = 0
  for (const [index, definition] of secondary.entries()) if (mustStay(definition, table)) kept = index + 1
  const deferred = options.keys && !table.versioned ? secondary.slice(kept) : []
  const leftOut = new Set<TableDefinition>([...foreignKeys, ...deferred])
  const create = joinCreateTable({ ...table, definitions: table.definitions.filter((definition) => !leftOut.has(definition)) })
  const plain = deferred.filter((definition) => definition.kind !== 'fulltext')
  const fulltext = deferred.filter((definition) => definition.kind === 'fulltext')
  return { create, foreignKeys, keys: [...(plain.length > 0 ? [plain] : []), ...fulltext.map((definition) => [definition])] }
}

function isSecondaryKey(kind: DefinitionKind): boolean {
  return kind === 'unique' || kind === 'key' || kind === 'fulltext' || kind === 'spatial'
}

function mustStay(key: TableDefinition, table: CreateTableText): boolean {
  if (key.fixed) return true
  const primary = table.definitions.find((definition) => definition.kind === 'primary')
  if (primary === undefined && key.kind === 'unique') return true
  const counter = table.definitions.find((definition) => definition.autoIncrement)?.name
  if (counter === undefined || sameName(primary?.columns[0], counter)) return false
  return key.columns.some((column) => sameName(column, counter))
}

/** Column names are compared without case on every platform. */
function sameName(a: string | undefined, b: string): boolean {
  return a?.toLowerCase() === b.toLowerCase()
}

function readDefinition(text: string, tokens: readonly SqlToken[]): TableDefinition {
  const first = tokens[0]
  const last = tokens.at(-1)
  if (first === undefined || last === undefined) throw notCreateTable(text)
  const kind = definitionKind(tokens)
  const name = definitionName(kind, tokens)
  const isKey = kind === 'primary' || isSecondaryKey(kind)
  return {
    kind,
    text: text.slice(first.begin, last.end),
    ...(name === undefined ? {} : { name }),
    columns: isKey ? keyColumns(tokens) : [],
    autoIncrement:
      kind === 'column' && tokens.some((token, index) => index > 0 && token.type === 'word' && token.word === 'AUTO_INCREMENT'),
    fixed: isKey && (hasWords(tokens, 'WITHOUT', 'OVERLAPS') || (kind === 'unique' && hasWords(tokens, 'USING', 'HASH'))),
  }
}

/** The server quotes every column name, so that an unquoted first word is a keyword. */
function definitionKind(tokens: readonly SqlToken[]): DefinitionKind {
  const first = tokens[0]
  if (first?.type === 'identifier') return 'column'
  switch (first?.word) {
    case 'PRIMARY':
      return 'primary'
    case 'UNIQUE':
      return 'unique'
    case 'KEY':
    case 'INDEX':
      return 'key'
    case 'FULLTEXT':
      return 'fulltext'
    case 'SPATIAL':
      return 'spatial'
    case 'CHECK':
      return 'check'
    case 'PERIOD':
      return 'period'
    case 'CONSTRAINT': {
      const rest = tokens.slice(tokens[1]?.type === 'identifier' ? 2 : 1)
      if (rest[0]?.word === 'FOREIGN') return 'foreign'
      return rest[0]?.word === 'CHECK' ? 'check' : rest[0]?.word === 'UNIQUE' ? 'unique' : rest[0]?.word === 'PRIMARY' ? 'primary' : 'other'
    }
    case 'FOREIGN':
      return 'foreign'
    default:
      return 'other'
  }
}

function definitionName(kind: DefinitionKind, tokens: readonly SqlToken[]): string | undefined {
  if (kind === 'primary') return 'PRIMARY'
  const parenthesis = tokens.findIndex((token) => token.type === 'symbol' && token.word === '(')
  const before = kind === 'column' || parenthesis < 0 ? tokens.slice(0, 3) : tokens.slice(0, parenthesis)
  return before.find((token) => token.type === 'identifier')?.name
}

function keyColumns(tokens: readonly SqlToken[]): string[] {
  const columns: string[] = []
  let depth = 0
  for (const [index, token] of tokens.entries()) {
    if (token.type === 'symbol' && token.word === '(') depth++
    else if (token.type === 'symbol' && token.word === ')') depth--
    else if (depth === 1 && token.type === 'identifier' && /^[(,]$/.test(tokens[index - 1]?.word ?? '')) columns.push(token.name)
    if (depth === 0 && columns.length > 0) break
  }
  return columns
}

export function hasWords(tokens: readonly SqlToken[], ...words: readonly string[]): boolean {
  return tokens.some((_, index) =>
    words.every((word, offset) => tokens[index + offset]?.type === 'word' && tokens[index + offset]?.word === word),
  )
}

/**
 * Leaves out DATA DIRECTORY and INDEX DIRECTORY: they place files anywhere on the target's disks, and a path of another machine is
 * rarely right.
 */
export function withoutDirectories(text: string): { readonly text: string; readonly removed: number } {
  const tokens = significantTokens(tokenizeSql(text))
  const edits = tokens.flatMap((token, index) => {
    const isOption = (token.word === 'DATA' || token.word === 'INDEX') && tokens[index + 1]?.word === 'DIRECTORY'
    const value = tokens[index + 2]?.word === '=' ? tokens[index + 3] : tokens[index + 2]
    if (!isOption || token.type !== 'word' || value?.type !== 'string') return []
    return [{ begin: token.begin, end: value.end, text: '' }]
  })
  return { text: applyEdits(text, edits), removed: edits.length }
}

function notCreateTable(text: string): BackupError {
  return new BackupError(`"${text.slice(0, 60)}" is not the CREATE TABLE of a table with columns`, {
    code: 'CORRUPTED',
    hint: 'The backup was damaged or tampered with; restore another one.',
  })
}
