/**
 * Names of files as restic keeps them: quoted by Go's `strconv.Quote`, without the quotes around (restic, doc/design.rst,
 * "Trees and Data"), so that names that are no Unicode survive.
 */
export function quoteName(name: string): string {
  let quoted = ''
  for (const character of name.toWellFormed()) quoted += quotedCharacter(character)
  return quoted
}

const shortEscapes: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
}
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u

function quotedCharacter(character: string): string {
  const short = shortEscapes[character]
  if (short !== undefined) return short
  if (printable.test(character)) return character
  const code = character.codePointAt(0) ?? 0
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`
}

const goEscape = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([abfnrtv\\"]))/y
const shortMeanings: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(shortEscapes).map(([character, text]) => [text.slice(1), character]),
)

/** The bytes of a quoted name. Throws a `SyntaxError` for an escape that Go does not know. */
export function unquoteName(quoted: string): Buffer {
  if (!quoted.includes('\\')) return Buffer.from(quoted, 'utf8')
  const parts: Buffer[] = []
  for (let at = 0; at < quoted.length; ) {
    const next = quoted.indexOf('\\', at)
    if (next !== at) {
      parts.push(Buffer.from(quoted.slice(at, next < 0 ? undefined : next), 'utf8'))
      if (next < 0) break
    }
    goEscape.lastIndex = next
    const found = goEscape.exec(quoted)
    if (found === null) throw new SyntaxError(`the name ${JSON.stringify(quoted)} has an escape that is none`)
    parts.push(meaningOf(found))
    at = goEscape.lastIndex
  }
  return Buffer.concat(parts)
}

function meaningOf([, byte, short, long, octal, letter]: RegExpExecArray): Buffer {
  if (byte !== undefined) return Buffer.of(Number.parseInt(byte, 16))
  if (octal !== undefined) return Buffer.of(Number.parseInt(octal, 8))
  if (letter !== undefined) return Buffer.from(shortMeanings[letter] ?? letter, 'utf8')
  const code = Number.parseInt(short ?? long ?? '', 16)
  if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
    throw new SyntaxError(`the name has an escape for the character ${code.toString(16)}, which there is not`)
  return Buffer.from(String.fromCodePoint(code), 'utf8')
}
