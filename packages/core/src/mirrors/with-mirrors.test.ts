import { beforeEach, describe, expect, test } from 'vitest'
import { within } from '../conformance/conformance-check.ts'
import { assertReadable, filledStage, idsOf, pressFor, sampleContents, storeStage } from '../conformance/repository-harness.ts'
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
    for (const repository of [first, second]) {
      const [listed] = await collected(repository)
      await assertReadable(repository, listed ?? backup)
    }
    expect([...stage.released].sort()).toEqual([...names].sort())
    expect(problems()).toEqual([])
    const bytes = told.reduce((sum, progress) => sum + (progress.type === 'bytes' ? progress.bytes : 0), 0)
    expect(bytes).toBe(Object.values(sampleContents).reduce((sum, files) => sum + sizeOf(files), 0))
  })

  test('keeps a file for a slow mirror, and frees it as soon as that has it', async () => {
    const stage = createMemoryStage({ run: { id: 'run' } })
    const hold = Promise.withResolvers<void>()
    const slow = holdingAt(mirror, 2, hold.promise)
    const storing = storeStage(withMirrors(first, [slow]), stage)
    storing.catch(() => undefined)
    await stage.stage.write({ item: 'shop', name: 'a.bin' }, chunksOf(sampleBytes(5000, 1), [5000]))
    await pressFor(stage, 'shop', 'a.bin')
    await stage.stage.write({ item: 'shop', name: 'b.bin' }, chunksOf(sampleBytes(5000, 2), [5000]))
    await expect.poll(() => first.place.unfinished.get('run')?.files.size).toBe(2)
    expect(stage.released).toEqual(['shop/a.bin'])
    hold.resolve()
    await pressFor(stage, 'shop', 'b.bin')
    await stage.stage.sealItem({ item: 'shop', facts: {} })
    await stage.stage.seal({ ...(await filledStage()).facts } as never)
    await within(storing, 'store')
    expect([await idsOf(first), await idsOf(second)]).toEqual([['run'], ['run']])
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

  test('never stores the rest of a run of which it misses files, when the stage is sent again', async () => {
    const stage = await filledStage({ id: 'run' })
    second.failNext('store', unreachable)
    first.failNext('store', unreachable)
    const failingLater: Repository = { ...mirror, store: (...call) => mirror.store(...call).catch(rethrowBeforeFirst) }
    const failed = Promise.withResolvers<void>()
    const lateFirst: Repository = {
      ...first,
      async store(request, contents, options) {
        await failed.promise
        return await first.store(request, contents, options)
      },
    }
    function rethrowBeforeFirst(error: unknown): never {
      // The mirror is given up before the first fails.
      setImmediate(() => failed.resolve())
      throw error
    }
    await expect(storeStage(withMirrors(lateFirst, [failingLater]), stage)).rejects.toBe(unreachable)
    const backup = await storeStage(withMirrors(first, [mirror]), stage, { onProgress })
    await assertReadable(first, backup)
    expect(await idsOf(second)).toEqual([])
    expect(problems()).toMatchObject([{ code: 'NOT_FOUND', message: expect.stringContaining('misses backup run') }])
  })

  test('before it begins is no different', async () => {
    const dead: Repository = { ...mirror, store: () => Promise.reject(unreachable) }
    const backup = await storeStage(withMirrors(first, [dead]), await filledStage({ id: 'run' }), { onProgress })
    await assertReadable(first, backup)
    expect(problems()).toHaveLength(1)
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
    for (const repository of [first, second]) {
      const [backup] = await collected(repository)
      if (backup === undefined) expect.unreachable()
      await assertReadable(repository, backup)
    }
    for (const label of stage.opened.slice(opened)) expect(released).not.toContain(label)
    expect(problems()).toEqual([])
  })

  test('finds the run in a mirror that had committed it', async () => {
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
        for await (const event of contents.drain(options)) if (event.type === 'sealed') break
        await committed.promise
        throw unreachable
      },
    }
    await expect(storeStage(withMirrors(lateFirst, [quick]), stage)).rejects.toBe(unreachable)
    expect(stage.released).toEqual([])
    await storeStage(withMirrors(first, [mirror]), stage, { onProgress })
    expect([await idsOf(first), await idsOf(second)]).toEqual([['run'], ['run']])
    expect(problems()).toEqual([])
  })
})

test('two repositories at one place are refused', () => {
  expect(() => withMirrors(first, [mirror, { ...mirror }])).toThrow(/destination memory:\/\/second/)
})

test('what killed runs left is removed everywhere, and a mirror that does not answer is only told of', async () => {
  for (const repository of [first, second]) repository.place.unfinished.set('dead', { job: 'job', touchedAt: 0, files: new Map() })
  await withMirrors(first, [mirror]).removeUnfinished({ olderThanSeconds: 1 }, { onProgress })
  expect([first.place.unfinished.size, second.place.unfinished.size]).toEqual([0, 0])
  const dead: Repository = { ...mirror, removeUnfinished: () => Promise.reject(unreachable) }
  await withMirrors(first, [dead]).removeUnfinished({ olderThanSeconds: 1 }, { onProgress })
  expect(problems()).toMatchObject([{ code: 'UNREACHABLE', message: expect.stringContaining('memory://second') }])
})

async function collected(repository: Repository) {
  const backups = []
  for await (const backup of repository.list()) backups.push(backup)
  return backups
}

function sizeOf(files: Readonly<Record<string, Uint8Array>>): number {
  return Object.values(files).reduce((sum, { byteLength }) => sum + byteLength, 0)
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
