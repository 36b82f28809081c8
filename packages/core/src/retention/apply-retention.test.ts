import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { modelEvents } from '../chain/__fixtures__/model-events.ts'
import { ModelHistory, replay } from '../chain/__fixtures__/model-history.ts'
import { at, numbered, sketched } from '../chain/__fixtures__/numbered-positions.ts'
import { historyOf } from '../chain/chain-history.ts'
import { planChain } from '../chain/plan-chain.ts'
import type { Backup, Problem, Repository } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import type { RunEvent } from '../events/run-event.ts'
import { createMemoryRepository, type MemoryRepository } from '../testing/memory-repository.ts'
import { applyRetention } from './apply-retention.ts'
import { planRetention } from './plan-retention.ts'

const runs = {
  numRuns: Number(process.env.BACKUP_PLANET_RETENTION_COUNT ?? 30),
  seed: Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 2 ** 31),
}
const now = new Date('2026-03-31T12:00:00Z')
const killed = new BackupError('the store went away', { code: 'UNREACHABLE' })

function repositoryWith(backups: readonly Backup[]): MemoryRepository {
  const repository = createMemoryRepository()
  for (const backup of backups) {
    repository.place.records.set(backup.id, backup)
    repository.place.files.set(backup.id, [{ item: 'a', name: 'a', size: 100, sha256: '', bytes: Buffer.alloc(0) }])
  }
  return repository
}

function parts(repository: Repository, more: Partial<Parameters<typeof applyRetention>[0]> = {}) {
  return { repository, job: 'shop', rules: { keepLast: 1 }, order: numbered, now, ...more }
}

function backupOf(kind: Backup['kind'], date: number, position: number, from?: number): Backup {
  const consistentAt = new Date(Date.UTC(2026, 2, date)).toISOString()
  const begins = from === undefined ? {} : { from: at('s', from) }
  return sketched({ id: `${kind}-${date}`, kind, consistentAt, position: at('s', position), ...begins })
}

/** Two weeks in which the second begins anew: of the first nothing is needed. */
const weeks = [
  backupOf('full', 1, 10),
  backupOf('log', 2, 20, 10),
  backupOf('differential', 3, 30, 10),
  backupOf('log', 4, 40, 20),
  backupOf('full', 8, 80),
  backupOf('log', 9, 90, 80),
]

function idsIn({ place }: MemoryRepository): string[] {
  return [...place.records.keys()]
}

describe('what is removed', () => {
  test('goes before what it depends on, and is told with the bytes', async () => {
    const repository = repositoryWith(weeks)
    const events: RunEvent[] = []
    const report = await applyRetention(parts(repository), { onEvent: (event) => events.push(event) })
    expect(report).toMatchObject({ dryRun: false, removed: ['log-4', 'log-2', 'differential-3', 'full-1'], bytes: 400, retained: [] })
    expect(report.decisions.map(({ action }) => action)).toEqual(['remove', 'remove', 'remove', 'remove', 'keep', 'keep'])
    expect(idsIn(repository)).toEqual(['full-8', 'log-9'])
    expect(events.map((event) => (event.type === 'removed' ? `${event.kind} ${event.id}` : event.type))).toEqual([
      'started',
      'step',
      'log log-4',
      'log log-2',
      'step',
      'differential differential-3',
      'step',
      'full full-1',
      'finished',
    ])
    expect(events[0]).toEqual({ type: 'started', action: 'prune', job: 'shop' })
    expect(events.at(-1)).toMatchObject({ outcome: 'done' })
    expect(await applyRetention(parts(repository))).toMatchObject({ removed: [], bytes: 0 })
  })

  test('nothing by a dry run, which says what would be, and nothing of another job', async () => {
    const other = { ...backupOf('full', 2, 1), id: 'other', job: 'other' }
    const repository = Object.assign(repositoryWith([...weeks, other]), { storedBytes: () => 7 })
    const report = await applyRetention(parts(repository, { dryRun: true }))
    expect(report).toMatchObject({ dryRun: true, removed: [], bytes: 28, retained: [] })
    expect(report.decisions.filter(({ action }) => action === 'remove')).toHaveLength(4)
    expect(idsIn(repository)).toHaveLength(7)
    await applyRetention(parts(repository))
    expect(idsIn(repository)).toEqual(['full-8', 'log-9', 'other'])
  })

  test('nothing when the rules would keep nothing, or the signal was aborted before', async () => {
    const repository = repositoryWith(weeks)
    await expect(applyRetention(parts(repository, { rules: { keepDaily: 0 } }))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(applyRetention(parts(repository), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(idsIn(repository)).toHaveLength(6)
  })

  test('nothing while a record cannot be read; a dry run says what the others mean', async () => {
    const repository = repositoryWith(weeks)
    const { list } = repository
    repository.list = async function* (filter, options) {
      yield* list.call(repository, filter, options)
      const problem = { severity: 'error', code: 'CORRUPTED', message: 'the record of full-5 is damaged', hint: 'Verify.' } as const
      options?.onProgress?.({ type: 'problem', problem })
    }
    await expect(applyRetention(parts(repository))).rejects.toMatchObject({
      code: 'CORRUPTED',
      message: expect.stringContaining('the record of full-5 is damaged'),
      hint: expect.stringContaining('Nothing more was removed'),
    })
    expect(idsIn(repository)).toHaveLength(6)
    expect(await applyRetention(parts(repository, { dryRun: true }))).toMatchObject({ dryRun: true })
  })
})

describe('what comes or goes meanwhile', () => {
  /** Does something right before the so-manieth listing. */
  function beforeListing(repository: MemoryRepository, which: number, action: () => void): MemoryRepository {
    const { list } = repository
    let listings = 0
    return Object.assign(repository, {
      list(...given: Parameters<Repository['list']>) {
        if (++listings === which) action()
        return list.apply(repository, given)
      },
    })
  }
  const late = backupOf('differential', 10, 100, 10)

  test('a backup that was stored meanwhile keeps the full that it needs', async () => {
    const repository = repositoryWith(weeks)
    beforeListing(repository, 2, () => repository.place.records.set(late.id, late))
    const report = await applyRetention(parts(repository))
    expect(report.removed).toEqual(['log-4', 'log-2', 'differential-3'])
    expect(report.decisions[0]).toMatchObject({ action: 'keep', reasons: [{ code: 'needed', backup: 'differential-10' }] })
    expect(idsIn(repository)).toEqual(['full-1', 'full-8', 'log-9', 'differential-10'])
  })

  test('a newer full that came meanwhile makes nothing go that was to stay', async () => {
    const repository = repositoryWith(weeks)
    const newer = backupOf('full', 20, 200)
    beforeListing(repository, 2, () => repository.place.records.set(newer.id, newer))
    await applyRetention(parts(repository))
    expect(idsIn(repository)).toEqual(['full-8', 'log-9', 'full-20'])
    await applyRetention(parts(repository))
    expect(idsIn(repository)).toEqual(['full-20'])
  })

  test('what somebody else removed is no failure', async () => {
    const repository = repositoryWith(weeks)
    beforeListing(repository, 2, () => repository.place.records.delete('differential-3'))
    expect((await applyRetention(parts(repository))).removed).toEqual(['log-4', 'log-2', 'full-1'])
    const again = repositoryWith(weeks)
    const { remove } = again
    again.remove = async (backups, options) => {
      again.place.records.delete('log-4')
      return remove.call(again, backups, options)
    }
    expect(await applyRetention(parts(again))).toMatchObject({ removed: ['log-2', 'differential-3', 'full-1'], retained: [] })
  })
})

describe('what the store retains', () => {
  test('stays with all that it needs, is told, and goes later', async () => {
    const repository = repositoryWith(weeks)
    repository.place.retained.set('log-2', 'locked until 2027')
    const events: RunEvent[] = []
    const report = await applyRetention(parts(repository), { onEvent: (event) => events.push(event) })
    expect(report).toMatchObject({ removed: ['log-4', 'differential-3'], retained: [{ key: 'log-2', reason: 'locked until 2027' }] })
    expect(report.decisions.slice(0, 2)).toMatchObject([
      { action: 'keep', reasons: [{ message: 'needed by log-2' }] },
      { action: 'keep', reasons: [{ code: 'stays', message: 'the store retains it: locked until 2027' }] },
    ])
    expect(events).toContainEqual(expect.objectContaining({ type: 'problem', problem: expect.objectContaining({ code: 'ACCESS_DENIED' }) }))
    expect(events.at(-1)).toMatchObject({ outcome: 'partial' })
    repository.place.retained.clear()
    expect((await applyRetention(parts(repository))).removed).toEqual(['log-2', 'full-1'])
  })

  test('is not called a backup that stays where the record is gone and only data of it is refused', async () => {
    const repository = repositoryWith(weeks)
    repository.place.retained.set('log-2', 'locked until 2027')
    const { remove } = repository
    repository.remove = async (backups, options) => {
      const report = await remove.call(repository, backups, options)
      const data = report.removed.map((id) => ({ key: `${id}/data`, reason: 'locked until 2028' }))
      return { ...report, retained: [...data, ...report.retained] }
    }
    const problems: Problem[] = []
    const report = await applyRetention(parts(repository), {
      onEvent: (event) => void (event.type === 'problem' && problems.push(event.problem)),
    })
    expect(report.removed).toEqual(['log-4', 'differential-3'])
    expect(report.retained.map(({ key }) => key)).toEqual(['log-4/data', 'log-2', 'differential-3/data'])
    expect(report.decisions[1]?.reasons).toMatchObject([{ message: 'the store retains it: locked until 2027' }])
    const ofData = {
      message: 'the store retains log-4/data of a backup that was removed: locked until 2028',
      hint: 'The backup is listed no more and cannot be restored; what stays of it takes room until the store lets it go.',
    }
    expect(problems).toMatchObject([
      ofData,
      { message: 'the store retains log-2: locked until 2027', hint: 'It stays, with all that it needs; the next run tries again.' },
      { ...ofData, message: 'the store retains differential-3/data of a backup that was removed: locked until 2028' },
    ])
  })

  test('is noticed also in a repository that says nothing of it', async () => {
    const repository = repositoryWith(weeks)
    const { remove } = repository
    repository.remove = async (backups, options) =>
      remove.call(
        repository,
        backups.filter(({ id }) => id !== 'differential-3'),
        options,
      )
    const report = await applyRetention(parts(repository))
    expect(report).toMatchObject({ removed: ['log-4', 'log-2'], retained: [{ key: 'differential-3', reason: 'it is still listed' }] })
    expect(idsIn(repository)).toEqual(['full-1', 'differential-3', 'full-8', 'log-9'])
  })
})

test('an abort between two removals leaves everything that is kept, and the next run goes on', async () => {
  const repository = repositoryWith(weeks)
  const abort = new AbortController()
  const onEvent = (event: RunEvent) => {
    if (event.type === 'removed') abort.abort()
  }
  await expect(applyRetention(parts(repository), { signal: abort.signal, onEvent })).rejects.toMatchObject({ code: 'ABORTED' })
  expect(idsIn(repository)).toEqual(['full-1', 'differential-3', 'full-8', 'log-9'])
  expect((await applyRetention(parts(repository))).removed).toEqual(['differential-3', 'full-1'])
})

const scenario = fc.record({
  events: modelEvents({ milliseconds: fc.constantFrom(5 * 3_600_000, 30 * 3_600_000), weight: 30 }),
  rules: fc.constantFrom(
    { keepLast: 1 },
    { keepDaily: 2 },
    { keepLast: 2, log: { keepLast: 1 } },
    { keepWithin: 1, differential: { keepLast: 1 } },
  ),
  retained: fc.array(fc.nat({ max: 24 }), { maxLength: 3 }),
})

/** Every backup of these that could be restored still can be, to the same state. */
function expectRestorable(model: ModelHistory, ids: Iterable<string>, repository: MemoryRepository): void {
  const [before, after] = [historyOf(model.backups, numbered), historyOf([...repository.place.records.values()], numbered)]
  for (const backup of ids) {
    const [was, is] = [planChain(before, { backup }), planChain(after, { backup })]
    // Where nothing leads to it, its state may be that of others, which go by themselves.
    if (!was.possible || was.backups.at(-1)?.id !== backup) continue
    expect(is.possible, backup).toBe(true)
    if (is.possible) expect(replay(model.contents, is.backups, is.stop)).toEqual(replay(model.contents, was.backups, was.stop))
  }
}

test('killed after any removal, everything that is kept can be restored, and the next run comes to the same end', {
  timeout: 60_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ events, rules }) => {
      const model = new ModelHistory(events, true)
      const end = new Date(model.server.tick(0))
      const whole = repositoryWith(model.backups)
      const { removed } = await applyRetention(parts(whole, { rules, now: end }))
      const kept = planRetention(historyOf(model.backups, numbered), rules, end).filter(({ action }) => action === 'keep')
      expect(idsIn(whole).sort()).toEqual(kept.map(({ backup }) => backup.id).sort())
      const repository = repositoryWith(model.backups)
      for (const [count, id] of removed.entries()) {
        repository.failAfterRemovals(count === 0 ? 0 : 1, killed)
        await expect(applyRetention(parts(repository, { rules, now: end }))).rejects.toBe(killed)
        expect(repository.place.records.has(id)).toBe(true)
        expectRestorable(model, idsIn(whole), repository)
      }
      await applyRetention(parts(repository, { rules, now: end }))
      expect(idsIn(repository).sort()).toEqual(idsIn(whole).sort())
    }),
    runs,
  )
})

test('whatever the store retains, it can be restored as before, and nothing stays behind once it lets go', {
  timeout: 60_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ events, rules, retained }) => {
      const model = new ModelHistory(events, true)
      const end = new Date(model.server.tick(0))
      const repository = repositoryWith(model.backups)
      for (const which of retained) {
        const backup = model.backups[which]
        if (backup !== undefined) repository.place.retained.set(backup.id, 'locked')
      }
      const report = await applyRetention(parts(repository, { rules, now: end }))
      expectRestorable(model, [...repository.place.retained.keys()], repository)
      for (const { backup, action } of report.decisions) expect(repository.place.records.has(backup.id)).toBe(action === 'keep')
      repository.place.retained.clear()
      await applyRetention(parts(repository, { rules, now: end }))
      const kept = planRetention(historyOf(model.backups, numbered), rules, end).filter(({ action }) => action === 'keep')
      expect(idsIn(repository)).toEqual(expect.arrayContaining(kept.map(({ backup }) => backup.id)))
    }),
    runs,
  )
})
