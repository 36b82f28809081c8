import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { processOutput } from '../tooling/servers/process-output.ts'
import type { ThrowawayMariadb } from '../tooling/servers/throwaway-mariadb.ts'
import type { Pipeline, ProgramCall } from './measured-process.ts'

/** One program at one task, on the database `bench`; a restore brings it back as `restored`. */
export interface Contender {
  readonly name: string
  readonly task: 'backup' | 'restore'
  /** Every other one of the same task is compared with it. */
  readonly isOurs: boolean
  readonly prepare: () => Promise<void>
  readonly pipeline: Pipeline
  /** What was written, for a backup. */
  readonly output?: string
}

/** Ours, mariadb-dump, and mydumper where it is installed; backups before restores. */
export async function describeContenders(server: ThrowawayMariadb, scratch: string): Promise<readonly Contender[]> {
  const all = [...(await ours(server, scratch)), ...mariadbDump(server, scratch)]
  if (await isInstalled('mydumper')) all.push(...mydumper(server, scratch))
  return all.sort((left, right) => left.task.localeCompare(right.task))
}

const threads = '2'

async function ours(server: ThrowawayMariadb, scratch: string): Promise<readonly Contender[]> {
  const configuration = join(scratch, 'backup-planet.yaml')
  const output = join(scratch, 'ours')
  const connection = `host: 127.0.0.1, port: ${server.port}, user: root, password: "\${env:BENCH_PASSWORD}", threads: ${threads}`
  const lines = [
    `repositories: { here: { kind: archive, destination: ${JSON.stringify(pathToFileURL(output).href)} } }`,
    `jobs: { bench: { agent: mysql, settings: { ${connection}, includeSchemas: [bench], users: false }, repository: here } }`,
    `targets: { scratch: { agent: mysql, settings: { ${connection} } } }`,
    `staging: { directory: ${JSON.stringify(join(scratch, 'staging'))} }`,
  ]
  await writeFile(configuration, `${lines.join('\n')}\n`, { mode: 0o600 })
  const command = join(import.meta.dirname, '..', 'packages', 'cli', 'src', 'main.ts')
  const call = (...words: readonly string[]): ProgramCall => ({
    program: process.execPath,
    arguments: [
      '--conditions=@backup-planet/source',
      '--disable-warning=ExperimentalWarning',
      command,
      ...words,
      '--config',
      configuration,
    ],
    environment: { BENCH_PASSWORD: server.rootPassword },
  })
  return [
    {
      name: 'backup-planet, 2 threads, tar.zst',
      task: 'backup',
      isOurs: true,
      prepare: fresh(output),
      pipeline: { calls: [call('run', 'bench')] },
      output,
    },
    {
      name: 'backup-planet, 2 threads',
      task: 'restore',
      isOurs: true,
      prepare: () => dropRestored(server),
      pipeline: { calls: [call('restore', 'bench', '--to', 'scratch', '--rename', 'bench=restored', '--yes')] },
    },
  ]
}

function mariadbDump(server: ThrowawayMariadb, scratch: string): readonly Contender[] {
  const output = join(scratch, 'mariadb-dump')
  const file = join(output, 'bench.sql.zst')
  const environment = { MYSQL_PWD: server.rootPassword }
  const connection = ['--no-defaults', ...connectionOf(server)]
  return [
    {
      name: 'mariadb-dump | zstd -3',
      task: 'backup',
      isOurs: false,
      prepare: fresh(output),
      pipeline: {
        calls: [
          { program: 'mariadb-dump', arguments: [...connection, '--single-transaction', 'bench'], environment },
          { program: 'zstd', arguments: ['-3', '-q', '-c'] },
        ],
        outputFile: file,
      },
      output,
    },
    {
      name: 'zstd -d | mariadb',
      task: 'restore',
      isOurs: false,
      prepare: async () => {
        await dropRestored(server)
        await server.client('CREATE DATABASE restored')
      },
      pipeline: {
        calls: [
          { program: 'zstd', arguments: ['-d', '-q', '-c', file] },
          { program: 'mariadb', arguments: [...connection, 'restored'], environment },
        ],
      },
    },
  ]
}

function mydumper(server: ThrowawayMariadb, scratch: string): readonly Contender[] {
  const plain = join(scratch, 'mydumper')
  const compressed = join(scratch, 'mydumper-compressed')
  const connection = [...connectionOf(server), `--password=${server.rootPassword}`, `--threads=${threads}`]
  const backup = (name: string, output: string, more: readonly string[]): Contender => ({
    name,
    task: 'backup',
    isOurs: false,
    prepare: fresh(output),
    pipeline: { calls: [{ program: 'mydumper', arguments: [...connection, '--database=bench', `--outputdir=${output}`, ...more] }] },
    output,
  })
  return [
    backup('mydumper -t 2', plain, []),
    backup('mydumper -t 2 -c', compressed, ['--compress']),
    {
      name: 'myloader -t 2',
      task: 'restore',
      isOurs: false,
      prepare: () => dropRestored(server),
      pipeline: { calls: [{ program: 'myloader', arguments: [...connection, `--directory=${plain}`, '--database=restored'] }] },
    },
  ]
}

function connectionOf(server: ThrowawayMariadb): readonly string[] {
  return [`--host=${server.host}`, `--port=${server.port}`, `--user=${server.user}`]
}

function fresh(directory: string): () => Promise<void> {
  return async () => {
    await rm(directory, { recursive: true, force: true })
    await mkdir(directory)
  }
}

async function dropRestored(server: ThrowawayMariadb): Promise<void> {
  await server.client('DROP DATABASE IF EXISTS restored')
}

function isInstalled(program: string): Promise<boolean> {
  return processOutput(program, ['--version']).then(
    () => true,
    () => false,
  )
}
