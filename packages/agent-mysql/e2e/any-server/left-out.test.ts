import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { leftOut, whyLeftOut } from './left-out.ts'

const tests = async () => (await readdir(join(import.meta.dirname, '..'))).filter((name) => name.endsWith('.test.ts'))

it('of every other test with a server it is said why it does not run on any', async () => {
  expect((await tests()).filter((name) => whyLeftOut(name) === undefined)).toEqual([])
})

it('nothing is left out that is not there', async () => {
  const files = await tests()
  const names = leftOut.flatMap(([beginnings]) => beginnings)
  expect(names.filter((name) => !files.some((file) => file.startsWith(name)))).toEqual([])
})
