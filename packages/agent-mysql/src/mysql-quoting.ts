/** An identifier in backticks, whatever it contains; works in every SQL mode. */
export function quoteIdentifier(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

/** `schema`.`table`, quoted. */
export function quoteTable(schema: string, table: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(table)}`
}

/** A string literal on one line; safe in sessions without NO_BACKSLASH_ESCAPES, as all of ours are. */
export function quoteText(text: string): string {
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll("'", "\\'")
    .replaceAll('\0', '\\0')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
  return `'${escaped}'`
}

/** A condition on a column of `information_schema` that holds this very name: the server compares them without case, even where two names may differ in it. */
export function isName(column: string, name: string): string {
  return `${column} = ${quoteText(name)} AND CAST(${column} AS BINARY) = CAST(${quoteText(name)} AS BINARY)`
}
