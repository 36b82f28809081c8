import * as z from 'zod'

/** A table as `schema.table`, each with `*` and `?`. The first dot separates, so that a pattern without one fits nothing and is refused. */
export const tablePattern = z.string().regex(/^[^.]+\../, 'write it as schema.table')

/** `*` is any text, `?` one character, everything else itself. */
export function matchesPattern(pattern: string, name: string): boolean {
  const expression = pattern.replaceAll(/[\\^$.*+?()[\]{}|/]/g, (character) => ({ '*': '.*', '?': '.' })[character] ?? `\\${character}`)
  return new RegExp(`^${expression}$`, 'su').test(name)
}

/** @param pattern a {@link tablePattern} */
export function matchesTable(pattern: string, schema: string, table: string): boolean {
  const dot = pattern.indexOf('.')
  return matchesPattern(pattern.slice(0, dot), schema) && matchesPattern(pattern.slice(dot + 1), table)
}
