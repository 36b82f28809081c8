/**
 * What `npm run bench` measures. Each by its name runs at its full size; without a name all run at moderate ones, so that a look
 * takes minutes. A variable of the environment wins over either. `tools` are brought only where a benchmark is asked for by its name.
 */
export const benchmarks = {
  mysql: { script: 'benchmarks/mysql/mysql.ts', moderate: { BENCH_ROWS: '300000', BENCH_BINLOG_MEGABYTES: '100', BENCH_ROUNDS: '2' } },
  memory: { script: 'benchmarks/memory.ts', moderate: { MEMORY_MEGABYTES: '100,1000' } },
  restic: { script: 'benchmarks/restic/restic.ts', moderate: { RESTIC_MEGABYTES: '200', RESTIC_ROUNDS: '2' } },
  s3: { script: 'benchmarks/s3/s3.ts', moderate: { S3_MEGABYTES: '256', S3_OBJECTS: '1000', S3_ROUNDS: '2' }, tools: ['aws'] },
  sftp: { script: 'benchmarks/sftp.ts', moderate: { SFTP_MEGABYTES: '200', SFTP_ROUNDS: '2' } },
  'blob-index': { script: 'benchmarks/blob-index.ts', moderate: { BLOB_INDEX_BLOBS: '1000000', BLOB_INDEX_ROUNDS: '5' } },
}

/** What the named ones need beside what every benchmark does. */
export function benchmarkTools(names) {
  return names.flatMap((name) => benchmarks[name].tools ?? [])
}

/** The programs to run, one after the other; `undefined` for a name there is no benchmark of. */
export function benchmarkCalls(names, environment = process.env) {
  if (names.some((name) => !Object.hasOwn(benchmarks, name))) return undefined
  if (names.length > 0) return names.map((name) => ({ script: benchmarks[name].script, commandArguments: [] }))
  return Object.values(benchmarks).map(({ script, moderate }) => ({
    script,
    commandArguments: [],
    environment: Object.fromEntries(Object.entries(moderate).map(([name, value]) => [name, environment[name] ?? value])),
  }))
}
