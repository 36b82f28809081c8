import { significantTokens, tokenizeSql } from './sql-tokenizer.ts'

/**
 * Views after the views that they name: a view must find the real one beneath it, not a placeholder, to be updatable and to have a CHECK
 * OPTION. Names that only look like a view cost nothing but order; views that name each other stay in the order they came in.
 */
export function viewsInOrder<View extends { readonly name: string; readonly sql: string }>(views: readonly View[]): View[] {
  return inOrder(
    views,
    (view) => view.name,
    (view) => namesIn(view.sql),
  )
}

/** The same for schemas: after those whose names their views hold. */
export function schemasInViewOrder<Schema>(
  schemas: readonly Schema[],
  nameOf: (schema: Schema) => string,
  viewsOf: (schema: Schema) => readonly { readonly sql: string }[],
): Schema[] {
  return inOrder(schemas, nameOf, (schema) => viewsOf(schema).flatMap((view) => namesIn(view.sql)))
}

function namesIn(sql: string): string[] {
  return significantTokens(tokenizeSql(sql)).flatMap((token) => (token.type === 'identifier' || token.type === 'word' ? [token.name] : []))
}

function inOrder<One>(all: readonly One[], nameOf: (one: One) => string, needs: (one: One) => readonly string[]): One[] {
  const byName = new Map(all.map((one) => [nameOf(one), one]))
  const ordered = new Set<One>()
  const begun = new Set<One>()
  const visit = (one: One): void => {
    if (begun.has(one)) return
    begun.add(one)
    for (const name of needs(one)) {
      const needed = byName.get(name)
      if (needed !== undefined) visit(needed)
    }
    ordered.add(one)
  }
  for (const one of all) visit(one)
  return [...ordered]
}
