import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { startThrowawayMariadb } from '../tooling/servers/throwaway-mariadb.ts'
import { measure } from './measured-process.ts'
import { wholeNumber, wholeNumbers } from './whole-number.ts'

/**
 * `npx pnpm --filter @backup-planet/cli... build`, then `node benchmarks/memory.ts`: peak memory of the built command that backs up databases
 * of several sizes from the same server into an archive repository in a directory. MEMORY_MEGABYTES (500,1000,2000,5000) and MEMORY_THREADS (4)
 * change its size. Writes `memory-results.json` beside itself. The goal is below 300 MB for all, and the same.
 */
const sizes = wholeNumbers('MEMORY_MEGABYTES', [500, 1000, 2000, 5000])
const threads = wholeNumber('MEMORY_THREADS', 4)
const command = join(import.meta.dirname, '..', 'packages', 'cli', 'dist', 'main.js')
await access(command)
const scratch = await mkdtemp(join(tmpdir(), 'bench-memory-'))

/** Small enough that every size is stored while it is still read, which is when most is on its way: in bytes. */
const volumeBytes = 32 * 1024 ** 2

/** Text in a row of {@link generate}. */
const rowBytes = 275

try {
  await using server = await startThrowawayMariadb({
    serverOptions: [
      '--innodb-buffer-pool-size=512M',
      '--innodb-log-file-size=512M',
      '--skip-log-bin',
      '--innodb-flush-log-at-trx-commit=2',
    ],
  })
  const results: { megabytes: number; seconds: number; peakBytes: number }[] = []
  for (const megabytes of sizes) {
    const schema = `data_${megabytes}`
    process.stderr.write(`generating ${megabytes} MB …\n`)
    await generate((sql) => server.client(sql), schema, megabytes)
    const repository = join(scratch, 'repository')
    const configuration = join(scratch, 'backup-planet.yaml')
    await mkdir(repository)
    const settings = `host: 127.0.0.1, port: ${server.port}, user: root, password: "\${env:BENCH_PASSWORD}", threads: ${threads}, includeSchemas: [${schema}], users: false`
    const lines = [
      `repositories: { here: { kind: archive, volumeBytes: ${volumeBytes}, destination: ${JSON.stringify(pathToFileURL(repository).href)} } }`,
      `jobs: { bench: { agent: mysql, settings: { ${settings} }, repository: here } }`,
      `staging: { directory: ${JSON.stringify(join(scratch, 'staging'))} }`,
    ]
    await writeFile(configuration, `${lines.join('\n')}\n`, { mode: 0o600 })
    const measured = await measure({
      calls: [
        {
          program: process.execPath,
          arguments: [command, 'run', 'bench', '--config', configuration],
          environment: { BENCH_PASSWORD: server.rootPassword },
        },
      ],
    })
    results.push({ megabytes, ...measured })
    process.stdout.write(
      `${String(megabytes).padStart(6)} MB of rows   ${measured.seconds.toFixed(1)} s   peak ${(measured.peakBytes / 1e6).toFixed(0)} MB\n`,
    )
    await server.client(`DROP DATABASE ${schema}`)
    await rm(repository, { recursive: true })
  }
  const machine = { processors: availableParallelism(), node: process.version }
  await writeFile(
    join(import.meta.dirname, 'memory-results.json'),
    `${JSON.stringify({ at: new Date().toISOString(), threads, machine, results }, undefined, 2)}\n`,
  )
} finally {
  await rm(scratch, { recursive: true, force: true })
}

async function generate(client: (sql: string) => Promise<string>, schema: string, megabytes: number): Promise<void> {
  await client(`CREATE DATABASE ${schema}`)
  for (let table = 1; table <= 4; table++) {
    await client(`CREATE TABLE ${schema}.line_${table} (id INT UNSIGNED PRIMARY KEY, at DATETIME NOT NULL, note VARCHAR(250) NOT NULL)`)
    await client(`INSERT INTO ${schema}.line_${table} SELECT seq, '2020-01-01' + INTERVAL seq SECOND, concat(sha2(seq, 512), md5(seq), repeat('the same text again ', 4))
      FROM ${schema}.seq_1_to_${Math.ceil((megabytes * 1e6) / rowBytes / 4)}`)
    await client(`ANALYZE TABLE ${schema}.line_${table}`)
  }
}
