import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Uploader } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { otherBoot, otherNamespace } from '../staging/__fixtures__/other-owners.ts'
import { currentOwner, ownedName, type ProcessOwner } from '../staging/process-owner.ts'
import { reopenable } from '../testing/chunks-of.ts'
import { createMemoryUploader, type MemoryUploader } from '../testing/memory-uploader.ts'
import { VirtualTime } from './__fixtures__/virtual-time.ts'
import { acquireLease, type LeaseRequest } from './acquire-lease.ts'
import type { HeldLease } from './held-lease.ts'
import { type LeaseObservations, leaseFolder } from './lease-objects.ts'

const elsewhere = (host: string): ProcessOwner => ({ host, pid: 4711, started: 'unknown' })
const time = new VirtualTime()
const shop = (more: Partial<LeaseRequest> = {}): LeaseRequest => ({ job: 'shop', clock: time.clock(), random: () => 0.5, ...more })
const keys = ({ objects }: MemoryUploader) => [...objects.keys()]

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => 'did not fail',
    (error: unknown) => error,
  )
}

async function denied(): Promise<never> {
  throw new BackupError('denied', { code: 'ACCESS_DENIED' })
}

/** Someone else's object as it was left there. */
async function leftBehind(uploader: Uploader, owner: ProcessOwner): Promise<string> {
  const key = leaseFolder('shop') + ownedName('lease', owner)
  await uploader.upload(key, reopenable(Buffer.from('held')))
  return key
}

describe('a lease that is held', () => {
  test('is refused to others, and named, until it is given back', async () => {
    const uploader = createMemoryUploader()
    const first = await time.run(acquireLease(uploader, shop({ owner: elsewhere('db1') })))
    expect(first.isHeld()).toBe(true)
    expect(await failureOf(time.run(acquireLease(uploader, shop({ owner: elsewhere('db2') }))))).toMatchObject({
      code: 'CONFLICT',
      retryable: true,
      message: 'job "shop" is being worked on by process 4711 on host db1',
      hint: expect.stringContaining('Wait'),
    })
    const other = await time.run(acquireLease(uploader, shop({ job: 'wiki', owner: elsewhere('db2') })))
    await time.run(first.release())
    expect(first.isHeld()).toBe(false)
    expect(first.signal.aborted).toBe(false)
    const second = await time.run(acquireLease(uploader, shop({ owner: elsewhere('db2') })))
    await time.run(Promise.all([second.release(), other.release()]))
    expect(keys(uploader)).toEqual([])
  })

  test('stays held for as long as it is renewed, however long others wait for it', async () => {
    const uploader = createMemoryUploader({ now: () => new Date(time.time) })
    const first = await time.run(acquireLease(uploader, shop({ owner: elsewhere('db1') })))
    const work = acquireLease(uploader, shop({ owner: elsewhere('db2'), waitSeconds: 3600 }))
    expect(await failureOf(time.run(work))).toMatchObject({ code: 'CONFLICT' })
    expect(first.isHeld()).toBe(true)
    await time.run(first.release())
  })

  test('is told from the one before by stores that know neither a hash nor milliseconds', async () => {
    const plain = createMemoryUploader({ now: () => new Date(0) })
    const uploader: Uploader = {
      ...plain,
      async *list(prefix, options) {
        for await (const { sha256: _, ...object } of plain.list(prefix, options)) yield object
      },
    }
    const first = await time.run(acquireLease(uploader, shop({ owner: elsewhere('db1') })))
    expect(await failureOf(time.run(acquireLease(uploader, shop({ owner: elsewhere('db2'), waitSeconds: 600 }))))).toMatchObject({
      code: 'CONFLICT',
    })
    expect(first.isHeld()).toBe(true)
    await time.run(first.release())
  })

  test('passes on to who waits for it', async () => {
    const uploader = createMemoryUploader()
    const first = await time.run(acquireLease(uploader, shop({ owner: elsewhere('db1') })))
    const waiting = acquireLease(uploader, shop({ owner: elsewhere('db2'), waitSeconds: 300 }))
    await time.run(time.clock().wait(60_000))
    await time.run(first.release())
    const second = await time.run(waiting)
    expect(second.isHeld()).toBe(true)
    await time.run(second.release())
  })

  test('is lost when the store cannot be reached, before others may take it', async () => {
    const uploader = createMemoryUploader()
    const first = await time.run(acquireLease(uploader, shop({ owner: elsewhere('db1') })))
    const began = time.time
    for (let occurrence = 2; occurrence < 100; occurrence++) uploader.injectFault({ operation: 'upload', occurrence, action: 'fail' })
    const lost = new Promise((resolve) => first.signal.addEventListener('abort', resolve))
    const second = acquireLease(uploader.another(), shop({ owner: elsewhere('db2'), waitSeconds: 3600 }))
    await time.run(lost)
    expect(time.time - began).toBe(200_000)
    expect(first.isHeld()).toBe(false)
    expect(first.signal.reason).toMatchObject({ code: 'CONFLICT', hint: expect.stringContaining('another machine') })
    const taken = await time.run(second)
    expect(time.time - began).toBeGreaterThanOrEqual(300_000)
    await time.run(Promise.all([first.release(), taken.release()]))
    expect(keys(uploader)).toEqual([])
  })

  test('is stored again once a minute', async () => {
    const uploader = createMemoryUploader()
    const lease = await time.run(acquireLease(uploader, shop({ owner: elsewhere('db1') })))
    await time.run(time.clock().wait(3_600_000 + 1))
    expect(uploader.calls).toMatchObject({ upload: 61, list: 2 })
    await time.run(lease.release())
  })

  test('outlives heartbeats that fail or hang', async () => {
    const uploader = createMemoryUploader({
      faults: [
        { operation: 'upload', occurrence: 2, action: 'fail' },
        { operation: 'upload', occurrence: 3, action: 'stall' },
        { operation: 'upload', occurrence: 5, action: 'fail-half-way' },
      ],
    })
    await using lease = await time.run(acquireLease(uploader, shop({ owner: elsewhere('db1') })))
    await time.run(time.clock().wait(600_000))
    expect(lease.isHeld()).toBe(true)
    expect(uploader.calls.upload).toBeGreaterThan(8)
    await time.run(lease.release())
  })
})

describe('a machine that slept while it held a lease', () => {
  /** A clock that stands still while the machine sleeps, as that of Linux does; the time of day goes on. */
  const sleeper = () => {
    let slept = 0
    const clock = { ...time.clock(), now: () => time.time + slept }
    return { clock, sleep: (milliseconds: number) => (slept += milliseconds) }
  }

  test('gives up when somebody has taken it over, and names him', async () => {
    const uploader = createMemoryUploader()
    const { clock, sleep } = sleeper()
    const first = await time.run(acquireLease(uploader, shop({ owner: elsewhere('db1'), clock })))
    uploader.objects.clear()
    const second = await time.run(acquireLease(uploader, shop({ owner: elsewhere('db2') })))
    sleep(600_000)
    expect(first.isHeld()).toBe(false)
    await time.run(time.clock().wait(11_000))
    expect(first.signal.reason).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('was taken over by process 4711 on host db2'),
      hint: expect.stringContaining('slept'),
    })
    await time.run(first.release())
    expect(second.isHeld()).toBe(true)
    expect(keys(uploader)).toHaveLength(1)
    await time.run(second.release())
  })

  test('goes on when nobody has, as soon as it could look', async () => {
    const uploader = createMemoryUploader()
    const { clock, sleep } = sleeper()
    await using lease = await time.run(acquireLease(uploader, shop({ owner: elsewhere('db1'), clock })))
    uploader.injectFault({ operation: 'list', occurrence: 3, action: 'fail' })
    sleep(600_000)
    await time.run(time.clock().wait(10_001))
    expect(uploader.calls.list).toBe(3)
    expect(lease.isHeld()).toBe(false)
    await time.run(time.clock().wait(20_000))
    expect(lease.isHeld()).toBe(true)
    expect(lease.signal.aborted).toBe(false)
    expect(uploader.calls.list).toBe(4)
    await time.run(lease.release())
  })
})

describe('a lease that was left behind', () => {
  test('by a process of this host that is gone, is taken over at once', async () => {
    const uploader = createMemoryUploader()
    await leftBehind(uploader, { ...(await currentOwner()), pid: 2 ** 22 + 1 })
    const lease = await time.run(acquireLease(uploader, shop()))
    expect(keys(uploader)).toHaveLength(1)
    await time.run(lease.release())
  })

  test.runIf(process.platform === 'linux').for([
    { what: 'machine', other: otherBoot },
    { what: 'container', other: otherNamespace },
  ])('by another $what with the same host name, is not taken for dead', async ({ other }) => {
    const uploader = createMemoryUploader()
    const key = await leftBehind(uploader, other(await currentOwner()))
    expect(await failureOf(time.run(acquireLease(uploader, shop())))).toMatchObject({ code: 'CONFLICT' })
    expect(keys(uploader)).toEqual([key])
  })

  test('by another host, is taken over once nothing of it changed for so long, over several attempts', async () => {
    const uploader = createMemoryUploader()
    await leftBehind(uploader, elsewhere('db9'))
    const observed: LeaseObservations = new Map()
    const began = time.time
    let lease: HeldLease | undefined
    for (let attempt = 0; lease === undefined; attempt++) {
      expect(attempt).toBeLessThan(20)
      lease = await time.run(acquireLease(uploader, shop({ observed })).catch(() => undefined))
      if (lease === undefined) await time.run(time.clock().wait(30_000))
    }
    expect(time.time - began).toBe(300_000)
    await time.run(lease.release())
    expect(observed.size).toBe(0)
  })
})

describe('a store that fails', () => {
  test.each(['upload', 'list'] as const)('at %s fails the attempt and leaves nothing', async (operation) => {
    const uploader = createMemoryUploader({ faults: [{ operation, occurrence: operation === 'list' ? 2 : 1, action: 'fail' }] })
    expect(await failureOf(time.run(acquireLease(uploader, shop())))).toMatchObject({ code: 'UNREACHABLE' })
    expect(keys(uploader)).toEqual([])
  })

  test('at the end of a lease is not told: it is taken over later', async () => {
    const uploader = createMemoryUploader({ faults: [{ operation: 'remove', occurrence: 1, action: 'fail' }] })
    const lease = await time.run(acquireLease(uploader, shop()))
    await time.run(lease.release())
    expect(keys(uploader)).toHaveLength(1)
  })

  test('that does not answer when a lease is given back is not waited for, and the lease belongs to nobody', async () => {
    const store = createMemoryUploader()
    const uploader: Uploader = { ...store, remove: () => new Promise(() => undefined) }
    const observed: LeaseObservations = new Map()
    const lease = await time.run(acquireLease(uploader, shop({ observed })))
    const began = time.time
    await time.run(lease.release())
    expect(time.time - began).toBe(15_000)
    const next = await time.run(acquireLease(store, shop({ observed })))
    await time.run(next.release())
    expect(keys(store)).toEqual([])
  })

  test('where nothing may be removed, leases are taken at once all the same, here and elsewhere, and their objects do not become more', async () => {
    const store = createMemoryUploader()
    const uploader: Uploader = { ...store, remove: denied }
    const one: LeaseObservations = new Map()
    const other: LeaseObservations = new Map()
    const began = time.time
    for (let round = 0; round < 3; round++) {
      const here = await time.run(acquireLease(uploader, shop({ owner: elsewhere('db1'), observed: one })))
      expect(await failureOf(time.run(acquireLease(uploader, shop({ owner: elsewhere('db2'), observed: other }))))).toMatchObject({
        code: 'CONFLICT',
      })
      await time.run(here.release())
      const there = await time.run(acquireLease(uploader, shop({ owner: elsewhere('db2'), observed: other })))
      expect(await failureOf(time.run(acquireLease(uploader, shop({ owner: elsewhere('db1'), observed: one }))))).toMatchObject({
        code: 'CONFLICT',
      })
      await time.run(there.release())
    }
    expect(time.time).toBe(began)
    expect(keys(store)).toHaveLength(2)
    // A process that was started anew has observed nothing.
    const third = await time.run(acquireLease(uploader, shop({ owner: elsewhere('db3') })))
    await time.run(third.release())
  })

  test('where nothing may be removed or replaced, a lease is held for as long as it is needed, and taken over when it is stale', async () => {
    const store = createMemoryUploader()
    const uploader: Uploader = {
      ...store,
      remove: denied,
      upload: (key, content, options) => (store.objects.has(key) ? denied() : store.upload(key, content, options)),
    }
    const observed: LeaseObservations = new Map()
    const lease = await time.run(acquireLease(uploader, shop({ owner: elsewhere('db1'), observed })))
    const waiting = failureOf(acquireLease(uploader, shop({ owner: elsewhere('db2'), waitSeconds: 1800 })))
    expect(await time.run(waiting)).toMatchObject({ code: 'CONFLICT' })
    expect(lease.isHeld()).toBe(true)
    await time.run(lease.release())
    const began = time.time
    const next = await time.run(acquireLease(uploader, shop({ owner: elsewhere('db1'), observed })))
    expect(time.time).toBe(began)
    await time.run(next.release())
    const other = await time.run(acquireLease(uploader, shop({ owner: elsewhere('db2'), waitSeconds: 1800 })))
    expect(time.time - began).toBeGreaterThanOrEqual(300_000)
    await time.run(other.release())
  })

  test('that answers later than the lease would last, gives none', async () => {
    const slow = createMemoryUploader()
    const uploader: Uploader = {
      ...slow,
      async upload(key, content, options) {
        const object = await slow.upload(key, content, options)
        await time.clock().wait(210_000)
        return object
      },
    }
    expect(await failureOf(time.run(acquireLease(uploader, shop())))).toMatchObject({ code: 'TIMED_OUT' })
    expect(keys(slow)).toEqual([])
  })
})

describe('aborting', () => {
  test('beforehand does nothing', async () => {
    const uploader = createMemoryUploader()
    expect(await failureOf(acquireLease(uploader, shop(), { signal: AbortSignal.abort() }))).toMatchObject({ code: 'ABORTED' })
    expect(uploader.calls).toEqual({ upload: 0, download: 0, stat: 0, list: 0, remove: 0 })
  })

  test('ends waiting for another', async () => {
    const uploader = createMemoryUploader()
    const first = await time.run(acquireLease(uploader, shop({ owner: elsewhere('db1') })))
    const controller = new AbortController()
    const waiting = failureOf(acquireLease(uploader, shop({ owner: elsewhere('db2'), waitSeconds: 3600 }), { signal: controller.signal }))
    await time.run(time.clock().wait(1000))
    controller.abort()
    expect(await time.run(waiting)).toMatchObject({ code: 'ABORTED' })
    await time.run(first.release())
    expect(keys(uploader)).toEqual([])
  })
})

test('by the clock of the system it is renewed as well', async () => {
  const uploader = createMemoryUploader()
  await using lease = await acquireLease(uploader, { job: 'shop', staleSeconds: 0.3 })
  const deadline = Date.now() + 10_000
  while (uploader.calls.upload < 8 && Date.now() < deadline) await delay(10)
  expect(uploader.calls.upload).toBeGreaterThanOrEqual(8)
  onTestFinished(() => lease.release())
  expect(BackupError.is(lease.signal.reason)).toBe(false)
})
