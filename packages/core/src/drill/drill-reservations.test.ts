import { afterEach, beforeEach, expect, test } from 'vitest'
import { collect } from '../conformance/conformance-check.ts'
import type { Repository } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { DrillBench } from './__fixtures__/drill-bench.ts'
import type { DrillReport } from './drill.ts'
import type { DrillGoal } from './drill-evidence.ts'
import { verifyEvidence } from './evidence-signature.ts'
import { listEvidence } from './evidence-store.ts'

let bench: DrillBench
beforeEach(async () => {
  bench = await DrillBench.create()
})
afterEach(() => bench.dispose())

const evidenceOf = ({ signed }: DrillReport) => signed.evidence

test.each([
  ['CORRUPTED', { latest: true } as const, 'failed'],
  ['CORRUPTED', { random: 3 } as const, 'failed'],
  ['UNSUPPORTED', { latest: true } as const, 'partial'],
  ['CORRUPTED', 'the full', 'partial'],
] as const)('a drill beside a record that is %s, of %j: %s, although what is there comes back', async (code, goal, outcome) => {
  const problem = { severity: 'warning', code, message: 'the record of log 7 cannot be read', hint: 'Verify the repository.' } as const
  const repository: Repository = {
    ...bench.repository,
    async *list(filter, options) {
      options?.onProgress?.({ type: 'problem', problem })
      yield* bench.repository.list(filter, options)
    },
  }
  const [full = ''] = bench.repository.place.records.keys()
  const asked = goal === 'the full' ? { backup: full } : goal
  const evidence = evidenceOf(await bench.drill({ repositories: [{ name: 'local', repository }], goal: asked }))
  expect(evidence).toMatchObject({ outcome, failure: { code, message: expect.stringContaining(problem.message), hint: problem.hint } })
  expect(evidence.problems).toEqual([problem])
  expect(evidence.items.length).toBeGreaterThan(0)
  expect(bench.events.at(-1)).toMatchObject({ type: 'finished', outcome })
  const [stored] = await collect(listEvidence(bench.records, 'shop'))
  expect(verifyEvidence(stored?.content ?? '', bench.key.publicKey)).toEqual(evidence)
})

test('a drill of which something cannot be removed is partial, and says what stays and how to remove it', async () => {
  const agent = bench.agent()
  const openScratch: typeof agent.openScratch = async (request, options) => {
    const place = await agent.openScratch?.(request, options)
    if (place === undefined) throw new TypeError('the memory agent opens scratch places')
    return { ...place, [Symbol.asyncDispose]: () => Promise.reject(thrown) }
  }
  let thrown: Error = new Error('the disk is gone')
  const report = await bench.drill({ agent: { ...agent, openScratch } })
  const { name = '' } = evidenceOf(report).scratch ?? {}
  expect(report.problems).toEqual([
    {
      severity: 'warning',
      code: 'UNKNOWN',
      message: `the scratch place ${name} could not be removed: the disk is gone`,
      hint: expect.stringContaining(name),
    },
  ])
  const [{ severity: _, ...failure } = {}] = report.problems
  expect(evidenceOf(report)).toMatchObject({ outcome: 'partial', problems: report.problems, failure })
  expect(bench.events.at(-1)).toMatchObject({ type: 'finished', outcome: 'partial' })

  thrown = new BackupError('schemas a and b stay', { code: 'ACCESS_DENIED', hint: 'Run DROP DATABASE a and b.' })
  const agreed = { code: 'ACCESS_DENIED', message: expect.stringContaining('schemas a and b stay'), hint: 'Run DROP DATABASE a and b.' }
  expect(evidenceOf(await bench.drill({ agent: { ...agent, openScratch } }))).toMatchObject({ outcome: 'partial', failure: agreed })
  bench.repository.corruptSomething()
  expect(evidenceOf(await bench.drill({ agent: { ...agent, openScratch } }))).toMatchObject({
    outcome: 'failed',
    failure: { code: 'CORRUPTED' },
    problems: expect.arrayContaining([expect.objectContaining(agreed)]),
  })
})

test.each([
  { random: 1.5 },
  { random: -1 },
  { random: Number.MAX_SAFE_INTEGER + 1 },
  { at: '2026-07-24T04:00:00+02:00' },
  { at: '2026-07-24T02:00:00' },
  { at: 'yesterday' },
  { backup: '' },
  { latest: false },
  { at: '2026-07-24T02:00:00Z', nearest: true },
  { latest: true, chain: 'chain-1' },
] as unknown as readonly DrillGoal[])('a drill refuses the goal %j, which no record could name, before anything is done', async (goal) => {
  await expect(bench.drill({ goal })).rejects.toMatchObject({ code: 'INVALID_INPUT', hint: expect.stringContaining('{ latest: true }') })
  expect(bench.records.calls.stat).toBe(0)
  expect(bench.open.size).toBe(0)
})
