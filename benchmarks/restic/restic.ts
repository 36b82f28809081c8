import { cp, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { startThrowawayMariadb } from '../../tooling/servers/throwaway-mariadb.ts'
import { type Measurement, measure } from '../measured-process.ts'
import { median } from '../median.ts'
import { wholeNumber } from '../whole-number.ts'
import { changeOnePercent, fingerprint, writeMixedFiles } from './mixed-files.ts'

/**
 * `npm run bench -- restic`: the same folder into a repository of ours and into one of restic's, side by side, a round of each in turn:
 * first backup, everything read again unchanged, the same known by its checksums, one per cent changed, restore. Medians, their ratio,
 * peak memory, size of the repository. RESTIC_MEGABYTES (1000) and RESTIC_ROUNDS (5) change its size; RESTIC_SOURCE is `mixed` files or a copy of
 * the `datadir` of a MariaDB. Restic gets `--force`, so that it reads everything as well. Ours keeps its memory as
 * lean as the command does. Writes `results-<source>.json` beside itself.
 */
const megabytes = wholeNumber('RESTIC_MEGABYTES', 1000)
const rounds = wholeNumber('RESTIC_ROUNDS', 5)
const source = process.env.RESTIC_SOURCE ?? 'mixed'
const scratch = await mkdtemp(join(process.env.RESTIC_SCRATCH ?? tmpdir(), 'bench-restic-'))
const password = 'benchmark'
const program = join(import.meta.dirname, 'folder-program.ts')
/** What a row of {@link copyDatadir} takes on the disk, indexes included. */
const datadirRowBytes = 240

interface Contender {
  readonly name: 'ours' | 'restic'
  readonly repository: string
  init(): Promise<Measurement>
  store(folder: string): Promise<Measurement>
  /** Everything is read, whatever is known of it. */
  readAgain(folder: string): Promise<Measurement>
  restore(target: string): Promise<Measurement>
}

const ours = (round: number): Contender => {
  const repository = join(scratch, `ours-${round}`)
  const call = (verb: string, folder: string) =>
    measure({
      calls: [
        {
          program: process.execPath,
          arguments: [program, verb, repository, folder],
          environment: { BENCH_PASSWORD: password },
        },
      ],
    })
  return {
    name: 'ours',
    repository,
    init: () => call('init', repository),
    store: (folder) => call('store', folder),
    readAgain: (folder) => call('again', folder),
    restore: (target) => call('restore', target),
  }
}

const restic = (round: number): Contender => {
  const repository = join(scratch, `restic-${round}`)
  const call = (...commandArguments: string[]) =>
    measure({
      calls: [
        {
          program: 'restic',
          arguments: ['--no-cache', '--quiet', '-r', repository, ...commandArguments],
          environment: { RESTIC_PASSWORD: password },
        },
      ],
    })
  return {
    name: 'restic',
    repository,
    init: () => call('init'),
    store: (folder) => call('backup', '--force', folder),
    readAgain: (folder) => call('backup', '--force', folder),
    restore: (target) => call('restore', 'latest', '--target', target),
  }
}

const tasks = ['first backup', 'unchanged, read again', 'unchanged, by checksum', 'one per cent changed', 'restore'] as const
type Task = (typeof tasks)[number]
const seen: { readonly task: Task; readonly name: Contender['name']; readonly measured: Measurement }[] = []
const sizes: { readonly name: Contender['name']; readonly bytes: number }[] = []

try {
  const original = join(scratch, 'original')
  process.stderr.write('making the files …\n')
  if (source === 'datadir') await copyDatadir(original)
  else await writeMixedFiles(original, megabytes)
  const changed = join(scratch, 'changed')
  await cp(original, changed, { recursive: true })
  await changeOnePercent(changed, 7)
  for (const folder of [original, changed]) await factsOf(folder)
  for (let round = 1; round <= rounds; round++) {
    const contenders = round % 2 === 0 ? [ours(round), restic(round)] : [restic(round), ours(round)]
    const run = async (task: Task, act: (contender: Contender) => Promise<Measurement>) => {
      for (const contender of contenders) {
        const measured = await act(contender)
        seen.push({ task, name: contender.name, measured })
        process.stderr.write(`round ${round}  ${task.padEnd(22)} ${contender.name.padEnd(7)} ${measured.seconds.toFixed(2)} s\n`)
      }
    }
    for (const { init } of contenders) await init()
    await run('first backup', ({ store }) => store(original))
    for (const { name, repository } of contenders) sizes.push({ name, bytes: await bytesBelow(repository) })
    await run('unchanged, read again', ({ readAgain }) => readAgain(original))
    await run('unchanged, by checksum', ({ store }) => store(original))
    await run('one per cent changed', ({ store }) => store(changed))
    // Stays until the end: a file system that has just deleted thousands of files takes seconds to make new ones.
    await run('restore', ({ name, restore }) => restore(join(scratch, `restored-${name}-${round}`)))
    if (round === 1) await assertSame(changed, join(scratch, 'restored-ours-1', 'files', 'bench', 'files'))
    for (const { repository } of contenders) await rm(repository, { recursive: true })
  }
  await tell()
} finally {
  await rm(scratch, { recursive: true, force: true })
}

async function tell(): Promise<void> {
  const rows = tasks.map((task) => {
    const of = (name: Contender['name']) => seen.filter((row) => row.task === task && row.name === name).map(({ measured }) => measured)
    const seconds = (name: Contender['name']) => median(of(name).map((measured) => measured.seconds))
    const peak = (name: Contender['name']) => Math.max(...of(name).map(({ peakBytes }) => peakBytes))
    return {
      task,
      ours: seconds('ours'),
      restic: seconds('restic'),
      ratio: seconds('ours') / seconds('restic'),
      oursPeakBytes: peak('ours'),
      resticPeakBytes: peak('restic'),
    }
  })
  const size = (name: Contender['name']) => median(sizes.filter((row) => row.name === name).map(({ bytes }) => bytes))
  const repository = { ours: size('ours'), restic: size('restic'), ratio: size('ours') / size('restic') }
  const megabyte = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`.padStart(8)
  process.stdout.write(`\n${megabytes} MB, ${rounds} rounds, ${availableParallelism()} processors, medians\n\n`)
  for (const { task, ours: mine, restic: theirs, ratio, oursPeakBytes, resticPeakBytes } of rows) {
    process.stdout.write(
      `${task.padEnd(22)} ours ${mine.toFixed(2).padStart(6)} s   restic ${theirs.toFixed(2).padStart(6)} s   ratio ${ratio.toFixed(2)}   peak ours ${megabyte(oursPeakBytes)}   restic ${megabyte(resticPeakBytes)}\n`,
    )
  }
  process.stdout.write(
    `${'repository'.padEnd(22)} ours ${megabyte(repository.ours)}   restic ${megabyte(repository.restic)}   ratio ${repository.ratio.toFixed(3)}\n`,
  )
  const machine = { processors: availableParallelism(), node: process.version }
  await writeFile(
    join(import.meta.dirname, `results-${source}.json`),
    `${JSON.stringify({ at: new Date().toISOString(), source, megabytes, rounds, machine, rows, repository }, undefined, 2)}\n`,
  )
}

/** Of a server that holds rows of text and numbers, as InnoDB keeps them, with its redo log and system tables. */
async function copyDatadir(target: string): Promise<void> {
  await using server = await startThrowawayMariadb({ serverOptions: ['--skip-log-bin', '--innodb-flush-log-at-trx-commit=2'] })
  await server.client('CREATE DATABASE bench')
  for (let table = 1; table <= 4; table++) {
    await server.client(`CREATE TABLE bench.line_${table} (id INT UNSIGNED PRIMARY KEY, at DATETIME NOT NULL, note VARCHAR(250) NOT NULL, KEY (at))
      SELECT seq AS id, '2020-01-01' + INTERVAL seq SECOND AS at, concat(md5(seq), ' ', repeat('the same text again ', 4)) AS note
      FROM bench.seq_1_to_${Math.round((megabytes * 1e6) / 4 / datadirRowBytes)}`)
  }
  await server.restart()
  await cp(join(server.directory, 'data'), target, { recursive: true, filter: (path) => !/\.(?:sock|pid)$/.test(path) })
}

async function factsOf(folder: string): Promise<void> {
  await measure({ calls: [{ program: process.execPath, arguments: [program, 'facts', scratch, folder] }] })
}

async function assertSame(before: string, after: string): Promise<void> {
  if ((await fingerprint(before)) !== (await fingerprint(after))) throw new Error('what was restored is not what was stored')
}

async function bytesBelow(directory: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  }
  return bytes
}
