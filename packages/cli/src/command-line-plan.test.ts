import { afterEach, beforeEach, expect, test } from 'vitest'
import { commandLineOf, sampleConfiguration } from './__fixtures__/command-line-run.ts'

let here: Awaited<ReturnType<typeof commandLineOf>>
beforeEach(async () => {
  here = await commandLineOf(sampleConfiguration)
  await here.run(['run', 'shop'])
  here.server.restoreProblems = [
    {
      severity: 'error',
      code: 'NOT_FOUND',
      item: 'orders',
      message: 'table orders.cstomers is not in the backup',
      hint: 'Did you mean "orders.customers"?',
    },
    { severity: 'warning', code: 'APPLICATION', message: 'the server is older', hint: 'Update it.' },
  ]
})
afterEach(() => here[Symbol.asyncDispose]())

const restore = ['restore', 'shop', '--to', 'scratch', '--table', 'orders.cstomers', '--rename', 'orders=restored']

test('a plan with an error ends with it, with what to do, and with 1', async () => {
  const { code, stdout } = await here.run([...restore, '--plan'])
  expect(code).toBe(1)
  expect(stdout.split('\n').slice(-9)).toEqual([
    '',
    'warning: APPLICATION',
    '  the server is older',
    '  hint: Update it.',
    'error: NOT_FOUND (orders)',
    '  table orders.cstomers is not in the backup',
    '  hint: Did you mean "orders.customers"?',
    'this would restore nothing: the plan has 1 error',
    '',
  ])
})

test('a restore with such a plan touches nothing, and says why', async () => {
  const before = new Map(here.server.databases)
  const { code, stdout, stderr } = await here.run([...restore, '--overwrite', '--yes'])
  expect(code).toBe(1)
  expect(stderr).toContain(
    'error: NOT_FOUND (orders)\n  table orders.cstomers is not in the backup\n  hint: Did you mean "orders.customers"?\n',
  )
  expect(stdout).toBe('nothing was restored: the plan has errors\n')
  expect(here.server.databases).toEqual(before)
})

test('programs get the plan with its problems', async () => {
  const { code, lines } = await here.run([...restore, '--plan', '--json'])
  expect(code).toBe(1)
  expect(lines.at(-1)).toMatchObject({ type: 'result', plan: { problems: here.server.restoreProblems } })
})
