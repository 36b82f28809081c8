import type { DumpEvent, DumpRoutine, DumpSchema, DumpTable, DumpTrigger, DumpView } from './dump-layout.ts'

/** The collations that a server must know to hold a schema: of the schema itself, its columns and the sessions of its programs; sorted. */
export function itemCollations(item: {
  readonly schema: DumpSchema | undefined
  readonly tables: readonly DumpTable[]
  readonly views: readonly DumpView[]
  readonly routines: readonly DumpRoutine[]
  readonly triggers: readonly DumpTrigger[]
  readonly events: readonly DumpEvent[]
}): readonly string[] {
  const programs = [...item.views, ...item.routines, ...item.triggers, ...item.events]
  const names = [
    item.schema?.collation,
    ...item.tables.flatMap((table) => table.columns.map((column) => column.collation)),
    ...programs.map((program) => program.context.collationConnection),
  ]
  return [...new Set(names.flatMap((name) => (name === undefined || name === '' ? [] : [name])))].sort()
}
