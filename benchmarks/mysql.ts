import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { startThrowawayMariadb } from '../tooling/servers/throwaway-mariadb.ts'
import { type Contender, describeContenders } from './bench-contenders.ts'
import { type Measurement, measure } from './measured-process.ts'
import { median } from './median.ts'
import { resultsTable } from './results-table.ts'
import { wholeNumber } from './whole-number.ts'

/**
 * `npm run bench`: a full backup and a restore of a generated database by `backup-planet` (the whole product: staging, tar.zst
 * archives, manifest), by mydumper and myloader, and by mariadb-dump through zstd, in turns on the same server. Medians.
 * BENCH_ROWS (1 000 000) and BENCH_ROUNDS (3) change its size.
 */
const rows = wholeNumber('BENCH_ROWS', 1_000_000)
const rounds = wholeNumber('BENCH_ROUNDS', 3)
const scratch = await mkdtemp(join(tmpdir(), 'bench-mysql-'))

try {
  await using server = await startThrowawayMariadb({
    serverOptions: [
      '--innodb-buffer-pool-size=512M',
      '--innodb-log-file-size=256M',
      '--skip-log-bin',
      '--innodb-flush-log-at-trx-commit=2',
    ],
  })
  process.stderr.write(`generating ${rows.toLocaleString('en')} rows …\n`)
  await generate((sql) => server.client(sql))
  const samples = new Map<Contender, Measurement[]>()
  const sizes = new Map<Contender, number>()
  const contenders = await describeContenders(server, scratch)
  for (let round = 1; round <= rounds; round++) {
    for (const contender of contenders) {
      await contender.prepare()
      const measured = await measure(contender.pipeline)
      process.stderr.write(`round ${round} of ${rounds}: ${contender.task} ${contender.name} ${measured.seconds.toFixed(1)} s\n`)
      samples.set(contender, [...(samples.get(contender) ?? []), measured])
      if (contender.output !== undefined) sizes.set(contender, await bytesBelow(contender.output))
      if (contender.task === 'restore') await requireRows((sql) => server.client(sql))
    }
  }
  const results = contenders.map((contender) => {
    const ours = contenders.find((other) => other.isOurs && other.task === contender.task) ?? contender
    const seconds = median((samples.get(contender) ?? []).map((sample) => sample.seconds))
    return {
      task: contender.task,
      name: contender.name,
      seconds,
      /** How many times our time it takes; above 1 we are faster. */
      timesOurs: seconds / median((samples.get(ours) ?? []).map((sample) => sample.seconds)),
      peakBytes: Math.max(...(samples.get(contender) ?? []).map((sample) => sample.peakBytes)),
      bytes: sizes.get(contender),
      samples: (samples.get(contender) ?? []).map((sample) => sample.seconds),
    }
  })
  const machine = { processors: availableParallelism(), model: cpus()[0]?.model, memory: totalmem(), node: process.version }
  const version = (await server.client('SELECT version()')).trim()
  await writeFile(
    join(import.meta.dirname, 'results.json'),
    `${JSON.stringify({ at: new Date().toISOString(), rows, rounds, server: version, machine, results }, undefined, 2)}\n`,
  )
  process.stdout.write(resultsTable({ rows, rounds, server: version, processors: machine.processors, results }))
} finally {
  await rm(scratch, { recursive: true, force: true })
}

async function generate(client: (sql: string) => Promise<string>): Promise<void> {
  await client('CREATE DATABASE bench')
  for (let table = 1; table <= 4; table++) {
    await client(`CREATE TABLE bench.line_${table} (id INT UNSIGNED PRIMARY KEY, customer INT UNSIGNED NOT NULL, at DATETIME NOT NULL,
      price DECIMAL(10, 2) NOT NULL, name VARCHAR(60) NOT NULL, note VARCHAR(200), KEY by_customer (customer))`)
    await client(`INSERT INTO bench.line_${table} SELECT seq, crc32(seq) % 50000, '2020-01-01' + INTERVAL seq SECOND, seq % 10000 / 7,
      concat('article ', md5(seq)), concat('row ', seq, ' of a table that is neither random nor all the same, ', sha1(seq + ${table}))
      FROM bench.seq_1_to_${Math.ceil(rows / 4)}`)
    await client(`ANALYZE TABLE bench.line_${table}`)
  }
}

async function requireRows(client: (sql: string) => Promise<string>): Promise<void> {
  for (let table = 1; table <= 4; table++) {
    const found = Number(await client(`SELECT count(*) FROM restored.line_${table}`))
    if (found !== Math.ceil(rows / 4)) throw new Error(`a restore brought back ${found} of ${Math.ceil(rows / 4)} rows of line_${table}`)
  }
}

async function bytesBelow(directory: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  }
  return bytes
}
