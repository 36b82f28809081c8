import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import { matchesPattern, matchesTable } from '../name-patterns.ts'

/** The settings that choose by name. */
export type NameSelection = Pick<ResolvedMysqlAgentSettings, 'includeSchemas' | 'excludeSchemas' | 'includeTables' | 'excludeTables'>

/** Names that are folders in the data directory rather than schemas, and names that old servers could not convert. */
export function isForeignSchema(schema: string): boolean {
  return schema === 'lost+found' || schema.startsWith('#mysql50#')
}

/** What the settings say of a schema that can be captured. */
export function schemaIsSelected(selection: NameSelection, schema: string): boolean {
  if (selection.excludeSchemas.some((pattern) => matchesPattern(pattern, schema))) return false
  return selection.includeSchemas === undefined || selection.includeSchemas.some((pattern) => matchesPattern(pattern, schema))
}

export function tableIsSelected(selection: NameSelection, schema: string, table: string): boolean {
  if (selection.excludeTables.some((pattern) => matchesTable(pattern, schema, table))) return false
  return selection.includeTables === undefined || selection.includeTables.some((pattern) => matchesTable(pattern, schema, table))
}
