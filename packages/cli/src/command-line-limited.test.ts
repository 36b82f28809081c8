import { afterEach, beforeEach, expect, test } from 'vitest'
import { commandLineOf, sampleConfiguration } from './__fixtures__/command-line-run.ts'

let here: Awaited<ReturnType<typeof commandLineOf>>
beforeEach(async () => {
  here = await commandLineOf(sampleConfiguration)
})
afterEach(() => here[Symbol.asyncDispose]())

test('a run of single items says so, is listed so, is not told to the server, and is nothing for who wants all', async () => {
  expect((await here.run(['run', '--help'])).stdout).toContain('no later backup')
  const whole = (await here.run(['run', 'shop', '--json'])).lines.at(-1)?.backup as { readonly id: string } | undefined
  const confirmed = here.server.confirmed
  const limited = await here.run(['run', 'shop', '--item', 'notes', '--json'])
  expect(limited).toMatchObject({ code: 0 })
  expect(limited.lines.at(-1)).toMatchObject({ backup: { status: 'complete', limitedTo: ['notes'] }, confirmed: false })
  expect(limited.stderr).toMatch(/^complete, limited to notes: full backup /m)
  expect(here.server.confirmed).toBe(confirmed)

  const listed = (await here.run(['list'])).stdout
  expect(listed).toMatch(/complete {2,}2/)
  expect(listed).toMatch(/complete, limited {2,}1/)
  const id = (limited.lines.at(-1)?.backup as { readonly id: string } | undefined)?.id ?? ''
  const planned = (...argv: readonly string[]) => here.run(['restore', 'shop', '--to', 'scratch', '--plan', ...argv])
  expect((await planned()).stdout).toContain(`backup ${whole?.id} of`)
  expect((await planned('--item', 'notes')).stdout).toContain(`backup ${id} of`)
  expect((await planned('--item', 'orders')).stdout).toContain(`backup ${whole?.id} of`)
  expect((await planned('--backup', id)).stdout).toContain(`backup ${id} of`)
})
