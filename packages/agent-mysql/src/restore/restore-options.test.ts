import { describe, expect, it } from 'vitest'
import { isTableSelected, parseRestoreOptions } from './restore-options.ts'

describe('restore options', () => {
  it('name every mistake at once, with the nearest known option', () => {
    expect(() => parseRestoreOptions({ treads: 2, users: 'all', verify: true })).toThrow(/treads.*did you mean "threads"/)
    expect(() => parseRestoreOptions({ treads: 2, users: 'all', verify: true })).toThrow(
      /target\.options\.users.*target\.options\.verify|users/,
    )
    expect(() => parseRestoreOptions({ collationMap: { a: 'b; DROP' } })).toThrow(expect.objectContaining({ code: 'INVALID_SETTINGS' }))
    expect(() => parseRestoreOptions({ threads: 0 })).toThrow(expect.objectContaining({ code: 'INVALID_SETTINGS' }))
  })

  it('select tables by name, * and ?, everything else literally', () => {
    const options = parseRestoreOptions({ tables: ['shop.order*', 's?.a.b', 'x.(y|z)'] })
    const selected = (schema: string, table: string) => isTableSelected(options, schema, table)
    expect([selected('shop', 'orders'), selected('shop', 'order'), selected('sx', 'a.b'), selected('x', '(y|z)')]).toEqual([
      true,
      true,
      true,
      true,
    ])
    expect([selected('shop', 'my_orders'), selected('shop2', 'orders'), selected('x', 'y'), selected('sx', 'axb')]).toEqual([
      false,
      false,
      false,
      false,
    ])
    expect(isTableSelected(parseRestoreOptions({}), 'any', 'table')).toBe(true)
  })
})
