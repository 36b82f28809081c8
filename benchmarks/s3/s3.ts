import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { processOutput } from '../../tooling/servers/process-output.ts'
import { startThrowawayCephS3 } from '../../tooling/servers/throwaway-ceph-s3.ts'
import { type Measurement, measure, type ProgramCall } from '../measured-process.ts'
import { median } from '../median.ts'
import { wholeNumber } from '../whole-number.ts'

/**
 * `npm run bench -- s3`: one large file and many small ones into a bucket of a Ceph gateway on this machine, and the large one back, by ours
 * by rclone, and by `aws s3 cp` where it is installed, a round of each in turn. Medians, their ratios, peak memory. S3_MEGABYTES (1024), S3_OBJECTS (10000) and S3_ROUNDS
 * (5) change its size. The gateway works on the same processors, so that what is measured is both together. Writes `results.json`
 * beside itself.
 */
const megabytes = wholeNumber('S3_MEGABYTES', 1024)
const objects = wholeNumber('S3_OBJECTS', 10_000)
const rounds = wholeNumber('S3_ROUNDS', 5)
// Of somebody's other programs; the gateway here speaks no TLS.
delete process.env.AWS_CA_BUNDLE
const scratch = await mkdtemp(join(tmpdir(), 'bench-s3-'))
const bucket = 'bench'
await using store = await startThrowawayCephS3({ buckets: [bucket], memoryBytes: (megabytes * 4 + 2048) * 1024 ** 2 })

type Name = 'ours' | 'rclone' | 'aws'
type Verb = 'put' | 'put-all' | 'get'

const credentials = { AWS_ACCESS_KEY_ID: store.user.accessKeyId, AWS_SECRET_ACCESS_KEY: store.user.secretAccessKey }

const calls: Readonly<Record<Name, (verb: Verb, path: string, key: string) => ProgramCall>> = {
  ours: (verb, path, key) => ({
    program: process.execPath,
    arguments: [join(import.meta.dirname, 'transfer-program.ts'), verb, path, key],
    environment: { ...credentials, S3_ENDPOINT: store.endpoint, S3_BUCKET: bucket },
  }),
  rclone: (verb, path, key) => {
    const remote = `bench:${bucket}/${key}`
    const words = verb === 'put' ? ['copyto', path, remote] : verb === 'get' ? ['copyto', remote, path] : ['copy', path, remote]
    return {
      program: 'rclone',
      arguments: [...words, '--transfers', '4', '--ignore-times', '--config', '/dev/null'],
      environment: {
        RCLONE_CONFIG_BENCH_TYPE: 's3',
        RCLONE_CONFIG_BENCH_PROVIDER: 'Ceph',
        RCLONE_CONFIG_BENCH_ENDPOINT: store.endpoint,
        RCLONE_CONFIG_BENCH_ACCESS_KEY_ID: store.user.accessKeyId,
        RCLONE_CONFIG_BENCH_SECRET_ACCESS_KEY: store.user.secretAccessKey,
      },
    }
  },
  // By its own defaults: ten requests at once, parts of 8 MiB.
  aws: (verb, path, key) => {
    const remote = `s3://${bucket}/${key}`
    const words = verb === 'get' ? [remote, path] : [path, remote]
    return {
      program: 'aws',
      arguments: [
        's3',
        'cp',
        ...words,
        ...(verb === 'put-all' ? ['--recursive'] : []),
        '--only-show-errors',
        '--endpoint-url',
        store.endpoint,
      ],
      environment: {
        ...credentials,
        AWS_CONFIG_FILE: '/dev/null',
        AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
        AWS_DEFAULT_REGION: 'us-east-1',
      },
    }
  },
}

const contenders: readonly Name[] = ['ours', 'rclone', ...((await answers('aws')) ? (['aws'] as const) : [])]

const seen: { readonly verb: Verb; readonly name: Name; readonly measured: Measurement }[] = []

try {
  const large = join(scratch, 'large')
  const small = join(scratch, 'small')
  await writeRandom(large)
  await mkdir(small)
  for (let index = 0; index < objects; index++) await writeFile(join(small, `object-${index}`), randomBytes(4096))
  for (let round = 1; round <= rounds; round++) {
    const names = round % 2 === 0 ? contenders : contenders.toReversed()
    const run = async (verb: Verb, path: (name: Name) => string, key: string): Promise<void> => {
      for (const name of names) {
        const measured = await measure({ calls: [calls[name](verb, path(name), `${name}/${key}`)] })
        seen.push({ verb, name, measured })
        process.stderr.write(`round ${round}  ${verb.padEnd(8)} ${name.padEnd(7)} ${measured.seconds.toFixed(2)} s\n`)
      }
    }
    await run('put', () => large, 'large')
    await run('get', (name) => join(scratch, `back-${name}`), 'large')
    if (!(await readFile(large)).equals(await readFile(join(scratch, 'back-ours')))) throw new Error('other bytes came back')
    await run('put-all', () => small, 'small')
  }
  await tell()
} finally {
  await rm(scratch, { recursive: true, force: true })
}

async function tell(): Promise<void> {
  const rows = (['put', 'get', 'put-all'] as const).map((verb) => {
    const of = (name: Name) => seen.filter((row) => row.verb === verb && row.name === name).map(({ measured }) => measured)
    const secondsOf = (name: Name) => median(of(name).map(({ seconds }) => seconds))
    const others = contenders
      .filter((name) => name !== 'ours')
      .map((name) => ({ name, seconds: secondsOf(name), ratio: secondsOf('ours') / secondsOf(name), peakBytes: peakOf(of(name)) }))
    return { task: verb, ours: { seconds: secondsOf('ours'), peakBytes: peakOf(of('ours')) }, others }
  })
  process.stdout.write(
    `\n${megabytes} MiB, ${objects} objects of 4 KiB, ${rounds} rounds, ${availableParallelism()} processors, medians\n\n`,
  )
  for (const { task, ours, others } of rows) {
    const text = ({ seconds, peakBytes }: { readonly seconds: number; readonly peakBytes: number }) =>
      `${seconds.toFixed(2)} s, ${(peakBytes / 1e6).toFixed(0)} MB`
    const beside = others.map((other) => `   ${other.name} ${text(other)}, ratio ${other.ratio.toFixed(2)}`)
    process.stdout.write(`${task.padEnd(8)} ours ${text(ours)}${beside.join('')}\n`)
  }
  const results = { megabytes, objects, rounds, processors: availableParallelism(), rows }
  await writeFile(join(import.meta.dirname, 'results.json'), `${JSON.stringify(results, undefined, 2)}\n`)
}

function peakOf(measured: readonly Measurement[]): number {
  return Math.max(...measured.map(({ peakBytes }) => peakBytes))
}

/** Whether there is such a program, and it is not only the name of one. */
async function answers(program: string): Promise<boolean> {
  return processOutput(program, ['--version']).then(
    () => true,
    () => false,
  )
}

async function writeRandom(path: string): Promise<void> {
  await using handle = await open(path, 'wx', 0o600)
  for (let left = megabytes; left > 0; left--) await handle.writeFile(randomBytes(1024 ** 2))
}
