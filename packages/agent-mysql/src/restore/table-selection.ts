import { type Backup, decodeSegment, nearest, type Problem } from '@backup-planet/core'
import { accountsItem } from '../dump-layout.ts'
import { isTableSelected, type MysqlRestoreOptions } from './restore-options.ts'

/** Item → names of its tables and sequences; `undefined` where they are not known yet. */
export type KnownTables = ReadonlyMap<string, readonly string[] | undefined>

/** A pattern of the option `tables` that nothing in the backup fits. */
export interface UnknownTable {
  /** Items whose name the pattern fits; none when it names no schema of the backup. */
  readonly items: readonly string[]
  readonly message: string
  readonly hint: string
}

/** Which of the tables asked for are not there. A pattern is left out as long as it may fit a table that is not known yet. */
export function unknownTables(restore: Pick<MysqlRestoreOptions, 'tables'>, known: KnownTables): UnknownTable[] {
  return (restore.tables ?? []).flatMap((pattern): UnknownTable[] => {
    const schemaPattern = pattern.slice(0, pattern.indexOf('.'))
    const items = [...known.keys()].filter((item) => isTableSelected({ tables: [`${schemaPattern}.*`] }, item, 'any'))
    if (items.some((item) => known.get(item)?.some((table) => isTableSelected({ tables: [pattern] }, item, table)) ?? true)) return []
    const candidates = [...known].flatMap(([item, tables]) => (tables ?? []).map((table) => `${item}.${table}`))
    const closest = nearest(pattern, candidates)
    const message = items.length === 0 ? `the backup holds no schema for table ${pattern}` : `table ${pattern} is not in the backup`
    return [{ items, message, hint: closest === undefined ? knownHint(items, known) : `Did you mean "${closest}"?` }]
  })
}

function knownHint(items: readonly string[], known: KnownTables): string {
  if (items.length === 0) return `Its schemas are: ${shown([...known.keys()])}.`
  const tables = items.flatMap((item) => (known.get(item) ?? []).map((table) => `${item}.${table}`))
  return tables.length === 0 ? 'There is no table in it.' : `Its tables are: ${shown(tables)}.`
}

function shown(names: readonly string[]): string {
  return names.slice(0, 20).join(', ') + (names.length > 20 ? ', …' : '')
}

/** {@link unknownTables} as problems of a plan, as far as the backup says which files it has. */
export function unknownTableProblems(backup: Backup, items: readonly string[], restore: Pick<MysqlRestoreOptions, 'tables'>): Problem[] {
  const known = new Map(items.filter((item) => item !== accountsItem).map((item) => [item, tablesOfFiles(backup, item)]))
  return unknownTables(restore, known).map(({ items: [item], message, hint }) => ({
    severity: 'error',
    code: 'NOT_FOUND',
    ...(item === undefined ? {} : { item }),
    message,
    hint,
  }))
}

/** By the names of the files of the layout; `undefined` when they are not at hand or one was too long to be a file name. */
function tablesOfFiles(backup: Backup, item: string): readonly string[] | undefined {
  const files = backup.items.find((candidate) => candidate.item === item)?.files
  if (files === undefined) return undefined
  const views = new Set(files.flatMap(({ name }) => /^[^.]+\.([^.]+)-schema-view\.sql$/.exec(name)?.[1] ?? []))
  const segments = files.flatMap(({ name }) => /^[^.]+\.([^.]+)-schema(?:-sequence)?\.sql$/.exec(name)?.[1] ?? [])
  const names = segments.filter((segment) => !views.has(segment)).map((segment) => decodeSegment(segment.replaceAll('%2E', '.')))
  return names.every((name) => name !== undefined) ? names : undefined
}
