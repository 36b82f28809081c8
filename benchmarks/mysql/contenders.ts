import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ThrowawayMariadb } from '../../tooling/servers/throwaway-mariadb.ts'
import { measure, type Pipeline, type ProgramCall } from '../measured-process.ts'

/** What is compared with each other. A restore brings the database `bench` back as `restored`. */
export type Task = 'dump' | 'plain dump' | 'restore' | 'logs' | 'to a repository'

/** One program at one task. */
export interface Contender {
  readonly name: string
  readonly task: Task
  /** Every other one of the same task is compared with it. */
  readonly isOurs: boolean
  readonly prepare: () => Promise<void>
  readonly pipeline: Pipeline
  /** What was written, for a backup. */
  readonly output?: string
  /** Ours must take no more than this part of its time. */
  readonly goal?: number
}

export interface Bench {
  readonly server: ThrowawayMariadb
  readonly scratch: string
  readonly firstBinlog: string
  /** File with the backup that logs continue. */
  readonly full: string
}

/** By task, ours first. */
export function describeContenders(bench: Bench): readonly Contender[] {
  return [...dumps(bench), ...plainDumps(bench), ...restores(bench), ...logs(bench), ...repositories(bench)]
}

const threads = '2'

function dumps({ server, scratch }: Bench): readonly Contender[] {
  const task = 'dump'
  return [
    agentContender({ server, task, name: 'agent-mysql, 2 threads, zstd', verb: 'dump', output: join(scratch, 'ours-zstd'), choice: '1' }),
    mydumper(server, { task, name: 'mydumper -t 2, uncompressed', output: join(scratch, 'mydumper'), more: [], goal: 1 }),
    mydumper(server, { task, name: 'mydumper -t 2 -c', output: join(scratch, 'mydumper-zstd'), more: ['--compress'], goal: 0.5 }),
    mariadbDump(server, scratch),
  ]
}

function plainDumps({ server, scratch }: Bench): readonly Contender[] {
  const task = 'plain dump'
  return [
    agentContender({ server, task, name: 'agent-mysql, 2 threads', verb: 'dump', output: join(scratch, 'ours-plain'), choice: '0' }),
    mydumper(server, { task, name: 'mydumper -t 2', output: join(scratch, 'mydumper'), more: [], goal: 0.8 }),
  ]
}

interface AgentCall {
  readonly server: ThrowawayMariadb
  readonly task: Task
  readonly name: string
  readonly verb: 'dump' | 'full' | 'logs'
  readonly output: string
  readonly choice: string
}

function agentContender({ task, name, ...call }: AgentCall): Contender {
  const { output } = call
  return { name, task, isOurs: true, prepare: fresh(output), pipeline: { calls: [agentCall(call)] }, output }
}

function agentCall({ server, verb, output, choice }: Omit<AgentCall, 'task' | 'name'>): ProgramCall {
  return {
    program: process.execPath,
    arguments: [join(import.meta.dirname, 'agent-program.ts'), verb, output, String(server.port), choice],
    environment: { BENCH_PASSWORD: server.rootPassword },
  }
}

/** Makes the full backup that the logs continue, of the server as it is now. */
export async function recordFull({ server, scratch, full }: Omit<Bench, 'firstBinlog'>): Promise<void> {
  const output = join(scratch, 'full')
  await fresh(output)()
  await measure({ calls: [agentCall({ server, verb: 'full', output, choice: full })] })
}

interface MydumperCall {
  readonly task: Task
  readonly name: string
  readonly output: string
  readonly more: readonly string[]
  readonly goal: number
}

function mydumper(server: ThrowawayMariadb, { task, name, output, more, goal }: MydumperCall): Contender {
  const words = [...passwordConnection(server), '--database=bench', `--outputdir=${output}`, ...more]
  return {
    name,
    task,
    isOurs: false,
    prepare: fresh(output),
    pipeline: { calls: [{ program: 'mydumper', arguments: words }] },
    output,
    goal,
  }
}

function mariadbDump(server: ThrowawayMariadb, scratch: string): Contender {
  const output = join(scratch, 'mariadb-dump')
  return {
    name: 'mariadb-dump | zstd -3',
    task: 'dump',
    isOurs: false,
    prepare: fresh(output),
    pipeline: {
      calls: [dumpCall(server), { program: 'zstd', arguments: ['-3', '-q', '-c'] }],
      outputFile: join(output, 'bench.sql.zst'),
    },
    output,
    goal: 0.7,
  }
}

function restores({ server, scratch }: Bench): readonly Contender[] {
  const prepare = () => server.client('DROP DATABASE IF EXISTS restored').then(() => undefined)
  const task = 'restore'
  const repository = `{ kind: archive, destination: ${JSON.stringify(pathToFileURL(join(scratch, 'archive')).href)} }`
  const product = command({ server, scratch, name: 'restore', repository })
  const words = [...passwordConnection(server), `--directory=${join(scratch, 'mydumper')}`, '--database=restored']
  let backedUp = false
  return [
    {
      name: 'backup-planet restore, 2 threads',
      task,
      isOurs: true,
      prepare: async () => {
        if (!backedUp) await product.runOnce()
        backedUp = true
        await prepare()
      },
      pipeline: {
        calls: [
          product.call('restore', 'bench', '--to', 'scratch', '--rename', 'bench=restored', '--option', `threads=${threads}`, '--yes'),
        ],
      },
    },
    { name: 'myloader -t 2', task, isOurs: false, prepare, pipeline: { calls: [{ program: 'myloader', arguments: words }] }, goal: 0.6 },
  ]
}

function logs({ server, scratch, firstBinlog, full }: Bench): readonly Contender[] {
  const task = 'logs'
  const output = join(scratch, 'raw-logs')
  const words = [...connectionOf(server), '--read-from-remote-server', '--raw', '--to-last-log', `--result-file=${output}/`, firstBinlog]
  return [
    agentContender({ server, task, name: 'agent-mysql, log', verb: 'logs', output: join(scratch, 'ours-logs'), choice: full }),
    {
      name: 'mariadb-binlog -R --raw',
      task,
      isOurs: false,
      prepare: fresh(output),
      pipeline: { calls: [{ program: 'mariadb-binlog', arguments: ['--no-defaults', ...words], environment: passwordOf(server) }] },
      output,
      goal: 1,
    },
  ]
}

function repositories({ server, scratch }: Bench): readonly Contender[] {
  const task = 'to a repository'
  const ours = join(scratch, 'ours-restic')
  const password = { RESTIC_PASSWORD: 'benchmark' }
  const repository = `{ kind: restic, destination: ${JSON.stringify(pathToFileURL(ours).href)}, password: "\${env:RESTIC_PASSWORD}" }`
  const product = command({ server, scratch, name: 'repository', repository, environment: password })
  const theirs = join(scratch, 'restic')
  const resticCall = (...words: readonly string[]): ProgramCall => ({
    program: 'restic',
    arguments: ['--no-cache', '--quiet', '-r', theirs, ...words],
    environment: password,
  })
  return [
    {
      name: 'backup-planet run, 2 threads, restic repository',
      task,
      isOurs: true,
      prepare: async () => {
        await fresh(ours)()
        await product.prepare()
      },
      pipeline: { calls: [product.call('run', 'bench')] },
      output: ours,
    },
    {
      name: 'mariadb-dump | restic backup --stdin',
      task,
      isOurs: false,
      prepare: async () => {
        await fresh(theirs)()
        await measure({ calls: [resticCall('init')] })
      },
      pipeline: { calls: [dumpCall(server), resticCall('backup', '--stdin')] },
      output: theirs,
      goal: 0.8,
    },
  ]
}

interface ProductOptions {
  readonly server: ThrowawayMariadb
  readonly scratch: string
  /** Of the configuration file. */
  readonly name: string
  /** As YAML. */
  readonly repository: string
  readonly environment?: Readonly<Record<string, string>>
}

/** The built command with a configuration of its own. */
function command({ server, scratch, name, repository, environment }: ProductOptions) {
  const configuration = join(scratch, `${name}.yaml`)
  const connection = `host: 127.0.0.1, port: ${server.port}, user: root, password: "\${env:BENCH_PASSWORD}"`
  const settings = `${connection}, threads: ${threads}, includeSchemas: [bench], users: false`
  const text = [
    `repositories: { here: ${repository} }`,
    `jobs: { bench: { agent: mysql, settings: { ${settings} }, repository: here } }`,
    `targets: { scratch: { agent: mysql, settings: { ${connection} } } }`,
    `staging: { directory: ${JSON.stringify(join(scratch, `${name}-staging`))} }`,
    '',
  ].join('\n')
  const call = (...words: readonly string[]): ProgramCall => ({
    program: process.execPath,
    arguments: [join(import.meta.dirname, '../../packages/cli/dist/main.js'), ...words, '--config', configuration],
    environment: { BENCH_PASSWORD: server.rootPassword, ...environment },
  })
  const prepare = async (): Promise<void> => {
    await writeFile(configuration, text, { mode: 0o600 })
    await measure({ calls: [call('init')] })
  }
  return {
    call,
    prepare,
    async runOnce() {
      await prepare()
      await measure({ calls: [call('run', 'bench')] })
    },
  }
}

function dumpCall(server: ThrowawayMariadb): ProgramCall {
  const words = ['--no-defaults', ...connectionOf(server), '--single-transaction', 'bench']
  return { program: 'mariadb-dump', arguments: words, environment: passwordOf(server) }
}

function passwordOf(server: ThrowawayMariadb): Readonly<Record<string, string>> {
  return { MYSQL_PWD: server.rootPassword }
}

function connectionOf(server: ThrowawayMariadb): readonly string[] {
  return [`--host=${server.host}`, `--port=${server.port}`, `--user=${server.user}`]
}

/** For programs that take no password from their environment. */
function passwordConnection(server: ThrowawayMariadb): readonly string[] {
  return [...connectionOf(server), `--password=${server.rootPassword}`, `--threads=${threads}`]
}

function fresh(directory: string): () => Promise<void> {
  return async () => {
    await rm(directory, { recursive: true, force: true })
    await mkdir(directory)
  }
}
