import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { assertReadable, filledStage, storeStage } from '../conformance/repository-harness.ts'
import type { Repository, StageEvent } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { sampleBytes } from '../testing/chunks-of.ts'
import { createMemoryRepository, type MemoryRepository } from '../testing/memory-repository.ts'
import { withMirrors } from './with-mirrors.ts'

const contents = {
  shop: { a: sampleBytes(900, 1), b: sampleBytes(800, 2), c: sampleBytes(700, 3) },
  other: { d: sampleBytes(600, 4), e: sampleBytes(500, 5) },
}

/** What goes wrong for one repository in one attempt. */
const fault = fc.record({
  /** It fails at this event; beyond the last, it does not. */
  event: fc.nat({ max: 12 }),
  /** It fails without waiting for the stage to be sealed again. */
  retryable: fc.boolean(),
  /** Turns of the event loop between its last event and its failure. */
  slow: fc.nat({ max: 30 }),
  /** Turns before every event. */
  pace: fc.nat({ max: 4 }),
})
const repositories = 3
const attempt = fc.record({
  faults: fc.array(fault, { minLength: repositories, maxLength: repositories }),
  /** Which of them take part, the first always; in this order where nothing is swapped. */
  order: fc.shuffledSubarray([0, 1, 2], { minLength: 1 }),
})
type Fault = Parameters<typeof faulty>[1]

test('whoever fails when, and whoever takes part in which attempt: what is listed is whole', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(attempt, { minLength: 1, maxLength: 4 }), async (attempts) => {
      const places = Array.from({ length: repositories }, () => createMemoryRepository())
      const stage = await filledStage({ id: 'run' }, contents)
      for (const { faults, order } of attempts) {
        const [first, ...mirrors] = order.map((at) => faulty(named(places[at] as MemoryRepository, at), faults[at] as Fault))
        if (first === undefined) continue
        const stored = await storeStage(withMirrors(first, mirrors), stage).then(
          () => true,
          () => false,
        )
        for (const [at, place] of places.entries()) {
          for await (const backup of place.list()) await assertReadable(place, backup, contents)
          if (stored && at === order[0]) expect([...place.place.records.keys()]).toEqual(['run'])
        }
        if (stored) return
      }
    }),
    { numRuns: 1500 },
  )
})

function named(place: MemoryRepository, at: number): Repository {
  return { ...place, destination: `memory://${at}` }
}

function faulty(
  repository: Repository,
  { event, retryable, slow, pace }: typeof fault extends fc.Arbitrary<infer Value> ? Value : never,
): Repository {
  return {
    ...repository,
    async store(request, stage, options) {
      async function* drain(drainOptions: Parameters<typeof stage.drain>[0]): AsyncGenerator<StageEvent, void> {
        let events = 0
        for await (const found of stage.drain(drainOptions)) {
          for (let turns = 0; turns < pace; turns++) await turn()
          if (events++ === event) throw new BackupError('it broke', { code: 'UNREACHABLE', retryable })
          yield found
        }
      }
      const view = {
        budget: stage.budget,
        sealed: stage.sealed,
        get notes() {
          return stage.notes
        },
        note: stage.note,
        drain,
      }
      try {
        return await repository.store(request, view, options)
      } catch (error) {
        for (let turns = 0; turns < slow; turns++) await turn()
        throw error
      }
    },
  }
}
