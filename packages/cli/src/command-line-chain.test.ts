import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Agent, Backup } from '@backup-planet/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type CommandResult, commandLineOf } from './__fixtures__/command-line-run.ts'
import { type MemoryServers, memoryConfiguration, memoryPlugin, memoryServers } from './__fixtures__/memory-plugin.ts'

let here: Awaited<ReturnType<typeof commandLineOf>>
let servers: MemoryServers
/** Milliseconds since 1970, of the servers. */
let clock: number
let change: (agent: Agent) => Agent
beforeEach(async () => {
  here = await commandLineOf(memoryConfiguration)
  clock = Date.parse('2026-07-24T02:00:00.250Z')
  servers = memoryServers(() => new Date(clock))
  change = (agent) => agent
})
afterEach(() => here[Symbol.asyncDispose]())

function run(...argv: readonly string[]): Promise<CommandResult> {
  return here.run(argv, { plugins: [memoryPlugin(servers, (agent) => change(agent))], now: () => clock })
}

async function backup(kind: string): Promise<Backup> {
  const { code, lines } = await run('run', 'shop', '--kind', kind, '--json')
  expect(code).toBe(0)
  return lines.at(-1)?.backup as Backup
}

const restored = () => String(servers.scratch.items.get('orders'))
const target = ['restore', 'shop', '--to', 'scratch', '--overwrite', '--yes'] as const

async function later(seconds: number, content: string): Promise<void> {
  clock += seconds * 1000
  servers.source.write('orders', content)
}

/** A full at 02:00:00.250, a log at 02:00:30.250 with the changes of 02:00:10 and :20, one at 02:01:00.250 with that of :40. */
async function history(): Promise<readonly [Backup, Backup, Backup]> {
  const full = await backup('full')
  await later(10, 'two')
  await later(10, 'three')
  clock += 10_000
  const first = await backup('log')
  await later(10, 'four')
  clock += 20_000
  return [full, first, await backup('log')]
}

test('a log without a full becomes a full, and both the plan and the run say so', async () => {
  const plan = await run('run', 'shop', '--kind', 'log', '--plan')
  expect(plan.stdout).toContain('full backup of')
  expect(plan.stdout).toContain('why full: there is no full backup yet that could be continued')
  const made = await run('run', 'shop', '--kind', 'log')
  expect(made.stderr).toContain('a full backup is made instead of a log one: there is no full backup yet that could be continued\n')
  expect(made.stdout).toMatch(/^complete: full backup .*\nwhy full and not log: there is no full backup yet that could be continued\n$/)
  expect((await run('run', 'shop', '--kind', 'log')).stdout).toMatch(/^complete: log backup [^\n]*\n$/)
})

test('every point of a chain can be restored, by identity and by time, each from all that it needs', async () => {
  const [full, first, second] = await history()
  expect([full.kind, first.kind, second.kind]).toEqual(['full', 'log', 'log'])

  expect(await run(...target, '--backup', first.id)).toMatchObject({ code: 0 })
  expect(restored()).toBe('three')
  expect(await run(...target, '--at', full.consistentAt)).toMatchObject({ code: 0 })
  expect(restored()).toBe('one')
  const newest = await run(...target)
  expect(newest.stdout).toContain(`restored 1 item of ${full.id}, ${first.id}, ${second.id} on memory:scratch`)
  expect(restored()).toBe('four')
})

describe('restore to any moment', () => {
  test.each([
    [['--at', '2026-07-24T02:00:10.250Z'], 'one'],
    [['--at', '2026-07-24T02:00:10.251Z'], 'two'],
    [['--at', '2026-07-24T04:00:20+02:00'], 'two'],
    [['--at', '2026-07-24T02:00:59Z'], 'four'],
    [['--at', '2026-07-24T02:00:00Z'], 'one'],
    [['--position', '2'], 'two'],
    [['--position', '4'], 'four'],
    [['--before-position', '3'], 'two'],
    [['--before-gtid', '4'], 'three'],
    [['--at', '2026-07-24T03:00:00Z', '--nearest'], 'four'],
  ])('%j', async (options, content) => {
    await history()
    const { code, stderr } = await run(...target, ...options)
    expect([code, restored()]).toEqual([0, content])
    expect(stderr.includes('warning: The moment')).toBe(options.includes('--nearest'))
  })

  test('names the nearest where there is no way, and takes nothing else', async () => {
    await history()
    const { code, stderr } = await run(...target, '--at', '2026-07-24T03:00:00Z')
    expect(stderr).toContain(
      'failed: NOT_FOUND\n  job shop cannot be restored to 2026-07-24T03:00:00.000Z: the moment 2026-07-24T03:00:00.000Z lies after everything that can be restored, which ends at 2026-07-24T02:01:00.250Z\n  hint: The nearest that can be restored is 2026-07-24T02:01:00.250Z, before it.\n',
    )
    expect([code, servers.scratch.items.size]).toEqual([1, 0])
    expect(await run(...target, '--at', '2026-07-23T00:00:00Z', '--nearest')).toMatchObject({ code: 1 })
    expect(await run(...target, '--position', '9')).toMatchObject({ code: 1, stderr: expect.stringContaining('(sequence 4, the end of') })
  })

  test('names the ends of a gap', async () => {
    const [, first] = await history()
    for (const repository of ['backups', 'far']) await removeBackup(repository, first)
    const { code, stderr } = await run(...target, '--at', '2026-07-24T02:00:45Z')
    expect(stderr).toContain('hint: The nearest that can be restored is 2026-07-24T02:00:00.250Z, before it.')
    expect(code).toBe(1)
    expect((await run('windows', 'shop')).stdout).toMatch(/\ngaps:\n {2}missing: Backup \S+ begins at sequence 3, and /)
  })

  test.each([
    [['--at', 'noon'], '"noon" is no time'],
    [['--at', '2026-07-24 02:00:00'], 'does not say in which zone'],
    [['--at', '2026-07-24T02:00Z', '--position', '1'], '--at and --position exclude each other'],
    [['--backup', 'x', '--before-gtid', '1'], '--before-gtid and --backup exclude each other'],
    [['--nearest'], '--nearest needs --at'],
    [['--position', 'here'], '"here" is no position of a memory application\n  hint: Write the number of a change, like 17.'],
    [['--backup', 'nosuch'], 'job shop has no backup "nosuch"'],
  ])('%j is refused', async (options, message) => {
    await backup('full')
    expect(await run(...target, ...options)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) })
  })

  test('is refused where the agent cannot stop, or reads no positions', async () => {
    await history()
    change = ({ parsePosition: _, ...agent }) => ({ ...agent, supports: { ...agent.supports, pointInTime: false } })
    expect(await run(...target, '--at', '2026-07-24T02:00:15Z')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/failed: UNSUPPORTED\n.*\n {2}hint: The nearest that can be restored is 2026-07-24T02:00:00.250Z \(/),
    })
    expect(await run(...target, '--position', '2')).toMatchObject({ code: 2, stderr: expect.stringContaining('reads no positions') })
    expect(await run(...target, '--at', '2026-07-24T02:00:15Z', '--nearest')).toMatchObject({ code: 0 })
    expect(restored()).toBe('one')
    expect((await run('windows', 'shop')).stdout).toMatch(/\neach backup +2026-07-24T02:00:00.250Z +2026-07-24T02:01:00.250Z /)
  })
})

test('a plan shows the chain with where each backup is read, where it stops, bytes and steps', async () => {
  const [full, first] = await history()
  await removeBackup('backups', first)
  const { code, stdout } = await run('restore', 'shop', '--to', 'scratch', '--at', '2026-07-24T02:00:15Z', '--plan')
  expect(stdout.split('\n').map((line) => line.replaceAll(/ {2,}/g, '  '))).toEqual([
    'to 2026-07-24T02:00:15.000Z, by 2 backups',
    '',
    'BACKUP  KIND  TIME  SIZE  REPOSITORY',
    `${full.id}  full  2026-07-24T02:00:00.250Z  3 B  far`,
    expect.stringMatching(`${first.id}  log  2026-07-24T02:00:30.250Z  \\d+ B  far`),
    '',
    `of the last, ${first.id}: it stops before the first change that was made at 2026-07-24T02:00:15.000Z or later`,
    expect.stringMatching(/^reads \d+ B; the target needs room for about \d+ B$/),
    'restore to memory:scratch (memory), 1 item',
    '',
    'ITEM  TO  FROM BACKUP  REPLACES',
    `orders  orders  ${first.id}  nothing`,
    '',
    ' 1. write orders',
    '',
  ])
  expect(code).toBe(0)
  const { lines } = await run('restore', 'shop', '--to', 'scratch', '--position', '2', '--plan', '--json')
  expect(lines.at(-1)).toMatchObject({ backup: first.id, plan: { chain: { backups: [{ repository: 'far' }, {}] }, request: { stop: {} } } })
})

describe('several repositories', () => {
  test('are one: a chain is read from both where neither has all of it', async () => {
    const [, first, second] = await history()
    await removeBackup('backups', first)
    await removeBackup('far', second)
    expect(await run(...target)).toMatchObject({ code: 0 })
    expect(restored()).toBe('four')
    expect(await run(...target, '--repository', 'far', '--position', '4')).toMatchObject({ code: 1 })
    const windows = await run('windows', 'shop')
    expect(windows.stdout).toMatch(/\ngaps:\n {2}delayed: In the repository local: .* copy that from there\.\n$/)
  })

  test('of which one is not there are told, and do without it', async () => {
    await history()
    await rename(join(here.directory, 'backups'), join(here.directory, 'away'))
    await writeFile(join(here.directory, 'backups'), 'a file')
    const { code, stderr } = await run(...target)
    expect(stderr).toMatch(/warning: \w+\n {2}the repository "local" cannot be listed, and what only it holds is not known: /)
    expect([code, restored()]).toEqual([0, 'four'])
    expect(await run('windows', 'shop')).toMatchObject({ code: 3, stderr: expect.stringContaining('"local" cannot be listed') })
    expect(await run('restore', 'shop', '--to', 'scratch', '--repository', 'local')).toMatchObject({ code: 1 })
    expect(await run(...target, '--at', '2026-07-25T00:00:00Z')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('before it. The repository "local" cannot be listed'),
    })
  })
})

test('a mirror whose secrets are not on this host does not stand in the way', async () => {
  await history()
  const text = await readFile(here.file, 'utf8')
  await writeFile(here.file, text.replace('./far }', `./far, encryption: { passphrase: "\${env:NOT_HERE}" } }`))
  const { code, stderr } = await run(...target)
  expect(stderr).toContain('the repository "far" cannot be listed')
  expect([code, restored()]).toEqual([0, 'four'])
  expect(await run(...target, '--repository', 'far')).toMatchObject({ code: 2, stderr: expect.stringContaining('NOT_HERE') })
})

describe('windows', () => {
  test('shows what can be restored, and until when', async () => {
    const [, , second] = await history()
    clock += 90_000
    const { code, stdout } = await run('windows', 'shop')
    expect(stdout.replaceAll(/ {2,}/g, '  ')).toBe(
      `RESTORABLE  FROM  TO  LAST BACKUP\nany moment  2026-07-24T02:00:00.250Z  2026-07-24T02:01:00.250Z  ${second.id}\n\nrestorable until 2026-07-24T02:01:00.250Z, 1m30s ago (backup ${second.id}, sequence 4)\n`,
    )
    expect(code).toBe(0)
    expect((await run('windows', 'shop', '--json')).lines).toMatchObject([
      { type: 'result', command: 'windows', restorableUntil: '2026-07-24T02:01:00.250Z', gaps: [], windows: [{ kind: 'exact' }] },
    ])
  })

  test('shows histories that parted, and single moments', async () => {
    await backup('full')
    servers = { ...servers, source: memoryServers(() => new Date(clock)).scratch }
    servers.source.write('orders', 'another server')
    clock += 1000
    await backup('full')
    const { stdout } = await run('windows', 'shop')
    expect(stdout).toMatch(/^RESTORABLE .*HISTORY\nthis moment .* scratch\nthis moment .* source\n/)
  })

  test('says when nothing can be', async () => {
    expect(await run('windows', 'shop')).toMatchObject({ code: 1, stderr: expect.stringContaining('there is no backup of job shop') })
    const [full] = await history()
    for (const repository of ['backups', 'far']) await removeBackup(repository, full)
    expect(await run('windows', 'shop')).toMatchObject({ code: 1, stdout: expect.stringContaining('nothing of job shop can be restored') })
    expect(await run('windows', 'nosuch')).toMatchObject({ code: 2 })
  })
})

test('files are those of all backups that are needed, each in its folder, and those of one where it is named', async () => {
  const [full, first] = await history()
  const to = join(here.directory, 'files')
  expect(await run('files', 'shop', '--at', '2026-07-24T02:00:15Z', '--to', to)).toMatchObject({ code: 0 })
  expect((await readdir(to)).sort()).toEqual([`01-full-${full.id}`, `02-log-${first.id}`, 'RESTORE.md'])
  expect(await readFile(join(to, 'RESTORE.md'), 'utf8')).toContain('before the first change that was made at 2026-07-24T02:00:15.000Z')
  await rm(to, { recursive: true })
  expect(await run('files', 'shop', '--backup', first.id, '--to', to)).toMatchObject({ code: 0 })
  expect((await readdir(to)).sort()).toEqual(['RESTORE.md', 'orders'])
})

test('files up to a position are those of a full that ends there, where there are fulls only', async () => {
  const full = await backup('full')
  const to = join(here.directory, 'files')
  const position = full.position?.value.sequence ?? ''
  expect(await run('files', 'shop', '--position', position, '--to', to)).toMatchObject({ code: 0 })
  const { code, stderr } = await run('files', 'shop', '--position', '99', '--to', join(here.directory, 'other'))
  expect(code).toBe(1)
  expect(stderr).toContain(`(sequence ${position}, the end of`)
})

test('list shows of what kind each is', async () => {
  await history()
  expect((await run('list', 'shop')).stdout.match(/ (full|log) +complete/g)).toHaveLength(6)
})

async function removeBackup(repository: string, { id }: Backup): Promise<void> {
  const folder = join(here.directory, repository, 'shop')
  const name = (await readdir(folder)).find((one) => one.endsWith(id)) ?? id
  await rm(join(folder, name), { recursive: true })
}
