import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { benchmarkCalls, benchmarks } from './benchmarks.mjs'
import { repositoryRoot } from './repository-root.mjs'

test('a benchmark by its name runs at its full size, and nothing else does', () => {
  expect(benchmarkCalls(['memory'])).toEqual([{ script: 'benchmarks/memory.ts', commandArguments: [] }])
})

test('without a name all run, at moderate sizes that the environment overrules', () => {
  const calls = benchmarkCalls([], { BENCH_ROWS: '7' })
  expect(calls?.map(({ script }) => script)).toEqual(['benchmarks/mysql.ts', 'benchmarks/memory.ts'])
  expect(calls?.map((call) => ('environment' in call ? call.environment : undefined))).toEqual([
    { BENCH_ROWS: '7', BENCH_ROUNDS: '2' },
    { MEMORY_SMALL_MEGABYTES: '100', MEMORY_LARGE_MEGABYTES: '1000' },
  ])
})

test('an unknown name is refused, also one that every object has', () => {
  expect(benchmarkCalls(['constructor'])).toBeUndefined()
  expect(benchmarkCalls(['mysql', 'memroy'])).toBeUndefined()
})

test('every benchmark is there', () => {
  expect(Object.values(benchmarks).filter(({ script }) => !existsSync(join(repositoryRoot, script)))).toEqual([])
})
