import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { collect } from '../conformance/conformance-check.ts'
import type { Repository } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { canonicalJson } from '../manifest/canonical-json.ts'
import { createMemoryRepository } from '../testing/memory-repository.ts'
import { createMemoryUploader } from '../testing/memory-uploader.ts'
import { DrillBench } from './__fixtures__/drill-bench.ts'
import type { DrillReport } from './drill.ts'
import { createEvidenceKey, verifyEvidence } from './evidence-signature.ts'
import { listEvidence } from './evidence-store.ts'

let bench: DrillBench
beforeEach(async () => {
  bench = await DrillBench.create()
})
afterEach(() => bench.dispose())

const evidenceOf = ({ signed }: DrillReport) => signed.evidence

describe('a drill that does not pass', () => {
  test('of a damaged backup fails, is told, and makes a record of it', async () => {
    bench.repository.corruptSomething()
    const { evidence } = (await bench.drill()).signed
    expect(evidence).toMatchObject({ outcome: 'failed', failure: { code: 'CORRUPTED', hint: expect.stringMatching(/\w/) } })
    const [stored] = await collect(listEvidence(bench.records, 'shop'))
    expect(verifyEvidence(stored?.content ?? '', bench.key.publicKey)).toEqual(evidence)
    expect(bench.events).toContainEqual(
      expect.objectContaining({ type: 'drilled', outcome: 'failed', stored: 1, failure: evidence.failure }),
    )
    expect(bench.events.at(-1)).toMatchObject({ type: 'finished', outcome: 'failed' })
    expect(await bench.left()).toEqual([])
  })

  test('of backups whose records cannot be read fails, although there is nothing to restore', async () => {
    const unreadable: Repository = {
      ...createMemoryRepository(),
      // biome-ignore lint/correctness/useYield: every record is damaged.
      async *list(_filter, options) {
        const hint = 'Verify the repository.'
        options?.onProgress?.({
          type: 'problem',
          problem: { severity: 'warning', code: 'CORRUPTED', message: 'the record is damaged', hint },
        })
      },
    }
    const evidence = evidenceOf(await bench.drill({ repositories: [{ name: 'local', repository: unreadable }] }))
    expect(evidence).toMatchObject({ outcome: 'failed', failure: { code: 'NOT_FOUND' }, problems: [{ code: 'CORRUPTED' }] })
  })

  test('because another thing came back fails, with what was expected and found', async () => {
    const agent = bench.agent((scratch) => ({
      agent: {
        ...scratch.agent,
        restore: async (...given) => {
          const report = await scratch.agent.restore(...given)
          const checks = [{ name: 'rows of line', expected: '3', found: '2', passed: false }]
          return { ...report, items: report.items.map((item) => ({ ...item, checks })) }
        },
      },
    }))
    const evidence = evidenceOf(await bench.drill({ agent }))
    expect(evidence).toMatchObject({
      outcome: 'failed',
      failure: { code: 'INCONSISTENT', message: expect.stringContaining('is 2, not 3') },
    })
    expect(evidence.items[0]?.checks).toEqual([{ name: 'rows of line', expected: '3', found: '2', passed: false }])
  })

  test('because the application calls it unsound fails', async () => {
    const unsound = { item: 'orders', name: 'CHECK TABLE orders', expected: 'OK', found: 'index is damaged', passed: false }
    const evidence = evidenceOf(await bench.drill({ agent: bench.agent(() => ({ check: async () => [unsound] })) }))
    expect(evidence).toMatchObject({ outcome: 'failed', engineChecks: [unsound], failure: { code: 'CORRUPTED' } })
  })

  test('because the application does not start on it fails', async () => {
    const check = () => Promise.reject(new BackupError('it crashed at its start', { code: 'APPLICATION', hint: 'Look at its log.' }))
    const evidence = evidenceOf(await bench.drill({ agent: bench.agent(() => ({ check })) }))
    expect(evidence).toMatchObject({ outcome: 'failed', failure: { code: 'APPLICATION', message: 'it crashed at its start' } })
    expect(await bench.left()).toEqual([])
  })

  test('because an item failed when it was backed up fails, and names it', async () => {
    bench.server.unreadable.add('notes')
    const partial = await bench.backUp('full')
    const evidence = evidenceOf(await bench.drill({ goal: { backup: partial.id } }))
    expect(evidence).toMatchObject({ outcome: 'failed', failure: { code: 'NOT_FOUND', message: expect.stringContaining('notes') } })
  })

  test.each([
    ['without any backup', () => ({ repositories: [{ name: 'local', repository: createMemoryRepository() }] }), 'NOT_FOUND'],
    ['of a moment that cannot be reached', () => ({ goal: { at: '2001-01-01T00:00:00.000Z' } }), 'NOT_FOUND'],
    ['of an item that is in no backup', () => ({ items: ['nothing'] }), 'NOT_FOUND'],
    [
      'with an option that the agent does not know',
      () => ({ scratch: { place: 'private' as const, options: { nosuch: 1 } } }),
      'INVALID_SETTINGS',
    ],
    [
      'by an agent without scratch places',
      () => {
        const { openScratch: _, ...agent } = bench.agent()
        return { agent }
      },
      'UNSUPPORTED',
    ],
    [
      'without room',
      () => ({
        agent: bench.agent(() => ({ directory: bench.directory })),
        files: { directory: bench.directory, budgetBytes: 1, minimumFreeBytes: 90, freeBytes: async () => 100 },
      }),
      'OUT_OF_SPACE',
    ],
  ] as const)('%s is impossible, and has a record too', async (_, changes, code) => {
    const evidence = evidenceOf(await bench.drill(changes()))
    expect(evidence).toMatchObject({ outcome: 'impossible', failure: { code }, items: [] })
    expect(await collect(listEvidence(bench.records, 'shop'))).toHaveLength(1)
    expect(await bench.left()).toEqual([])
  })
})

describe('a drill', () => {
  test('of the latest state passes, and its record says what, when, from where and how', async () => {
    const backups = [...bench.repository.place.records.values()]
    const report = await bench.drill()
    const evidence = verifyEvidence((await collect(listEvidence(bench.records, 'shop')))[0]?.content ?? '', bench.key.publicKey)
    expect(evidence).toEqual(evidenceOf(report))
    expect(evidence).toMatchObject({
      outcome: 'passed',
      goal: { latest: true },
      restorePoint: { backup: backups[1]?.id, at: backups[1]?.consistentAt },
      source: { id: 'source' },
      scratch: { version: '1' },
      chain: [
        { id: backups[0]?.id, kind: 'full', repository: 'local', destination: bench.repository.destination },
        { id: backups[1]?.id, kind: 'log' },
      ],
    })
    expect(evidence.bytes).toBeGreaterThan(0)
    expect(evidence.chain[0]?.manifestSha256).toBe(createHash('sha256').update(canonicalJson(backups[0])).digest('hex'))
    expect(evidence.engineChecks.map(({ name }) => name)).toEqual(['read orders', 'read notes'].sort())
    expect(evidence).not.toHaveProperty('failure')
    expect(bench.events[0]).toMatchObject({ type: 'started', action: 'drill', job: 'shop', id: evidence.id })
    expect(bench.events.filter(({ type }) => type === 'started' || type === 'finished')).toHaveLength(2)
    expect(bench.events.at(-1)).toMatchObject({ type: 'finished', outcome: 'done' })
    expect(await bench.left()).toEqual([])
  })

  test('where logs cannot be restored drills what is before them, and says so', async () => {
    const agent = bench.agent(() => ({ restoresLogs: false }))
    const evidence = evidenceOf(await bench.drill({ agent }))
    expect(evidence).toMatchObject({ outcome: 'passed', chain: [{ kind: 'full' }], restorePoint: { backup: evidence.chain[0]?.id } })
    expect(evidence.problems).toContainEqual(
      expect.objectContaining({ code: 'UNSUPPORTED', message: expect.stringContaining('logs cannot be restored') }),
    )
    const log = [...bench.repository.place.records.keys()][1] ?? ''
    expect(evidenceOf(await bench.drill({ agent, goal: { backup: log } }))).toMatchObject({
      outcome: 'impossible',
      failure: { code: 'UNSUPPORTED' },
    })
  })

  test('of a random point is the same for the same seed', async () => {
    const drilled = async (random: number) => evidenceOf(await bench.drill({ goal: { random } })).restorePoint?.backup
    expect(await drilled(3)).toBe(await drilled(3))
    const seen = new Set<string | undefined>()
    for (let seed = 0; seed < 12; seed++) seen.add(await drilled(seed))
    expect(seen.size).toBe(2)
  })

  test('goes on without a repository that cannot be listed, and says so', async () => {
    const broken: Repository = {
      ...createMemoryRepository(),
      // biome-ignore lint/correctness/useYield: it fails before there is anything to list.
      async *list() {
        throw new BackupError('nobody answers', { code: 'UNREACHABLE' })
      },
    }
    const repositories = [
      { name: 'far', repository: broken },
      { name: 'local', repository: bench.repository },
    ]
    const evidence = evidenceOf(await bench.drill({ repositories }))
    expect(evidence.outcome).toBe('passed')
    expect(evidence.problems).toContainEqual(expect.objectContaining({ code: 'UNREACHABLE' }))
  })

  test('whose record can be stored nowhere is not done; in one of two places it is', async () => {
    const broken = () =>
      createMemoryUploader({ destination: 'memory://broken', faults: [{ operation: 'upload', occurrence: 1, action: 'fail' }] })
    const nowhere = await bench.drill({ records: [broken()] })
    expect(nowhere).toMatchObject({ stored: [], problems: [{ code: 'UNREACHABLE' }], signed: { evidence: { outcome: 'passed' } } })
    expect(bench.events.at(-1)).toMatchObject({ type: 'finished', outcome: 'failed' })
    const somewhere = await bench.drill({ records: [broken(), bench.records] })
    expect(somewhere.stored).toEqual([{ destination: 'memory://records', key: `drills/shop/${evidenceOf(somewhere).id}.json` }])
    expect(bench.events.at(-1)).toMatchObject({ type: 'finished', outcome: 'done' })
  })

  test('that is aborted when its record lies in the first of two places has ended', async () => {
    const controller = new AbortController()
    const second = createMemoryUploader({ destination: 'memory://second' })
    const stat: typeof second.stat = (key, options) => {
      controller.abort(new Error('operator pressed Ctrl-C'))
      return second.stat(key, options)
    }
    const report = await bench.drill({ records: [bench.records, { ...second, stat }] }, controller.signal)
    expect(report).toMatchObject({ stored: [{ destination: 'memory://records' }], problems: [{ code: 'ABORTED' }] })
  })

  test('refuses a key that cannot sign, before anything is done', async () => {
    const { publicKey } = createEvidenceKey()
    await expect(bench.drill({ key: publicKey })).rejects.toMatchObject({ code: 'INVALID_SETTINGS' })
    expect(bench.records.calls.stat).toBe(0)
  })
})

describe('aborting a drill', () => {
  test('beforehand does nothing at all', async () => {
    await expect(bench.drill({}, AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await bench.left()).toEqual([])
    expect(bench.records.calls).toMatchObject({ stat: 0, upload: 0 })
  })

  test('at any step leaves nothing behind, and no record', async () => {
    let steps = 0
    for (let at = 1; at < 1000; at++) {
      const controller = new AbortController()
      let done = 0
      const touch = () => {
        if (++done === at) controller.abort(new Error('operator pressed Ctrl-C'))
      }
      const agent = watched(
        bench.agent((scratch) => ({ agent: watched(scratch.agent, touch), check: watched(scratch, touch).check })),
        touch,
      )
      const repositories = [{ name: 'local', repository: watched(bench.repository, touch) }]
      const outcome = bench.drill({ agent, repositories, records: [watched(bench.records, touch)] }, controller.signal)
      if (!controller.signal.aborted) await Promise.allSettled([outcome])
      if (!controller.signal.aborted) {
        steps = at
        break
      }
      await expect(outcome, `aborted at step ${at}`).rejects.toMatchObject({ code: 'ABORTED' })
      expect(await bench.left(), `aborted at step ${at}`).toEqual([])
      expect(await collect(listEvidence(bench.records, 'shop')), `aborted at step ${at}`).toEqual([])
    }
    expect(steps).toBeGreaterThan(8)
    expect(await collect(listEvidence(bench.records, 'shop'))).toHaveLength(1)
  })
})

/** Calls `touch` at every call of a method. */
function watched<Watched extends object>(target: Watched, touch: () => void): Watched {
  return new Proxy(target, {
    get(from, name) {
      const value: unknown = Reflect.get(from, name)
      if (typeof value !== 'function' || typeof name === 'symbol') return value
      return (...given: readonly unknown[]) => {
        touch()
        return Reflect.apply(value, from, given)
      }
    },
  })
}
