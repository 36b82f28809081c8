import { isUtf8 } from 'node:buffer'
import { BackupError } from '@backup-planet/core'
import type { MysqlSession } from '../mysql-connection.ts'
import { type ServerRow, utf8Text } from '../mysql-rows.ts'
import { applyEdits, dialectOf, type SqlDialect, type SqlEdit, type SqlToken, tokenizeSql } from '../restore/sql-tokenizer.ts'

/** Encodings in which a trailing byte may be a quote or a backslash, or nothing is ASCII: their text is not cut into tokens as bytes. */
const multiByte = /^(sjis|cp932|gbk|gb2312|gb18030|big5|euckr|eucjpms|ujis)$/

/**
 * The statement of `SHOW CREATE …` as text that creates exactly the same again. The server prints string literals with an introducer, and
 * defaults of binary columns, byte for byte in the middle of text of another character set; such a literal becomes `x'…'`, which means the same in
 * every character set. Throws `UNSUPPORTED` for bytes outside of literals that are no text, and `ACCESS_DENIED` for a statement that the account may not see.
 *
 * The session must have `character_set_results = NULL`: the server would replace by question marks what it cannot convert.
 *
 * @param column where the statement stands
 */
export function definitionText(row: ServerRow | undefined, column: number, what: string): string {
  if (row === undefined) return ''
  const bytes = row.bytes(column)
  return bytes === undefined ? row.text(row.columns[column] ?? '') : plainText(bytes, {}, '', what)
}

/** {@link definitionText} of a view or a stored program, whose bytes are of the character set of the client that created it. */
export async function programText(
  session: MysqlSession,
  row: ServerRow,
  column: string,
  context: { readonly characterSetClient: string; readonly sqlMode: string },
  what: string,
): Promise<string> {
  const index = row.columns.indexOf(column)
  const bytes = row.bytes(index)
  if (bytes === undefined) return row.text(column)
  const client = context.characterSetClient
  const dialect = dialectOf(context.sqlMode)
  if (bytes.every((byte) => byte < 0x80)) return utf8Text(bytes, what)
  if (client === '' || client === 'binary' || client.startsWith('utf8')) return plainText(bytes, dialect, client, what)
  if (!/^\w+$/.test(client)) throw new TypeError(`${client} is no character set`)
  const raw = Buffer.from(bytes)
  const safe = multiByte.test(client) ? raw : Buffer.from(introducedAsHex(raw.toString('latin1'), dialect), 'latin1')
  const [converted] = await session.rows(
    `SELECT CONVERT(_${client} x'${safe.toString('hex')}' USING utf8mb4) AS text, HEX(CONVERT(CONVERT(_${client} x'${safe.toString('hex')}' USING utf8mb4) USING ${client})) AS back`,
    `converting ${what}`,
  )
  if (converted?.nullable('back') !== safe.toString('hex').toUpperCase()) {
    throw new BackupError(`${what} holds bytes that are no text in ${client}, the character set of the client that created it`, {
      code: 'UNSUPPORTED',
      hint: "Create it anew with SET NAMES utf8mb4, and other bytes written as x'…'.",
    })
  }
  return converted.text('text')
}

/** Text of which only literals may be other bytes than UTF-8. */
function plainText(bytes: Uint8Array, dialect: SqlDialect, client: string, what: string): string {
  const raw = Buffer.from(bytes)
  if (isUtf8(raw)) return utf8Text(raw, what)
  const text = raw.toString('latin1')
  const tokens = tokenizeSql(text, dialect)
  const edits = literalGroups(tokens).flatMap((group): SqlEdit[] => {
    const [begin, end] = [group.strings[0]?.begin ?? 0, group.strings.at(-1)?.end ?? 0]
    if (isUtf8(Buffer.from(text.slice(begin, end), 'latin1'))) return []
    const hex = hexOf(group.strings, text, dialect)
    const { before } = group
    if (before?.type === 'word' && /^_[A-Z0-9]+$/.test(before.word)) return [{ begin, end, text: `${gap(text, begin)}x'${hex}'` }]
    if (client === 'binary') return [{ begin, end, text: `_binary x'${hex}'` }]
    // Where a table has no introducer, the literal is of the character set of its column.
    const plain = client === '' && (before?.word === 'DEFAULT' || before?.word === '(' || before?.word === ',')
    return plain ? [{ begin, end, text: `x'${hex}'` }] : []
  })
  return utf8Text(Buffer.from(applyEdits(text, edits), 'latin1'), what)
}

/** Literals with an introducer keep their bytes whatever the text around them is converted to. */
function introducedAsHex(text: string, dialect: SqlDialect): string {
  const edits = literalGroups(tokenizeSql(text, dialect)).flatMap((group): SqlEdit[] => {
    const [begin, end] = [group.strings[0]?.begin ?? 0, group.strings.at(-1)?.end ?? 0]
    const introduced = group.before?.type === 'word' && /^_[A-Z0-9]+$/.test(group.before.word)
    if (!introduced || /^[\0-\x7f]*$/.test(text.slice(begin, end))) return []
    return [{ begin, end, text: `${gap(text, begin)}x'${hexOf(group.strings, text, dialect)}'` }]
  })
  return applyEdits(text, edits)
}

/** `_latin1x` would be another word. */
function gap(text: string, begin: number): string {
  return /\s/.test(text.charAt(begin - 1)) ? '' : ' '
}

interface LiteralGroup {
  /** The significant token in front. */
  readonly before: SqlToken | undefined
  /** Adjacent strings are one literal. */
  readonly strings: readonly SqlToken[]
}

function literalGroups(tokens: readonly SqlToken[]): LiteralGroup[] {
  const groups: { before: SqlToken | undefined; strings: SqlToken[] }[] = []
  let before: SqlToken | undefined
  for (const token of tokens) {
    if (token.type === 'space' || token.type === 'comment') continue
    if (token.type === 'string') {
      const group = groups.at(-1)
      if (before?.type === 'string' && group !== undefined) group.strings.push(token)
      else groups.push({ before, strings: [token] })
    }
    before = token
  }
  return groups
}

/** What `\n` and the like stand for (MySQL 8.4 manual, "String Literals", table of escape sequences). */
const escapes: Readonly<Record<string, string>> = { '0': '\0', b: '\b', n: '\n', r: '\r', t: '\t', Z: '\x1a', '%': '\\%', _: '\\_' }

function hexOf(strings: readonly SqlToken[], text: string, dialect: SqlDialect): string {
  const value = strings.map((token) => {
    const quote = text.charAt(token.begin)
    const inner = text.slice(token.begin + 1, token.end - 1)
    const pattern = dialect.noBackslashEscapes === true ? /(['"])\1/g : /\\([\s\S])|(['"])\2/g
    return inner.replaceAll(pattern, (whole: string, escaped: string | undefined) => {
      if (whole.startsWith('\\') && whole.length === 2 && dialect.noBackslashEscapes !== true)
        return escapes[escaped ?? ''] ?? escaped ?? ''
      return whole.charAt(0) === quote ? quote : whole
    })
  })
  return Buffer.from(value.join(''), 'latin1').toString('hex').toUpperCase()
}
