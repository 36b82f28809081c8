import type { Problem } from '@backup-planet/core'
import { significantTokens, tokenizeSql } from '../restore/sql-tokenizer.ts'
import type { SchemaInventory } from './schema-inventory.ts'
import type { ServerInventory } from './server-inventory.ts'

/** Everything that a capture leaves out although nobody asked for just that, as warnings: nothing is left out silently. */
export function inventoryWarnings(inventory: ServerInventory): readonly Problem[] {
  return [
    ...inventory.leftOut,
    ...inventory.schemas.flatMap((schema) => (schema.failure === undefined ? schemaWarnings(schema.name, schema.inventory) : [])),
  ]
}

function schemaWarnings(item: string, inventory: SchemaInventory): Problem[] {
  const histories = inventory.tables.filter((table) => table.historyLeftOut === true).map(({ table }) => table.name)
  const problems: Problem[] = []
  if (histories.length > 0) {
    problems.push({
      severity: 'warning',
      code: 'UNSUPPORTED',
      item,
      message: `old versions of rows are left out in ${item}: ${histories.join(', ')}; they are versioned by transaction, and no server takes back the number of a transaction`,
      hint: 'Only present rows are captured. Version these tables by TIMESTAMP(6), or set history to false if their past need not be kept.',
    })
  }
  for (const { table } of inventory.tables) {
    if (!/ (?:enum|set)\([^\n]*\?[^\n]*\) CHARACTER SET binary/.test(table.create)) continue
    problems.push({
      severity: 'warning',
      code: 'UNSUPPORTED',
      item,
      message: `table ${item}.${table.name} has an ENUM or SET of character set binary with members that the server prints with question marks`,
      hint: 'If they are no real question marks, no dump can tell what they are: give the column a character set of text with ALTER TABLE.',
    })
  }
  for (const view of inventory.views) {
    const missing = inventory.leftOutTables.filter((table) => names(view.create, item, table))
    if (missing.length === 0) continue
    problems.push({
      severity: 'warning',
      code: 'INVALID_SETTINGS',
      item,
      message: `view ${item}.${view.name} uses ${missing.join(', ')}, which the settings leave out`,
      hint: 'A restore to where these tables are missing cannot create the view. Take them in with includeTables and excludeTables if it matters.',
    })
  }
  return problems
}

/** Whether a view names a table: alone where it is of the same schema, otherwise with its schema. */
function names(create: string, schema: string, table: string): boolean {
  const tokens = significantTokens(tokenizeSql(create))
  return tokens.some((token, index) => {
    if ((token.type !== 'identifier' && token.type !== 'word') || token.name !== table) return false
    const qualified = tokens[index - 1]?.word === '.'
    if (qualified) return tokens[index - 2]?.name === schema
    // Behind AS stands the name of a column.
    return tokens[index - 1]?.word !== 'AS'
  })
}
