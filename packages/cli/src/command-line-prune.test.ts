import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Repository, RepositoryPlugin } from '@backup-planet/core'
import { createMemoryRepository, type MemoryRepository } from '@backup-planet/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type CommandResult, commandLineOf } from './__fixtures__/command-line-run.ts'
import { type MemoryServers, memoryConfiguration, memoryPlugin, memoryServers } from './__fixtures__/memory-plugin.ts'

const keepLast = memoryConfiguration.replace('settings: { server: source }', 'settings: { server: source }, retention: { keepLast: 1 }')

let here: Awaited<ReturnType<typeof commandLineOf>>
let servers: MemoryServers
let written = 0
beforeEach(async () => {
  here = await commandLineOf(keepLast)
  servers = memoryServers()
})
afterEach(() => here[Symbol.asyncDispose]())

function run(...argv: readonly string[]): Promise<CommandResult> {
  return here.run(argv, { plugins: [memoryPlugin(servers)] })
}

async function backups(...kinds: readonly string[]): Promise<void> {
  for (const kind of kinds) {
    servers.source.write('orders', `content ${written++}`)
    expect(await run('run', 'shop', '--kind', kind)).toMatchObject({ code: 0 })
  }
}

async function listed(repository: string): Promise<readonly string[]> {
  const { lines } = await run('list', 'shop', '--json')
  return lines.flatMap((line) => (line.repository === repository ? [(line.backup as { readonly kind: string }).kind] : []))
}

test('a dry run says of every backup what would become of it, in each repository, and removes none', async () => {
  await backups('full', 'log', 'full', 'log')
  const { code, stdout } = await run('prune', 'shop', '--dry-run')
  expect(code).toBe(0)
  expect(stdout).toMatch(/^ID +TIME +KIND +STATUS +REASON\n\S+ +\S+Z +full +complete +remove +older than what is kept: the last 1\n/)
  expect(stdout).toMatch(
    / full +complete +keep +among the last 1\n\S+ +\S+ +log +complete +keep +.*not older than \S+, the oldest full backup that is kept/,
  )
  expect(stdout.match(/^would remove 2 of 4 backups in file:.*$/gm)).toHaveLength(2)
  expect(await listed('local')).toHaveLength(4)
})

test('it is done in each repository of the job by itself, and what is left restores to every moment', async () => {
  await backups('full', 'log', 'full', 'log')
  await backups('full', 'log')
  const { code, stdout } = await run('prune', 'shop')
  expect(stdout.match(/^removed [34] of 6 backups in file:.*, .*B$/gm)).toHaveLength(2)
  expect(code).toBe(0)
  for (const repository of ['local', 'far']) expect((await listed(repository)).at(0)).not.toBe('differential')
  expect(await readdir(join(here.directory, 'backups', 'shop'))).toEqual(await readdir(join(here.directory, 'far', 'shop')))
  expect(await run('restore', 'shop', '--to', 'scratch', '--overwrite', '--yes')).toMatchObject({ code: 0 })
  expect(servers.scratch.items.get('orders')).toEqual(servers.source.items.get('orders'))
  expect(await run('windows', 'shop')).toMatchObject({ code: 0 })
})

test('one repository alone, as JSON lines with the reasons', async () => {
  await backups('full', 'full')
  const { code, lines } = await run('prune', 'shop', '--repository', 'far', '--json')
  expect(code).toBe(0)
  const said = lines.filter(({ type }) => type === 'retention')
  expect(said).toMatchObject([
    { repository: 'far', job: 'shop', kind: 'full', action: 'remove', reasons: [{ code: 'expired' }] },
    { action: 'keep', reasons: [{ code: 'last' }, { code: 'last-restorable' }] },
  ])
  expect(lines).toContainEqual({ type: 'removed', id: said[0]?.id, kind: 'full' })
  expect(lines.at(-1)).toMatchObject({
    type: 'result',
    command: 'prune',
    job: 'shop',
    dryRun: false,
    failed: 0,
    repositories: [{ repository: 'far', removed: [said[0]?.id], kept: 1, retained: [] }],
  })
  expect(await listed('local')).toHaveLength(2)
  expect(await listed('far')).toHaveLength(1)
})

test('a repository that cannot be reached does not keep the others from it, and the code is 3', async () => {
  await backups('full', 'full')
  await rm(join(here.directory, 'far'), { recursive: true })
  await writeFile(join(here.directory, 'far'), 'no folder')
  const { code, stdout, stderr } = await run('prune', 'shop')
  expect(stdout).toContain('removed 1 of 2 backups')
  expect(stderr).toContain('the repository "far" cannot be pruned')
  expect(code).toBe(3)
})

test.each([
  [['prune', 'shop', '--repository', 'locl'], 'Did you mean "local"?'],
  [['prune', 'shp'], 'Did you mean "shop"?'],
  [['prune', 'shop', '--repository', 'third'], 'Its repositories are: local, far.'],
])('%j is a mistake', async (argv, hint) => {
  await writeFile(here.file, keepLast.replace('\njobs:', '\n  third: { kind: archive, destination: ./third }\njobs:'), { mode: 0o600 })
  expect(await run(...argv)).toMatchObject({ code: 2, stderr: expect.stringContaining(hint) })
})

test('what the store retains is told, stays, and the code is 3', async () => {
  const repository: MemoryRepository = createMemoryRepository()
  const plugin: RepositoryPlugin = {
    contract: 'repository-plugin/1',
    kind: 'kept',
    exampleSettings: '',
    create: (): Repository => repository.another(),
  }
  await writeFile(
    here.file,
    keepLast.replace('kind: archive, destination: ./backups', 'kind: kept, destination: ./kept').replace(', mirrors: [far]', ''),
    {
      mode: 0o600,
    },
  )
  const command = (...argv: readonly string[]) => here.run(argv, { plugins: [memoryPlugin(servers), plugin] })
  for (let made = 0; made < 3; made++) await command('run', 'shop')
  const [first = ''] = repository.place.records.keys()
  repository.place.retained.set(first, 'locked until 2031-01-01')
  const { code, stdout, stderr } = await command('prune', 'shop')
  expect(code).toBe(3)
  expect(stderr).toContain(`the store retains ${first}: locked until 2031-01-01`)
  expect(stdout).toContain('keep    the store retains it: locked until 2031-01-01')
  expect(stdout).toMatch(/^removed 1 of 3 backups/m)
  repository.place.retained.clear()
  expect(await command('prune', 'shop')).toMatchObject({ code: 0, stdout: expect.stringContaining('removed 1 of 2 backups') })
})

test('without a job no backup is removed, and it is said how one would be', async () => {
  expect(await run('prune', '--repository', 'local')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^no job is named: no backup is removed; .*: backup-planet prune shop\n(.*\n)*failed: UNSUPPORTED/),
  })
  await writeFile(here.file, memoryConfiguration, { mode: 0o600 })
  expect((await run('prune', '--repository', 'local')).stderr).toContain('no retention is configured: no backup is removed\n')
})
