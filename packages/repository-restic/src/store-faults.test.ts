import { type Backup, BackupError, withRetry } from '@backup-planet/core'
import { within } from '@backup-planet/core/conformance'
import { createMemoryUploader, type MemoryUploader, sampleBytes } from '@backup-planet/core/testing'
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { recordEvidence } from '../../../proofs/evidence.ts'
import { type FaultyOperation, faultsOf, faultyStore, type PlannedFault } from './__fixtures__/planned-faults.ts'
import {
  type Contents,
  differences,
  emptyRepository,
  filesOf,
  filledStage,
  findingsOf,
  listing,
  openUploader,
  restoredAtOnce,
  storeContents,
} from './__fixtures__/small-repository.ts'

const runs = {
  numRuns: Number(process.env.BACKUP_PLANET_RESTIC_FAULTS ?? 12),
  seed: Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 2 ** 31),
}
const patience = 60_000 + runs.numRuns * 10_000
/** Nothing here takes a second on a machine that does nothing else. */
const longest = 60_000

/** Together more than a pack. */
const large = [sampleBytes(2_500_000, 1), sampleBytes(2_300_000, 2)]
const settings = { packBytes: 4 * 1024 ** 2, compressionLevel: 1 }

/** What both runs have in common, and what only this one has. */
function contentsOf(run: number): Contents {
  return {
    shop: { 'large.0': large[0] ?? Buffer.alloc(0), 'rows.0': sampleBytes(3000, run + 10), 'rows.1': sampleBytes(70_000, run + 20) },
    stock: { 'large.1': large[run % 2] ?? Buffer.alloc(0), empty: Buffer.alloc(0) },
  }
}

/** Calls of a store are counted from 0; most have fewer than these of each kind. */
const mostCalls: Readonly<Record<FaultyOperation, number>> = { upload: 14, download: 14, stat: 4, list: 16, remove: 3 }

const fault = (operations: readonly FaultyOperation[]): fc.Arbitrary<PlannedFault> =>
  fc.constantFrom(...operations).chain((operation) =>
    fc.record({
      operation: fc.constant(operation),
      call: fc.nat(mostCalls[operation]),
      kind: fc.constantFrom<PlannedFault['kind']>(...faultsOf[operation]),
    }),
  )

const plan = fc.array(fault(['upload', 'download', 'stat', 'list', 'remove']), { minLength: 1, maxLength: 8 })

const seen = { 'runs that failed': 0, 'runs that succeeded in spite of faults': 0, 'faults met': 0 }
afterAll(() => recordEvidence(import.meta.url, seen))

it(`lists nothing that does not restore, whatever the store does, and goes on once it is well (seed ${runs.seed})`, {
  timeout: patience,
}, async () => {
  const workers = workerCount()
  await fc.assert(
    fc.asyncProperty(plan, fc.boolean(), fc.boolean(), async (faults, retrying, resuming) => {
      const store = createMemoryUploader({ objects: await emptyRepository() })
      await storeContents(openUploader(store, settings), 'before', contentsOf(0))
      const faulty = faultyStore(store, faults)
      const uploader = retrying ? withRetry(faulty.uploader, { attempts: 4, wait: async () => undefined }) : faulty.uploader
      const repository = openUploader(uploader, settings)
      const stage = await filledStage({ id: 'faulty' }, contentsOf(1))
      const request = { run: stage.run, agent: { version: '1.0.0' } }
      const first = await within(outcomeOf(repository.store(request, stage.contents)), 'a store with faults', longest)
      seen['faults met'] += faulty.met.length
      seen[first instanceof Error ? 'runs that failed' : 'runs that succeeded in spite of faults']++
      expectClear(first)
      expectClear(await within(outcomeOf(listing(repository)), 'a listing with faults', longest))
      faulty.heal()
      await expectAllRestore(store, first instanceof Error ? ['before'] : ['before', 'faulty'])
      expectNoLock(store, faulty.met)

      // By the very object that has met the faults, as a daemon has it.
      if (resuming) await within(repository.store(request, stage.contents), 'the resumed run', longest)
      else await within(storeContents(repository, 'next', contentsOf(2)), 'the next run', longest)
      const listed = (await listing(repository)).backups.map(({ id }) => id)
      expect(listed).toEqual(expect.arrayContaining(['before', resuming ? 'faulty' : 'next']))
      await expectAllRestore(store, listed)
    }),
    runs,
  )
  expect(workerCount(), 'worker threads that were left').toBe(workers)
})

it('gives no wrong bytes of what the store has changed silently, and says which backups are hit', { timeout: 60_000 }, async () => {
  for (let call = 0; call < 12; call++) {
    const store = createMemoryUploader({ objects: await emptyRepository() })
    await storeContents(openUploader(store, settings), 'before', contentsOf(0))
    const faulty = faultyStore(store, [{ operation: 'upload', call, kind: 'lie' }])
    const outcome = await outcomeOf(storeContents(openUploader(faulty.uploader, settings), 'faulty', contentsOf(1)))
    if (faulty.met.length === 0) return expect(call, 'uploads of one run').toBeGreaterThan(5)
    expectClear(outcome)
    const findings = await findingsOf(openUploader(store.another()), { readData: true })
    const whole = findings.filter(({ severity }) => severity === 'ok').map(({ backup }) => backup)
    expect(whole).toContain('before')
    const repository = openUploader(store.another())
    const { backups, problems } = await listing(repository)
    const listed = backups.map(({ id }) => id)
    for (const backup of backups) {
      const restored = await outcomeOf(restoredAtOnce(repository, backup))
      if (restored instanceof Error) {
        expect(restored).toMatchObject({ code: 'CORRUPTED', message: expect.stringMatching(/^data\//) })
        expect(whole).not.toContain(backup.id)
      } else expect(differences(restored, filesOf(contentsOf(runOf(backup))))).toEqual([])
    }
    // A lock that nobody can read stops the run at once: then there is nothing that could be missing.
    if (!(outcome instanceof Error) && !listed.includes('faulty')) expect(problems.length, `upload ${call}`).toBeGreaterThan(0)
    if (!whole.includes('faulty') && !(outcome instanceof Error)) expect(findings.some(({ severity }) => severity === 'error')).toBe(true)
  }
})

async function outcomeOf<Value>(promise: Promise<Value>): Promise<Value | Error> {
  return promise.catch((error: unknown) => (error instanceof Error ? error : new TypeError(`${error} was thrown`)))
}

function expectClear(outcome: unknown): void {
  if (!(outcome instanceof Error)) return
  expect(BackupError.is(outcome), `${outcome.stack}`).toBe(true)
  expect(outcome).toMatchObject({ hint: expect.stringMatching(/\.$/) })
}

/** Seen by another process, with a store that is well: every backup that is listed is whole, and these are listed. */
async function expectAllRestore(store: MemoryUploader, ids: readonly string[]): Promise<void> {
  const repository = openUploader(store.another())
  const { backups, problems } = await listing(repository)
  expect(problems).toEqual([])
  expect(backups.map(({ id }) => id)).toEqual(expect.arrayContaining([...ids]))
  for (const backup of backups)
    expect(differences(await restoredAtOnce(repository, backup), filesOf(contentsOf(runOf(backup))))).toEqual([])
  const findings = await findingsOf(openUploader(store.another()), { readData: true })
  expect(findings.filter(({ severity }) => severity !== 'ok')).toEqual([])
}

function runOf({ id }: Backup): number {
  return ['before', 'faulty', 'next'].indexOf(id)
}

/** A lock that the store refused to remove stays until it is stale; every other is gone. */
function expectNoLock({ objects }: MemoryUploader, met: readonly PlannedFault[]): void {
  const locks = [...objects.keys()].filter((key) => key.startsWith('locks/'))
  if (!met.some(({ operation }) => operation === 'remove')) expect(locks).toEqual([])
}

function workerCount(): number {
  const report = process.report.getReport() as unknown as { readonly workers: readonly unknown[] }
  return report.workers.length
}
