import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Repository, Staging } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { createStreamStaging } from '../staging/stream-staging.ts'
import { createMemoryAgent } from '../testing/memory-agent.ts'
import { createMemoryApplication, type MemoryApplication } from '../testing/memory-application.ts'
import { createMemoryRepository } from '../testing/memory-repository.ts'
import { createMemoryStaging } from '../testing/memory-staging.ts'
import { unreachable } from './__fixtures__/recording-parts.ts'
import { followLogs } from './follow-logs.ts'

/** What goes wrong with the next stage: it cannot be begun, or its store fails. Something is written meanwhile, or before it. */
interface Fault {
  readonly at: 'begin' | 'store' | 'nowhere'
  readonly written: boolean
}

const fault = fc.record({ at: fc.constantFrom('begin', 'store', 'nowhere'), written: fc.boolean() }) satisfies fc.Arbitrary<Fault>

/** Everything a run did, in order, with the sequence up to which it holds. */
interface Step {
  readonly what: 'committed' | 'confirmed'
  readonly from: number
  readonly to: number
}

async function followThrough(faults: readonly Fault[], staging: Staging): Promise<{ readonly steps: Step[]; readonly written: number }> {
  const server = createMemoryApplication({ orders: 'none' })
  const steps: Step[] = []
  const controller = new AbortController()
  const left = [...faults]
  let failing: Fault | undefined
  let following = false
  const strike = (at: Fault['at'], error: BackupError) => {
    if (failing?.written) server.write('orders', `${server.sequence}`)
    if (failing?.at !== at) return
    failing = undefined
    throw error
  }
  const begin: Staging['begin'] = async (run, options) => {
    failing = left.shift()
    strike('begin', new BackupError('too many files are open', { code: 'OVERLOADED' }))
    return await staging.begin(run, options)
  }
  const memory = createMemoryRepository()
  const store: Repository['store'] = async (request, contents, options) => {
    strike('store', unreachable())
    const backup = await memory.store(request, contents, options)
    steps.push({ what: 'committed', from: Number(backup.from?.value.sequence ?? 0), to: Number(backup.position?.value.sequence) })
    return backup
  }
  const ended = followLogs(
    {
      agent: createMemoryAgent({ server: confirming(server, steps) }),
      repository: changed(memory, { store }),
      staging: changed(staging, { begin }),
      job: 'shop',
      everySeconds: 0.001,
      pauseSeconds: { first: 0.001, longest: 0.001 },
    },
    {
      signal: controller.signal,
      onEvent({ type }) {
        if (type === 'following' || type === 'waiting') following = type === 'following'
        if (!following || (type !== 'following' && type !== 'restorable')) return
        if (left.length > 0) server.write('orders', `${server.sequence}`)
        else if (steps.some(({ what, to }) => what === 'committed' && to === server.sequence)) controller.abort()
      },
    },
  )
  await ended
  return { steps, written: server.sequence }
}

function confirming(server: MemoryApplication, steps: Step[]): MemoryApplication {
  const truncateLog: MemoryApplication['truncateLog'] = (to) => {
    steps.push({ what: 'confirmed', from: 0, to })
    server.truncateLog(to)
  }
  return changed(server, { truncateLog })
}

function changed<T extends object>(target: T, changes: Partial<T>): T {
  return new Proxy(target, {
    get(_, key) {
      if (Object.hasOwn(changes, key)) return Reflect.get(changes, key)
      const value = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

test.each([
  ['that keeps what could not be sent', createMemoryStaging],
  ['without a disk', createStreamStaging],
])('with a staging %s backups appear in the order of what they hold, and are confirmed only behind all before them', async (_, create) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fault, { maxLength: 8 }), async (faults) => {
      const { steps, written } = await followThrough(faults, create())
      let committed = 0
      for (const { what, from, to } of steps) {
        if (what === 'confirmed') expect(to).toBeLessThanOrEqual(committed)
        else {
          expect(from).toBeLessThanOrEqual(committed)
          expect(to).toBeGreaterThanOrEqual(committed)
          committed = to
        }
      }
      expect(committed).toBe(written)
    }),
    { numRuns: 30 },
  )
})
