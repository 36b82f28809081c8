import { schemaIsLeftOut } from '../dump/left-out-facts.ts'
import type { Selected } from './log-replay-selection.ts'

/**
 * Whether a schema is among those that are restored, as the source server compared names: only with `lower_case_table_names=0` are names two that differ in
 * case. `undefined` where that is not known and nothing but case differs.
 */
export function isSchemaChosen({ schemas, lowerCaseTableNames }: Selected, name: string): boolean | undefined {
  if (schemas === undefined || schemas.has(name)) return true
  if (lowerCaseTableNames === 0) return false
  const folded = name.toLowerCase()
  if (![...schemas].some((one) => one.toLowerCase() === folded)) return false
  return lowerCaseTableNames === undefined ? undefined : true
}

/** Whether a schema is not restored, so that no session can change to it. */
export function isSchemaAway(selected: Selected, schema: string): boolean {
  if (schema === '') return false
  return isSchemaChosen(selected, schema) === false || (selected.leftOut !== undefined && schemaIsLeftOut(selected.leftOut, schema))
}
