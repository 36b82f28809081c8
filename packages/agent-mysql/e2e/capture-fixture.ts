import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Agent, CaptureFacts, OperationOptions } from '@backup-planet/core'
import type { ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { createMysqlAgent, type MysqlAgentSettings } from '../src/index.ts'
import { mysqlAgentSettingsSchema, type ResolvedMysqlAgentSettings } from '../src/mysql-agent-settings.ts'
import { DirectoryStage } from './directory-stage.ts'

/** What an agent needs to know of a server, whoever runs it. */
export interface TestedServer {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly rootPassword: string
}

export function settingsFor(server: TestedServer, more: Partial<MysqlAgentSettings> = {}): MysqlAgentSettings {
  return { host: server.host, port: server.port, user: server.user, password: server.rootPassword, threads: 2, ...more }
}

export function resolvedSettings(server: TestedServer, more: Partial<MysqlAgentSettings> = {}): ResolvedMysqlAgentSettings {
  return mysqlAgentSettingsSchema.parse(settingsFor(server, more))
}

export function agentFor(server: TestedServer, more: Partial<MysqlAgentSettings> = {}): Agent {
  return createMysqlAgent(settingsFor(server, more))
}

export interface Dump extends AsyncDisposable {
  readonly stage: DirectoryStage
  readonly facts: CaptureFacts
}

/** Captures everything into a directory that disposing removes; `during` runs between the snapshot and the copy. */
export async function dump(
  agent: Agent,
  hooks: { readonly during?: (stage: DirectoryStage) => Promise<void> | void; readonly items?: readonly string[] } = {},
  options: OperationOptions = {},
): Promise<Dump> {
  const directory = await mkdtemp(join(tmpdir(), 'bp-dump-'))
  const remove = () => rm(directory, { recursive: true, force: true })
  try {
    const request = { job: 'test', kind: 'full' as const, chain: [], ...(hooks.items === undefined ? {} : { items: hooks.items }) }
    await using capture = await agent.beginCapture(request, options)
    const stage = new DirectoryStage(directory)
    await hooks.during?.(stage)
    await capture.copyTo(stage, options)
    await stage.seal(capture.facts)
    return { stage, facts: capture.facts, [Symbol.asyncDispose]: remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/** Runs the commands of RESTORE.md in the folder of one schema, as an operator would, with nothing but the listed tools. */
export async function restoreByHand(dumped: Dump, schema: string, target: ThrowawayMariadb): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'bp-home-'))
  try {
    const options = `[client]\nhost=${target.host}\nport=${target.port}\nuser=${target.user}\npassword=${target.rootPassword}\nprotocol=tcp\n`
    await writeFile(join(home, '.my.cnf'), options, { mode: 0o600 })
    const guide = await readFile(join(dumped.stage.directory, 'RESTORE.md'), 'utf8')
    const script = /```sh\n([\s\S]*?)```/.exec(guide)?.[1]
    if (script === undefined) throw new Error('RESTORE.md holds no commands')
    const quoted = `'${schema.replaceAll("'", "'\\''")}'`
    await promisify(execFile)('sh', ['-c', script.replace('schema=shop', () => `schema=${quoted}`)], {
      cwd: join(dumped.stage.directory, schema),
      env: { PATH: process.env.PATH, HOME: home },
    })
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

/** Polls until `condition` gives a value; throws after the deadline. */
export async function until<Value>(what: string, condition: () => Promise<Value | undefined>, milliseconds = 15_000): Promise<Value> {
  const deadline = performance.now() + milliseconds
  for (;;) {
    const value = await condition()
    if (value !== undefined) return value
    if (performance.now() > deadline) throw new Error(`${what} did not happen in ${milliseconds} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
