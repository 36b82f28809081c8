import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { type CommandLineSettings, type ExitCode, runCommandLine } from '../index.ts'
import { samplePlugin, sampleServer } from './sample-agent.ts'

export interface CommandResult {
  readonly code: ExitCode
  readonly stdout: string
  readonly stderr: string
  /** Standard output as JSON lines. */
  readonly lines: readonly Record<string, unknown>[]
}

export const samplePassword = 'correct-horse battery"staple'

/** A folder with a configuration, a sample server and a way to run commands on them. */
export async function commandLineOf(
  configuration: string,
  databases: Readonly<Record<string, string>> = { orders: 'ten orders', notes: 'a note' },
) {
  const directory = await mkdtemp(join(tmpdir(), 'backup-planet-cli-'))
  const file = join(directory, 'backup-planet.yaml')
  await writeFile(file, configuration, { mode: 0o600 })
  const server = sampleServer(databases)
  const environment = { SAMPLE_PASSWORD: samplePassword, HOME: directory, XDG_STATE_HOME: directory, LANG: 'C', NO_COLOR: '1' }

  async function run(
    argv: readonly string[],
    settings: Partial<CommandLineSettings> & { readonly answer?: string } = {},
  ): Promise<CommandResult> {
    const written = { stdout: '', stderr: '' }
    const stdin = Object.assign(new PassThrough(), { isTTY: settings.answer !== undefined })
    if (settings.answer !== undefined) stdin.write(`${settings.answer}\n`)
    const code = await runCommandLine(argv[0] === '--no-config' ? argv.slice(1) : ['--config', file, ...argv], {
      stdout: { write: (text) => (written.stdout += text) },
      stderr: { write: (text) => (written.stderr += text), isTTY: settings.answer !== undefined },
      stdin,
      environment,
      plugins: [samplePlugin(server)],
      ...settings,
    })
    const lines = argv.includes('--json')
      ? written.stdout
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as Record<string, unknown>)
      : []
    return { code, ...written, lines }
  }

  return { directory, file, server, run, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) }
}

export const sampleConfiguration = `repositories:
  local: { kind: archive, destination: ./backups }
jobs:
  shop:
    agent: sample
    repository: local
    settings: { host: sample, password: "\${env:SAMPLE_PASSWORD}" }
targets:
  scratch: { agent: sample, settings: { host: scratch } }
staging: { directory: ./staging, budget: 64MiB }
`
