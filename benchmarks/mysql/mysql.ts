import { access, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { startThrowawayMariadb } from '../../tooling/servers/throwaway-mariadb.ts'
import { type Measurement, measure } from '../measured-process.ts'
import { median } from '../median.ts'
import { wholeNumber } from '../whole-number.ts'
import { type Contender, describeContenders, recordFull } from './contenders.ts'
import { generateBinlogs, generateDatabase, requireRows } from './generated-database.ts'
import { resultsTable } from './results-table.ts'

/**
 * `npm run bench -- mysql`: a generated database dumped by the agent alone and by mydumper and mariadb-dump, restored by the command and by myloader,
 * its binlogs copied by the agent and by mariadb-binlog, and all of it brought into a restic repository by the command and by
 * `mariadb-dump | restic backup --stdin`, in turns on the same server. Medians. BENCH_ROWS (5 000 000), BENCH_BINLOG_MEGABYTES (1000) and
 * BENCH_ROUNDS (5) change its size, BENCH_TASKS (all) its tasks, such as `dump,logs`. Needs the built command. Writes `results.json` beside itself.
 */
const rows = wholeNumber('BENCH_ROWS', 5_000_000)
const megabytes = wholeNumber('BENCH_BINLOG_MEGABYTES', 1000)
const rounds = wholeNumber('BENCH_ROUNDS', 5)
const tasks = process.env.BENCH_TASKS?.split(',')
await access(join(import.meta.dirname, '../../packages/cli/dist/main.js'))
const scratch = await mkdtemp(join(tmpdir(), 'bench-mysql-'))

try {
  await using server = await startThrowawayMariadb({
    serverOptions: ['--innodb-buffer-pool-size=1G', '--innodb-log-file-size=512M', '--innodb-flush-log-at-trx-commit=2'],
  })
  process.stderr.write(`generating ${rows.toLocaleString('en')} rows and ${megabytes} MB of binlogs …\n`)
  const client = (sql: string) => server.client(sql)
  const full = join(scratch, 'full.json')
  const firstBinlog = await generateBinlogs(client, megabytes, () => recordFull({ server, scratch, full }))
  await generateDatabase(client, rows)
  const samples = new Map<Contender, Measurement[]>()
  const sizes = new Map<Contender, number>()
  const contenders = describeContenders({ server, scratch, firstBinlog, full }).filter(({ task }) => tasks?.includes(task) ?? true)
  for (let round = 1; round <= rounds; round++) {
    for (const contender of contenders) {
      await contender.prepare()
      const measured = await measure(contender.pipeline)
      process.stderr.write(`round ${round} of ${rounds}: ${contender.task}, ${contender.name} ${measured.seconds.toFixed(1)} s\n`)
      samples.set(contender, [...(samples.get(contender) ?? []), measured])
      if (contender.output !== undefined) sizes.set(contender, await bytesBelow(contender.output))
      if (contender.task === 'restore') await requireRows(client, rows)
    }
  }
  const results = contenders.map((contender) => {
    const ours = contenders.find((other) => other.isOurs && other.task === contender.task) ?? contender
    const secondsOf = (one: Contender) => median((samples.get(one) ?? []).map((sample) => sample.seconds))
    return {
      task: contender.task,
      name: contender.name,
      seconds: secondsOf(contender),
      /** What part of its time ours takes. */
      ratio: secondsOf(ours) / secondsOf(contender),
      goal: contender.goal,
      peakBytes: Math.max(...(samples.get(contender) ?? []).map((sample) => sample.peakBytes)),
      bytes: sizes.get(contender),
      samples: (samples.get(contender) ?? []).map((sample) => sample.seconds),
    }
  })
  const machine = { processors: availableParallelism(), model: cpus()[0]?.model, memory: totalmem(), node: process.version }
  const version = (await server.client('SELECT version()')).trim()
  await writeFile(
    join(import.meta.dirname, 'results.json'),
    `${JSON.stringify({ at: new Date().toISOString(), rows, megabytes, rounds, server: version, machine, results }, undefined, 2)}\n`,
  )
  process.stdout.write(resultsTable({ rows, rounds, server: version, processors: machine.processors, results }))
} finally {
  await rm(scratch, { recursive: true, force: true })
}

async function bytesBelow(directory: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  }
  return bytes
}
