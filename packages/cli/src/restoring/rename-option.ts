import { UsageError } from '../usage-error.ts'

/** `OLD=NEW` texts as a record. Throws a `UsageError` for what is none, and when two of them speak of the same name. */
export function parseRenames(texts: readonly string[]): Readonly<Record<string, string>> {
  const renames = new Map<string, string>()
  for (const text of texts) {
    const separator = text.indexOf('=')
    const [from, to] = [text.slice(0, Math.max(0, separator)), text.slice(separator + 1)]
    if (separator < 1 || to === '')
      throw new UsageError(`--rename ${JSON.stringify(text)} is not OLD=NEW`, 'Write it like --rename shop=shop_restored.')
    if (renames.has(from)) throw new UsageError(`--rename names ${JSON.stringify(from)} twice`, 'Restore under two names in two commands.')
    if ([...renames.values()].includes(to))
      throw new UsageError(`--rename would restore two items as ${JSON.stringify(to)}`, 'Give each its own new name.')
    renames.set(from, to)
  }
  return Object.fromEntries(renames)
}
