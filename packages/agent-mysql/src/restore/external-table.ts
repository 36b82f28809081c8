import { type SqlToken, significantTokens, tokenizeSql } from './sql-tokenizer.ts'

/** Engines that keep rows in the data directory of the server or in its memory, or keep none. */
const localEngines: ReadonlySet<string> = new Set([
  'INNODB',
  'XTRADB',
  'MYISAM',
  'ARIA',
  'MEMORY',
  'HEAP',
  'CSV',
  'ARCHIVE',
  'BLACKHOLE',
  'MERGE',
  'MRG_MYISAM',
  'ROCKSDB',
  'TOKUDB',
  'MROONGA',
  'COLUMNSTORE',
  'NDB',
  'NDBCLUSTER',
])

/**
 * What in a CREATE TABLE lets the server read or write files outside of its data directory, other hosts, or tables of other schemas:
 * a text such as `ENGINE=CONNECT`; `undefined` when there is nothing of the kind. DATA DIRECTORY and INDEX DIRECTORY are left out elsewhere. Engines that
 * nobody knows count as such (MariaDB documentation, "CONNECT", "Spider", "FederatedX", "MERGE"; MySQL 8.4 manual, "CREATE TABLE Statement").
 *
 * @param schema the schema that the table is in, in the backup
 */
export function externalReach(create: string, schema: string): string | undefined {
  const tokens = significantTokens(tokenizeSql(create))
  for (const [index, token] of tokens.entries()) {
    if (token.type !== 'word') continue
    // Columns are quoted, so that an unquoted word is a keyword or belongs to an expression.
    const value = tokens[index + 1]?.word === '=' ? tokens[index + 2] : tokens[index + 1]
    if (token.word === 'ENGINE' && value !== undefined && !localEngines.has(textOf(value, create).toUpperCase())) {
      return `ENGINE=${textOf(value, create)}`
    }
    if (token.word === 'CONNECTION' && value?.type === 'string') return 'CONNECTION'
    if (token.word === 'UNION' && value?.word === '(' && hasOtherSchema(tokens.slice(index), schema))
      return 'UNION over tables of other schemas'
  }
  return undefined
}

function textOf(token: SqlToken, text: string): string {
  return token.type === 'string' ? text.slice(token.begin + 1, token.end - 1) : token.name
}

function hasOtherSchema(list: readonly SqlToken[], schema: string): boolean {
  const end = list.findIndex((token) => token.word === ')')
  return list.slice(0, end < 0 ? undefined : end).some((token, index) => list[index + 1]?.word === '.' && token.name !== schema)
}
