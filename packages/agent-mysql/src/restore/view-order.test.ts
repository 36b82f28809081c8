import { describe, expect, it } from 'vitest'
import { schemasInViewOrder, viewsInOrder } from './view-order.ts'

const view = (name: string, ...over: readonly string[]) => ({
  name,
  sql: `CREATE VIEW \`s\`.\`${name}\` AS select 'z' AS \`x\` from ${over.map((one) => `\`s\`.\`${one}\``).join(' join ')}`,
})

describe('views', () => {
  it('come after the views they name, over any number of steps', () => {
    const names = viewsInOrder([view('a', 'b', 'c'), view('b', 'z'), view('c', 'b'), view('z', 't')]).map((one) => one.name)
    expect(names).toEqual(['z', 'b', 'c', 'a'])
  })

  it('are all there once, whatever names look like each other', () => {
    expect(viewsInOrder([view('a', 'b'), view('b', 'a'), view('y', 'y')]).map((one) => one.name)).toEqual(['b', 'a', 'y'])
  })

  it('do not take a string for a name', () => {
    expect(viewsInOrder([view('a', 't'), view('z', 't')]).map((one) => one.name)).toEqual(['a', 'z'])
  })

  it('of one schema come after those of another that they name', () => {
    const schemas = [
      { name: 'first', views: [{ sql: 'CREATE VIEW `first`.`v` AS select 1 AS `a` from `second`.`v`' }] },
      { name: 'second', views: [] },
    ]
    const ordered = schemasInViewOrder(
      schemas,
      (one) => one.name,
      (one) => one.views,
    )
    expect(ordered.map((one) => one.name)).toEqual(['second', 'first'])
  })
})
