import type { AgentPlugin, Backup } from '@backup-planet/core'
import { createMemoryAgent, createMemoryApplication, type MemoryApplication } from '@backup-planet/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type CommandResult, commandLineOf } from './__fixtures__/command-line-run.ts'

const configuration = `repositories: { local: { kind: archive, destination: ./backups } }
jobs: { shop: { agent: memory, repository: local, settings: { server: source } } }
targets: { scratch: { agent: memory, settings: { server: scratch } } }
`

let here: Awaited<ReturnType<typeof commandLineOf>>
let servers: Record<string, MemoryApplication>
beforeEach(async () => {
  here = await commandLineOf(configuration)
  servers = { source: createMemoryApplication({ orders: 'one' }, 'source'), scratch: createMemoryApplication({}, 'scratch') }
})
afterEach(() => here[Symbol.asyncDispose]())

function run(...argv: readonly string[]): Promise<CommandResult> {
  const plugin: AgentPlugin = {
    contract: 'agent-plugin/1',
    application: 'memory',
    exampleSettings: '',
    create(settings) {
      const server = servers[(settings as { server: string }).server]
      return createMemoryAgent(server === undefined ? {} : { server })
    },
  }
  return here.run(argv, { plugins: [plugin] })
}

async function backup(kind: string): Promise<Backup> {
  const { code, lines } = await run('run', 'shop', '--kind', kind, '--json')
  expect(code).toBe(0)
  return lines.at(-1)?.backup as Backup
}

const restored = () => String(servers.scratch?.items.get('orders'))

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
  const full = await backup('full')
  servers.source?.write('orders', 'two')
  const first = await backup('log')
  servers.source?.write('orders', 'three')
  const second = await backup('log')
  expect([full.kind, first.kind, second.kind]).toEqual(['full', 'log', 'log'])

  const target = ['restore', 'shop', '--to', 'scratch', '--overwrite', '--yes']
  expect(await run(...target, '--backup', first.id)).toMatchObject({ code: 0 })
  expect(restored()).toBe('two')
  expect(await run(...target, '--at', full.consistentAt)).toMatchObject({ code: 0 })
  expect(restored()).toBe('one')
  const newest = await run(...target)
  expect(newest.stdout).toContain(`restored 1 item of ${full.id}, ${first.id}, ${second.id} on memory:scratch`)
  expect(restored()).toBe('three')
})
