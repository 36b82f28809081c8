import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { commandLineOf, sampleConfiguration } from './__fixtures__/command-line-run.ts'

const mirrored = sampleConfiguration
  .replace('jobs:', '  offsite: { kind: archive, destination: ./offsite }\njobs:')
  .replace('repository: local', 'repository: local\n    mirrors: [offsite]')

let here: Awaited<ReturnType<typeof commandLineOf>>
beforeEach(async () => {
  here = await commandLineOf(mirrored)
})
afterEach(() => here[Symbol.asyncDispose]())

test('a run stores in the repository of the job and in its mirrors, and confirms once', async () => {
  const { code, stdout } = await here.run(['run', 'shop'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^complete: full backup .* in file:.*\/backups\n$/)
  expect(here.server.confirmed).toBe(1)
  expect(await filesIn('offsite')).toEqual(await filesIn('backups'))
  const copied = await here.run(['copy', 'shop', '--to', 'offsite'])
  expect(copied).toMatchObject({ code: 0, stdout: expect.stringContaining('1 there already') })
})

test('a mirror that fails is warned of, and gets what it misses by copy', async () => {
  await writeFile(join(here.directory, 'offsite'), 'a file')
  const { code, stderr } = await here.run(['run', 'shop'])
  expect(code).toBe(0)
  expect(stderr).toMatch(/warning: CONFLICT.*\n?.*\/offsite misses backup /)
  expect(stderr).toContain('(backup-planet copy) once that works again.')
  expect(here.server.confirmed).toBe(1)
  expect(await here.run(['check', 'shop'])).toMatchObject({ code: 0, stdout: expect.stringContaining('offsite') })

  await rm(join(here.directory, 'offsite'))
  await here.run(['run', 'shop'])
  await here.run(['copy', 'shop', '--to', 'offsite'])
  expect(await filesIn('offsite')).toEqual(await filesIn('backups'))
})

test('check finds nothing against a mirror that can be written to', async () => {
  await mkdir(join(here.directory, 'offsite'))
  expect(await here.run(['check'])).toMatchObject({ code: 0, stdout: expect.not.stringContaining('warning') })
})

test.each([
  ['mirrors: [offsit]', 'jobs.shop.mirrors.0: there is no repository "offsit", did you mean "offsite"?'],
  ['mirrors: [local]', '"local" is the repository of the job itself'],
  ['mirrors: [offsite, offsite]', '"offsite" is named twice'],
  ['mirrors: []', 'jobs.shop.mirrors'],
])('%s is refused', async (line, message) => {
  await writeFile(here.file, mirrored.replace('mirrors: [offsite]', line), { mode: 0o600 })
  expect(await here.run(['run', 'shop'])).toMatchObject({ code: 2, stderr: expect.stringContaining(message) })
})

test('two names of one place are refused before anything is read', async () => {
  await writeFile(here.file, mirrored.replace('./offsite', './backups'), { mode: 0o600 })
  expect(await here.run(['run', 'shop'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('two repositories of one job have the destination'),
  })
})

async function filesIn(repository: string): Promise<string[]> {
  return (await readdir(join(here.directory, repository), { recursive: true })).sort()
}
