import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { benchmarkCalls, benchmarks, benchmarkTools } from './benchmarks.mjs'
import { repositoryRoot } from './repository-root.mjs'

test('a benchmark by its name runs at its full size, and nothing else does', () => {
  expect(benchmarkCalls(['memory'])).toEqual([{ script: 'benchmarks/memory.ts', commandArguments: [] }])
})

test('without a name all run, at moderate sizes that the environment overrules', () => {
  expect(benchmarkCalls([], { BENCH_ROWS: '7' })).toEqual([
    {
      script: 'benchmarks/mysql/mysql.ts',
      commandArguments: [],
      environment: { BENCH_ROWS: '7', BENCH_BINLOG_MEGABYTES: '100', BENCH_ROUNDS: '2' },
    },
    { script: 'benchmarks/memory.ts', commandArguments: [], environment: { MEMORY_MEGABYTES: '100,1000' } },
    {
      script: 'benchmarks/restic/restic.ts',
      commandArguments: [],
      environment: { RESTIC_MEGABYTES: '200', RESTIC_ROUNDS: '2' },
    },
    {
      script: 'benchmarks/s3/s3.ts',
      commandArguments: [],
      environment: { S3_MEGABYTES: '256', S3_OBJECTS: '1000', S3_ROUNDS: '2' },
    },
    { script: 'benchmarks/sftp.ts', commandArguments: [], environment: { SFTP_MEGABYTES: '200', SFTP_ROUNDS: '2' } },
    {
      script: 'benchmarks/blob-index.ts',
      commandArguments: [],
      environment: { BLOB_INDEX_BLOBS: '1000000', BLOB_INDEX_ROUNDS: '5' },
    },
  ])
})

test('what only one benchmark needs is brought for that one', () => {
  expect(benchmarkTools([])).toEqual([])
  expect(benchmarkTools(['mysql', 's3'])).toEqual(['aws'])
})

test('an unknown name is refused, also one that every object has', () => {
  expect(benchmarkCalls(['constructor'])).toBeUndefined()
  expect(benchmarkCalls(['mysql', 'memroy'])).toBeUndefined()
})

test('every benchmark is there', () => {
  expect(Object.values(benchmarks).filter(({ script }) => !existsSync(join(repositoryRoot, script)))).toEqual([])
})
