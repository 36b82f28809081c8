import { describe, expect, it } from 'vitest'
import { type LeftOut, leftOutFacts, leftOutOf, schemaIsLeftOut, tableIsLeftOut } from './left-out-facts.ts'
import type { NameSelection } from './name-selection.ts'
import type { SchemaInventory } from './schema-inventory.ts'

const everything: NameSelection = { excludeSchemas: [], excludeTables: [] }

function readBack(
  settings: Partial<NameSelection>,
  more: Partial<Parameters<typeof leftOutFacts>[0]> = {},
  lowerCaseTableNames = 0,
): LeftOut {
  const inventory = { schemas: [], accounts: undefined, leftOut: [] }
  const leftOut = leftOutFacts({
    settings: { ...everything, ...settings },
    items: undefined,
    schemas: [],
    inventory,
    triggered: ['tmp_1.t'],
    ...more,
  })
  const read = leftOutOf({ leftOut, lowerCaseTableNames })
  if (read === undefined) throw new Error('the facts cannot be read back')
  return read
}

const shop = {
  name: 'shop',
  innodbNumbers: new Map<string, string>(),
  inventory: {
    leftOutTables: ['sessions'],
    tables: [{ table: { name: 'orders' } }, { table: { name: 'far', dataLeftOut: 'engine FEDERATED keeps its rows elsewhere' } }],
    sequences: [{ name: 'ids' }, { name: 'session_ids' }],
  } as unknown as SchemaInventory,
}

describe('what a full backup left out', () => {
  it('is named, as it was found on the server', () => {
    const inventory = { schemas: [shop], accounts: undefined, leftOut: [] }
    const leftOut = readBack(
      { excludeSchemas: ['tmp_*'], excludeTables: ['*.session*'] },
      { schemas: ['shop', 'tmp_1', '#mysql50#a.b'], inventory },
    )
    expect(leftOut).toEqual({
      schemas: ['tmp_1'],
      tables: ['shop.sessions'],
      rows: ['shop.far'],
      sequences: ['shop.session_ids'],
      triggered: ['tmp_1.t'],
      patterns: { excludeSchemas: ['tmp_*'], excludeTables: ['*.session*'] },
      lowerCaseTableNames: 0,
    })
  })

  it('is known of what is created later', () => {
    const inventory = { schemas: [shop], accounts: undefined, leftOut: [] }
    const leftOut = readBack({ excludeSchemas: ['tmp_*'], excludeTables: ['*.session*'] }, { inventory })
    expect(['tmp_2', 'shop', 'new'].map((name) => schemaIsLeftOut(leftOut, name))).toEqual([true, false, false])
    expect(['sessions', 'sessions_2', 'session_ids', 'orders'].map((name) => tableIsLeftOut(leftOut, 'shop', name))).toEqual([
      true,
      true,
      false,
      false,
    ])
    expect(tableIsLeftOut(leftOut, 'tmp_2', 'orders')).toBe(true)
  })

  it('is everything but what was chosen', () => {
    const chosen = readBack({ includeSchemas: ['shop', 'crm_*'], includeTables: ['shop.orders', 'crm_*.*'] })
    expect(['shop', 'crm_eu', 'other'].map((name) => schemaIsLeftOut(chosen, name))).toEqual([false, false, true])
    expect([
      tableIsLeftOut(chosen, 'shop', 'orders'),
      tableIsLeftOut(chosen, 'shop', 'new'),
      tableIsLeftOut(chosen, 'crm_eu', 'new'),
    ]).toEqual([false, true, false])
    const asked = readBack({}, { items: ['shop'] })
    expect(['shop', 'other'].map((name) => schemaIsLeftOut(asked, name))).toEqual([false, true])
  })

  it('is compared without case where the server does so', () => {
    const stored = readBack({ excludeTables: ['shop.sessions'] }, { schemas: ['tmp'] }, 1)
    expect([tableIsLeftOut(stored, 'Shop', 'SESSIONS'), schemaIsLeftOut(stored, 'TMP')]).toEqual([true, true])
    const exact = readBack({ excludeTables: ['shop.sessions'] }, { schemas: ['tmp'] })
    expect([tableIsLeftOut(exact, 'Shop', 'SESSIONS'), schemaIsLeftOut(exact, 'TMP')]).toEqual([false, false])
  })

  it.each([{}, { leftOut: null }, { leftOut: { schemas: 'all' } }])('is not known from %o', (facts) => {
    expect(leftOutOf(facts)).toBeUndefined()
  })
})
