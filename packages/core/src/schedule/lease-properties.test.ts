import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Uploader } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { createMemoryUploader, type MemoryObject } from '../testing/memory-uploader.ts'
import { randomNumbers } from './__fixtures__/random-numbers.ts'
import { VirtualTime } from './__fixtures__/virtual-time.ts'
import { acquireLease, type LeaseRequest } from './acquire-lease.ts'
import type { HeldLease } from './held-lease.ts'
import type { LeaseObservations } from './lease-objects.ts'
import type { ScheduleClock } from './schedule-clock.ts'

/** `BACKUP_PLANET_LEASE_COUNT` histories; a failure prints its seed, and `BACKUP_PLANET_SEED` goes through the same ones again. */
const runs = {
  numRuns: Number(process.env.BACKUP_PLANET_LEASE_COUNT ?? 60),
  seed: Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 2 ** 31),
}

interface Trouble {
  readonly seed: number
  readonly machines: number
  /** Milliseconds that an operation takes at most, half before it has its effect and half after. */
  readonly slowness: number
  /** Of 100 operations. */
  readonly failing: number
  /** Of 100 removals those that the store refuses. */
  readonly refusing: number
  /** Of 100 holders those that vanish, or are suspended for a while. */
  readonly vanishing: number
  readonly suspended: number
}

const trouble: fc.Arbitrary<Trouble> = fc.record({
  seed: fc.nat(),
  machines: fc.integer({ min: 2, max: 4 }),
  slowness: fc.constantFrom(0, 10, 1000, 30_000, 200_000),
  failing: fc.constantFrom(0, 0, 10, 40),
  refusing: fc.constantFrom(0, 0, 50, 100),
  vanishing: fc.constantFrom(0, 0, 20),
  suspended: fc.constantFrom(0, 30, 80),
})

class Machines {
  readonly time = new VirtualTime()
  readonly #objects = new Map<string, MemoryObject>()
  readonly #random: () => number
  readonly #trouble: Trouble
  readonly #leases: HeldLease[] = []
  taken = 0

  constructor(met: Trouble) {
    this.#trouble = met
    this.#random = randomNumbers(met.seed)
  }

  async live(): Promise<void> {
    const all = Array.from({ length: this.#trouble.machines }, (_, index) => this.#machine(`host${index}`))
    await this.time.run(Promise.all(all))
  }

  async #machine(host: string): Promise<void> {
    let suspendedUntil = 0
    let slept = 0
    const standsStill = this.#random() < 0.5
    const shown = this.time.clock({ suspendedUntil: () => suspendedUntil })
    const clock = { ...shown, monotonic: () => shown.monotonic() - slept }
    let observed: LeaseObservations = new Map()
    const uploader = this.#uploader(clock)
    for (let round = 0; round < 6; round++) {
      const request: LeaseRequest = {
        job: 'shop',
        owner: { host, pid: 7, started: 'unknown' },
        clock,
        observed,
        random: this.#random,
        waitSeconds: 60,
      }
      const lease = await acquireLease(uploader, request).catch((error: unknown) => {
        if (!BackupError.is(error)) throw error
        return undefined
      })
      if (lease === undefined) {
        await clock.wait(this.#random() * 60_000)
        continue
      }
      this.#leases.push(lease)
      this.assertOneAtMost()
      this.taken++
      const works = clock.wait(this.#random() * 400_000, lease.signal)
      if (this.#random() * 100 < this.#trouble.suspended) {
        const length = this.#random() * 400_000
        suspendedUntil = this.time.time + length
        if (standsStill) slept += length
      }
      await works
      if (this.#random() * 100 < this.#trouble.vanishing) {
        // As if the process were killed: nothing of it happens any more.
        suspendedUntil = Number.POSITIVE_INFINITY
        return
      }
      await lease.release()
      observed = this.#random() < 0.2 ? new Map() : observed
    }
  }

  assertOneAtMost(): void {
    const holders = this.#leases.filter((lease) => lease.isHeld())
    if (holders.length > 1) throw new Error(`${holders.length} hold the lease at ${this.time.time}`)
  }

  /** Its operations take time, and fail before or after they have had their effect; an upload that was given up may still arrive. */
  #uploader(clock: ScheduleClock): Uploader {
    const store = createMemoryUploader({ objects: this.#objects, now: () => new Date(Math.floor(this.time.time / 1000) * 1000) })
    const pass = async (signal: AbortSignal | undefined) => {
      await clock.wait((this.#random() * this.#trouble.slowness) / 2, signal)
      this.assertOneAtMost()
      if (this.#random() * 200 < this.#trouble.failing) throw new BackupError('made to fail', { code: 'UNREACHABLE' })
    }
    return {
      ...store,
      upload: async (key, content, options) => {
        await pass(undefined)
        const object = await store.upload(key, content)
        await pass(options?.signal)
        if (options?.signal?.aborted === true) throw new BackupError('given up', { code: 'ABORTED' })
        return object
      },
      async *list(prefix, options) {
        await pass(options?.signal)
        const objects = []
        for await (const object of store.list(prefix)) objects.push(object)
        await pass(options?.signal)
        yield* objects
      },
      remove: async (key, options) => {
        await pass(options?.signal)
        if (this.#random() * 100 < this.#trouble.refusing) throw new BackupError('refused', { code: 'ACCESS_DENIED' })
        await store.remove(key)
        await pass(options?.signal)
      },
    }
  }
}

test(
  'never two hold it, whatever the store and the machines do, and somebody gets it',
  async () => {
    let taken = 0
    await fc.assert(
      fc.asyncProperty(trouble, async (met) => {
        const machines = new Machines(met)
        await machines.live()
        taken += machines.taken
      }),
      runs,
    )
    expect(taken).toBeGreaterThan(runs.numRuns)
  },
  60_000 + runs.numRuns * 1000,
)
