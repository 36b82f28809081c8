import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCommand } from './child-command.ts'
import { DrillBench } from './drill-bench.ts'

const run = promisify(execFile)

let bench: DrillBench
beforeAll(async () => {
  bench = await DrillBench.start()
}, 120_000)
afterAll(() => bench?.dispose())

const listed = async () => (await bench.ask('list', 'shop', '--json')).stdout.match(/"id":"[^"]+"/g)

test('a drill of the latest state, with its logs: passed, verified from both repositories, and restic has nothing against it', {
  timeout: 120_000,
}, async () => {
  const drilled = await bench.ask('drill', 'shop', '--json')
  expect(drilled.code).toBe(0)
  const result = JSON.parse(drilled.stdout.trim().split('\n').at(-1) ?? '')
  expect(result.evidence).toMatchObject({ outcome: 'passed', chain: [{ kind: 'full' }, { kind: 'log' }] })
  expect(result.evidence.items.find(({ item }: { item: string }) => item === 'shop').checks).toContainEqual({
    name: 'rows of orders',
    expected: '5000',
    found: '5000',
    passed: true,
  })
  expect(result.evidence.engineChecks).toContainEqual(expect.objectContaining({ name: 'CHECK TABLE shop.orders EXTENDED', passed: true }))
  expect(result.stored).toHaveLength(2)
  const verified = await bench.ask('evidence', 'shop', '--verify', '--json')
  expect(verified.code).toBe(0)
  expect(JSON.parse(verified.stdout).records).toEqual([expect.objectContaining({ verified: true, repositories: ['plain', 'packed'] })])
  await writeFile(join(bench.directory, 'password'), 'simple')
  await run('restic', ['--no-cache', '-r', join(bench.directory, 'packed'), '--password-file', join(bench.directory, 'password'), 'check'])
  expect(await bench.left()).toEqual({ places: [], servers: [] })
})

test('a drill that is killed leaves a server, which the next one ends', { timeout: 120_000 }, async () => {
  const [before, records] = [await listed(), await bench.outcomes('shop')]
  const killed = startCommand(['drill', 'shop', '--json'], { MYSQL_PASSWORD: bench.server.rootPassword }, bench.directory)
  await killed.said('load the rows')
  killed.signal('SIGKILL')
  await killed.ended
  expect(await bench.left()).toEqual({ places: [expect.any(String)], servers: [expect.any(Number)] })
  expect(await bench.ask('drill', 'shop', '--random')).toMatchObject({ code: 0 })
  expect(await bench.left()).toEqual({ places: [], servers: [] })
  expect(await listed()).toEqual(before)
  expect(await bench.outcomes('shop')).toEqual([...records, 'passed'])
})

test('a drill into schemas of another server takes the full, says that it left out the log, and cleans up after one that was killed', {
  timeout: 120_000,
}, async () => {
  const killed = startCommand(['drill', 'shop', '--to', 'beside', '--json'], { MYSQL_PASSWORD: bench.server.rootPassword }, bench.directory)
  await killed.said('load the rows')
  killed.signal('SIGKILL')
  await killed.ended
  expect(await bench.server.client("SHOW DATABASES LIKE 'bp\\_drill%'")).not.toBe('')
  // The server notices that the session of the killed one is gone.
  await expect
    .poll(() => bench.server.client("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'root' AND id <> CONNECTION_ID()"), {
      timeout: 20_000,
    })
    .toBe('0\n')
  const drilled = await bench.ask('drill', 'shop', '--to', 'beside', '--json')
  expect(drilled.code).toBe(0)
  const result = JSON.parse(drilled.stdout.trim().split('\n').at(-1) ?? '')
  expect(result.evidence).toMatchObject({ outcome: 'passed', chain: [{ kind: 'full' }] })
  expect(result.evidence.problems).toContainEqual(expect.objectContaining({ message: expect.stringContaining('logs cannot be restored') }))
  expect(await bench.server.client("SHOW DATABASES LIKE 'b%'")).toBe('')
  expect(await bench.server.client('SELECT COUNT(*) FROM shop.orders')).toBe('6000\n')
})
