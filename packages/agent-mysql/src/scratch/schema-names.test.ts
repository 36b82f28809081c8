import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { drillOfSchema, newSchemaPrefix, scratchSchema } from './schema-names.ts'

test.each([
  'shop',
  'bp_drill',
  'bp_drill_',
  'bp_drill_shop',
  'bp_drill_aaaaaaaaa_x',
  'bp_drill_aaaaaaaaa1_x',
  'xbp_drill_aaaaaaaaaa_x',
  'bp_kept_aaaaaaaaaa_x',
])('%s is no schema of a drill', (name) => {
  expect(drillOfSchema(name)).toBeUndefined()
})

test('what is kept is never taken for remains', () => {
  expect(drillOfSchema(scratchSchema(newSchemaPrefix(true), 'shop'))).toBeUndefined()
})

test('every item has a name that a server takes, of which the drill is known, and two items never share one', () => {
  const names = fc.uniqueArray(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }), { minLength: 2, maxLength: 20 })
  fc.assert(
    fc.property(names, (items) => {
      const drill = newSchemaPrefix(false)
      const schemas = items.map((item) => scratchSchema(drill, item))
      expect(new Set(schemas).size).toBe(items.length)
      for (const schema of schemas) {
        expect([...schema].length).toBeLessThanOrEqual(64)
        expect(drillOfSchema(schema)).toEqual(drill)
      }
    }),
  )
})
