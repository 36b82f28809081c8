import { beforeEach, describe, expect, test } from 'vitest'
import { within } from '../conformance/conformance-check.ts'
import {
  assertReadable,
  captureFacts,
  filledStage,
  idsOf,
  pressFor,
  sampleContents,
  storeStage,
} from '../conformance/repository-harness.ts'
import type { Problem, Progress, Repository, StageEvent } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { chunksOf, sampleBytes } from '../testing/chunks-of.ts'
import { createMemoryRepository, type MemoryRepository } from '../testing/memory-repository.ts'
import { createMemoryStage } from '../testing/memory-stage.ts'
import { withMirrors } from './with-mirrors.ts'

const unreachable = new BackupError('nobody answers', { code: 'UNREACHABLE', hint: 'Plug it in.' })
const names = Object.entries(sampleContents).flatMap(([item, files]) => Object.keys(files).map((name) => `${item}/${name}`))

let first: MemoryRepository
let second: MemoryRepository
let mirror: Repository
let told: Progress[]
const onProgress = (progress: Progress): void => void told.push(progress)
const problems = (): Problem[] => told.flatMap((progress) => (progress.type === 'problem' ? [progress.problem] : []))

beforeEach(() => {
  first = createMemoryRepository()
  second = createMemoryRepository()
  mirror = { ...second, destination: 'memory://second' }
  told = []
})

describe('a backup with a mirror', () => {
  test('is read once, committed in both, and its files are freed when both have them', async () => {
    const stage = await filledStage({ id: 'run' })
    const backup = await storeStage(withMirrors(first, [mirror]), stage, { onProgress })
    expect(backup.id).toBe('run')
    await assertWhole(first, second)
    expect([...stage.released].sort()).toEqual([...names].sort())
    expect(problems()).toEqual([])
    const bytes = told.reduce((sum, progress) => sum + (progress.type === 'bytes' ? progress.bytes : 0), 0)
    expect(bytes).toBe(Object.values(sampleContents).reduce((sum, files) => sum + sizeOf(files), 0))
  })

  test('keeps a file for a slow mirror, and frees it as soon as that has it', async () => {
    const stage = createMemoryStage({ run: { id: 'run' } })
    const hold = Promise.withResolvers<void>()
    const storing = storeStage(withMirrors(first, [holdingAt(mirror, 2, hold.promise)]), stage)
    storing.catch(() => undefined)
    await stage.stage.write({ item: 'shop', name: 'a.bin' }, chunksOf(sampleBytes(5000, 1), [5000]))
    await pressFor(stage, 'shop', 'a.bin')
    await stage.stage.write({ item: 'shop', name: 'b.bin' }, chunksOf(sampleBytes(5000, 2), [5000]))
    await expect.poll(() => first.place.unfinished.get('run')?.files.size).toBe(2)
    expect(stage.released).toEqual(['shop/a.bin'])
    hold.resolve()
    await pressFor(stage, 'shop', 'b.bin')
    await stage.stage.sealItem({ item: 'shop', facts: {} })
    await stage.stage.seal(captureFacts())
    await within(storing, 'store')
    expect([await idsOf(first), await idsOf(second)]).toEqual([['run'], ['run']])
  })

  test('of which the first is done and the mirror aborted is a backup, and the mirror is told of', async () => {
    const stage = await filledStage({ id: 'run' })
    const controller = new AbortController()
    const never: Repository = { ...mirror, store: (_request, _contents, options) => abortedBy(options?.signal) }
    const watched: Repository = {
      ...first,
      async store(...call) {
        const backup = await first.store(...call)
        controller.abort()
        return backup
      },
    }
    const backup = await storeStage(withMirrors(watched, [never]), stage, { onProgress, signal: controller.signal })
    expect(backup.id).toBe('run')
    expect(problems()).toMatchObject([{ message: expect.stringContaining('memory://second misses backup run') }])
  })
})

describe('a mirror that fails', () => {
  test('does not hold up the first, is told of, and holds no file back', async () => {
    second.failNext('store', unreachable)
    const stage = await filledStage({ id: 'run' })
    const backup = await storeStage(withMirrors(first, [mirror]), stage, { onProgress })
    expect(backup.id).toBe('run')
    expect(await idsOf(second)).toEqual([])
    expect([...stage.released].sort()).toEqual([...names].sort())
    expect(problems()).toEqual([
      {
        severity: 'warning',
        code: 'UNREACHABLE',
        message: 'memory://second misses backup run: nobody answers',
        hint: 'Plug it in. Copy the backup there (backup-planet copy) once that works again.',
      },
    ])
  })

  test('before it begins is no different, and lets a writer go on that waits for room', async () => {
    const dead: Repository = { ...mirror, store: () => Promise.reject(unreachable) }
    const stage = createMemoryStage({ run: { id: 'run' } })
    const storing = storeStage(withMirrors(first, [dead]), stage, { onProgress })
    storing.catch(() => undefined)
    for (const name of ['a.bin', 'b.bin']) {
      await stage.stage.write({ item: 'shop', name }, chunksOf(sampleBytes(5000, 1), [5000]))
      await pressFor(stage, 'shop', name)
    }
    await stage.stage.sealItem({ item: 'shop', facts: {} })
    await stage.stage.seal(captureFacts())
    await within(storing, 'store')
    expect(problems()).toHaveLength(1)
  })

  test('and is slow to say so never has a file released behind its back', async () => {
    const rejecting = Promise.withResolvers<void>()
    const slow: Repository = {
      ...mirror,
      async store(_request, contents, options) {
        for await (const _ of contents.drain(options)) break
        await rejecting.promise
        throw unreachable
      },
    }
    const stage = await filledStage({ id: 'run' })
    const storing = storeStage(withMirrors(first, [slow]), stage, { onProgress })
    await expect.poll(() => first.place.records.size).toBe(1)
    expect(stage.released).toEqual([])
    rejecting.resolve()
    await storing
    expect(stage.contents.notes).toContainEqual({ mirrored: { missed: 'memory://second' } })
    expect([...stage.released].sort()).toEqual([...names].sort())
  })

  test('never stores the rest of a run of which it misses files, when the stage is sent again', async () => {
    const stage = await filledStage({ id: 'run' })
    const released = Promise.withResolvers<void>()
    const lateFirst: Repository = {
      ...first,
      async store(request, contents, options) {
        first.failNext('store', unreachable)
        try {
          return await first.store(request, contents, options)
        } catch (error) {
          // The mirror is given up before the first fails.
          await released.promise
          throw error
        }
      },
    }
    const failed: Repository = {
      ...mirror,
      async store(_request, contents, options) {
        for await (const _ of contents.drain(options)) break
        setTimeout(released.resolve, 20)
        throw unreachable
      },
    }
    await expect(storeStage(withMirrors(lateFirst, [failed]), stage)).rejects.toBe(unreachable)
    expect(stage.released).not.toEqual([])
    await storeStage(withMirrors(first, [mirror]), stage, { onProgress })
    await assertWhole(first)
    expect(await idsOf(second)).toEqual([])
    expect(problems()).toMatchObject([{ code: 'NOT_FOUND', message: expect.stringContaining('misses backup run') }])
  })

  test('together with the first, before any file went, is no reason to leave it out later', async () => {
    const stage = await filledStage({ id: 'run' })
    const dead = (repository: Repository): Repository => ({ ...repository, store: () => Promise.reject(unreachable) })
    await expect(storeStage(withMirrors(dead(first), [dead(mirror)]), stage, { onProgress })).rejects.toBe(unreachable)
    expect(problems()).toEqual([])
    await storeStage(withMirrors(first, [mirror]), stage, { onProgress })
    await assertWhole(first, second)
    expect(problems()).toEqual([])
  })

  test('and cannot be noted ends the run: files may not go without the note', async () => {
    const stage = await filledStage({ id: 'run' })
    const full = new BackupError('the disk is full', { code: 'OUT_OF_SPACE' })
    let notes = 0
    const contents = { ...stage.contents, notes: [], sealed: true, note: () => (++notes === 1 ? Promise.resolve() : Promise.reject(full)) }
    const dead: Repository = { ...mirror, store: () => Promise.reject(unreachable) }
    await expect(storeStage(withMirrors(first, [dead]), stage, { contents })).rejects.toMatchObject({ code: 'OUT_OF_SPACE' })
    expect(stage.released).toEqual([])
  })
})

describe('a first that fails', () => {
  test('ends the mirrors, and the stage is sent to both later, nothing twice', async () => {
    const stage = await filledStage({ id: 'run' })
    first.failNext('store', unreachable)
    const hold = Promise.withResolvers<void>()
    await expect(storeStage(withMirrors(first, [holdingAt(mirror, 3, hold.promise)]), stage)).rejects.toBe(unreachable)
    expect([await idsOf(first), await idsOf(second)]).toEqual([[], []])
    const released = [...stage.released]
    const opened = stage.opened.length
    await storeStage(withMirrors(first, [mirror]), stage, { onProgress })
    await assertWhole(first, second)
    for (const label of stage.opened.slice(opened)) expect(released).not.toContain(label)
    expect(problems()).toEqual([])
  })

  test('and is slow to say so never has a file released that it does not have', async () => {
    const stage = await filledStage({ id: 'run' })
    const committed = Promise.withResolvers<void>()
    const quick: Repository = {
      ...mirror,
      async store(...call) {
        const backup = await mirror.store(...call)
        committed.resolve()
        return backup
      },
    }
    const lateFirst: Repository = {
      ...first,
      async store(_request, contents, options) {
        for await (const _ of contents.drain(options)) break
        await committed.promise
        throw unreachable
      },
    }
    await expect(storeStage(withMirrors(lateFirst, [quick]), stage)).rejects.toBe(unreachable)
    expect(stage.released).toEqual([])
    await storeStage(withMirrors(first, [mirror]), stage, { onProgress })
    await assertWhole(first, second)
    expect(problems()).toEqual([])
  })

  test('for now, says to the mirrors that the stage is kept, even while it is filled', async () => {
    const stage = createMemoryStage({ run: { id: 'run' } })
    let sealed: boolean | undefined
    const watching: Repository = {
      ...mirror,
      async store(_request, contents, options) {
        try {
          return await abortedBy(options?.signal)
        } finally {
          sealed = contents.sealed
        }
      },
    }
    await expect(storeStage(withMirrors({ ...first, store: () => Promise.reject(unreachable) }, [watching]), stage)).rejects.toBe(
      unreachable,
    )
    expect(sealed).toBe(true)
  })
})

describe('a stage that was sent before', () => {
  async function halfSent(): Promise<Awaited<ReturnType<typeof filledStage>>> {
    const stage = await filledStage({ id: 'run' })
    first.failNext('store', unreachable)
    second.failNext('store', unreachable)
    return stage
  }

  test('without mirrors never goes to one as if what is left were all', async () => {
    const stage = await halfSent()
    await expect(storeStage(first, stage)).rejects.toBe(unreachable)
    second = createMemoryRepository()
    mirror = { ...second, destination: 'memory://second' }
    await storeStage(withMirrors(first, [mirror]), stage, { onProgress })
    await assertWhole(first)
    expect(await idsOf(second)).toEqual([])
    expect(problems()).toHaveLength(1)
  })

  test('with another mirror never goes to the new one either', async () => {
    const stage = await halfSent()
    await expect(storeStage(withMirrors(first, [mirror]), stage)).rejects.toBe(unreachable)
    const third = createMemoryRepository()
    await storeStage(withMirrors(first, [{ ...third, destination: 'memory://third' }]), stage, { onProgress })
    await assertWhole(first)
    expect(await idsOf(third)).toEqual([])
  })

  test('goes on with first and mirror swapped', async () => {
    const stage = await halfSent()
    await expect(storeStage(withMirrors(first, [mirror]), stage)).rejects.toBe(unreachable)
    await storeStage(withMirrors({ ...second, destination: 'memory://second' }, [first]), stage, { onProgress })
    await assertWhole(first, second)
    expect(problems()).toEqual([])
  })

  test('goes on without its mirror', async () => {
    const stage = await halfSent()
    await expect(storeStage(withMirrors(first, [mirror]), stage)).rejects.toBe(unreachable)
    await storeStage(withMirrors(first, []), stage, { onProgress })
    await assertWhole(first)
  })

  test('never goes to a mirror that was left out meanwhile', async () => {
    const stage = await filledStage({ id: 'run' })
    const dead = (repository: Repository): Repository => ({ ...repository, store: () => Promise.reject(unreachable) })
    await expect(storeStage(withMirrors(dead(first), [dead(mirror)]), stage)).rejects.toBe(unreachable)
    first.failNext('store', unreachable)
    await expect(storeStage(withMirrors(first, []), stage)).rejects.toBe(unreachable)
    await storeStage(withMirrors(first, [mirror]), stage, { onProgress })
    await assertWhole(first)
    expect(await idsOf(second)).toEqual([])
    expect(problems()).toHaveLength(1)
  })
})

test('two repositories at one place are refused', () => {
  expect(() => withMirrors(first, [mirror, { ...mirror }])).toThrow(/destination memory:\/\/second/)
})

test('streams are taken only where nobody else needs them', () => {
  expect(withMirrors(first, []).supports.streams).toBe(true)
  expect(withMirrors(first, [mirror]).supports.streams).toBeUndefined()
})

test('what killed runs left is removed everywhere, and a mirror that does not answer is only told of', async () => {
  for (const repository of [first, second]) repository.place.unfinished.set('dead', { job: 'job', touchedAt: 0, files: new Map() })
  await withMirrors(first, [mirror]).removeUnfinished({ olderThanSeconds: 1 }, { onProgress })
  expect([first.place.unfinished.size, second.place.unfinished.size]).toEqual([0, 0])
  const dead: Repository = { ...mirror, removeUnfinished: () => Promise.reject(unreachable) }
  await withMirrors(first, [dead]).removeUnfinished({ olderThanSeconds: 1 }, { onProgress })
  expect(problems()).toMatchObject([{ code: 'UNREACHABLE', message: expect.stringContaining('memory://second') }])
})

test('a mirror that cannot be made ready or closed is no failure of the first', async () => {
  const dead: Repository = {
    ...mirror,
    initialize: () => Promise.reject(unreachable),
    [Symbol.asyncDispose]: () => Promise.reject(unreachable),
  }
  const together = withMirrors(first, [dead])
  await together.initialize?.({ onProgress })
  await together[Symbol.asyncDispose]()
  expect(problems()).toMatchObject([{ message: 'memory://second could not be made ready: nobody answers', hint: 'Plug it in.' }])
})

async function assertWhole(...repositories: readonly Repository[]): Promise<void> {
  for (const repository of repositories) {
    const backups = []
    for await (const backup of repository.list()) backups.push(backup)
    expect(backups.map(({ id }) => id)).toEqual(['run'])
    for (const backup of backups) await assertReadable(repository, backup)
  }
}

function sizeOf(files: Readonly<Record<string, Uint8Array>>): number {
  return Object.values(files).reduce((sum, { byteLength }) => sum + byteLength, 0)
}

function abortedBy(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    const abort = () => reject(new BackupError('it was aborted', { code: 'ABORTED' }))
    if (signal?.aborted) abort()
    signal?.addEventListener('abort', abort)
  })
}

/** Gets no further than before its nth event until `go` resolves. */
function holdingAt(repository: Repository, nth: number, go: Promise<void>): Repository {
  return {
    ...repository,
    store: (request, contents, options) => {
      async function* drain(drainOptions: Parameters<typeof contents.drain>[0]): AsyncGenerator<StageEvent, void> {
        let events = 0
        for await (const event of contents.drain(drainOptions)) {
          if (event.type !== 'pressure' && ++events === nth) await go
          yield event
        }
      }
      return repository.store(request, { ...contents, notes: contents.notes, sealed: contents.sealed, drain }, options)
    },
  }
}
