import { access, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { collect } from '../conformance/conformance-check.ts'
import type { RunStage, StagedFile } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { backUp } from '../pipeline/back-up.ts'
import { bytesOf, chunksOf, sampleBytes } from './chunks-of.ts'
import { createMemoryAgent } from './memory-agent.ts'
import { createMemoryRepository } from './memory-repository.ts'
import type { MemoryStage } from './memory-stage.ts'
import { createMemoryStaging, type MemoryStaging } from './memory-staging.ts'

const run = (id: string) => ({ job: 'shop', id, beganAt: '2026-01-01T00:00:00.000Z' })
const facts = {
  application: 'test',
  source: { id: 's', name: 's', version: '1' },
  kind: 'full',
  consistentAt: '2026-01-01T00:00:00.000Z',
  facts: {},
  restoreGuide: '',
} as const

const write = (stage: RunStage, name: string, size: number) =>
  stage.stage.write({ item: 'shop', name }, chunksOf(sampleBytes(size), [size || 1]))

/** A sealed stage of one item with files of these sizes. */
async function sealed(staging: MemoryStaging, id: string, ...sizes: readonly number[]): Promise<MemoryStage> {
  const stage = await staging.begin(run(id))
  for (const [index, size] of sizes.entries()) await write(stage, `file${index}`, size)
  await stage.stage.sealItem({ item: 'shop', facts: { id } })
  await stage.stage.seal(facts)
  return stage
}

async function filesOf(stage: RunStage): Promise<StagedFile[]> {
  const files: StagedFile[] = []
  for await (const event of stage.contents.drain()) if (event.type === 'file') files.push(event.file)
  return files
}

async function onlyResumable(staging: MemoryStaging): Promise<MemoryStage> {
  const [stage, ...more] = await collect(staging.resumable('shop'))
  if (stage === undefined || more.length > 0) throw new TypeError('there must be one stage to resume')
  return stage
}

describe('the budget of a memory staging', () => {
  it('is what files of unsent stages leave of it, and is OUT_OF_SPACE once they leave nothing', async () => {
    const staging = createMemoryStaging({ budgetBytes: 100 })
    await (await sealed(staging, 'a', 40, 10))[Symbol.asyncDispose]()
    const second = await sealed(staging, 'b', 25, 24)
    expect(second.contents.budget).toBe(50)
    expect(second.stage.largestFile).toBe(25)
    await second[Symbol.asyncDispose]()
    await expect(staging.begin(run('c'))).rejects.toMatchObject({ code: 'OUT_OF_SPACE' })
    for await (const unsent of staging.resumable('shop')) await unsent.remove()
    expect((await staging.begin(run('c'))).contents.budget).toBe(100)
  })

  it('lets a writer wait until the drainer lets go of a file, and no longer', async () => {
    const stage = await createMemoryStaging({ budgetBytes: 100 }).begin(run('a'))
    const events = stage.contents.drain()[Symbol.asyncIterator]()
    await write(stage, 'first', 50)
    await write(stage, 'second', 40)
    let written = false
    const third = write(stage, 'third', 20).then(() => {
      written = true
    })
    const { value: first } = await events.next()
    expect(await events.next()).toMatchObject({ value: { type: 'file' } })
    expect(await events.next()).toMatchObject({ value: { type: 'pressure' } })
    expect(written).toBe(false)
    if (first?.type !== 'file') throw new TypeError('the first event must be a file')
    await first.file.release()
    await third
    expect(stage.released).toEqual(['shop/first'])
  })

  it('tells of a file before it presses for its room', async () => {
    const stage = await createMemoryStaging({ budgetBytes: 100 }).begin(run('a'))
    const gate = Promise.withResolvers<void>()
    const half = async function* () {
      yield sampleBytes(50)
      await gate.promise
    }
    const halves = ['first', 'second'].map((name) => stage.stage.write({ item: 'shop', name }, half()))
    const third = write(stage, 'third', 1)
    // Nothing here waits for anything but promises: after one turn of the event loop all three have asked for their room.
    await new Promise((resolve) => setImmediate(resolve))
    gate.resolve()
    await Promise.all(halves)
    const types: string[] = []
    for await (const event of stage.contents.drain()) {
      types.push(event.type)
      if (event.type === 'pressure') break
    }
    expect(types[0]).toBe('file')
    await expect(third).rejects.toMatchObject({ code: 'OUT_OF_SPACE' })
  })

  it('fails a writer that waits when the drainer has left', async () => {
    const stage = await createMemoryStaging({ budgetBytes: 100 }).begin(run('a'))
    await write(stage, 'first', 50)
    await write(stage, 'second', 50)
    const third = write(stage, 'third', 1)
    for await (const event of stage.contents.drain()) if (event.type === 'pressure') break
    await expect(third).rejects.toMatchObject({ code: 'OUT_OF_SPACE' })
  })

  it('lets a test press as a writer would that waits until a file goes', async () => {
    const stage = await createMemoryStaging().begin(run('a'))
    const events = stage.contents.drain()[Symbol.asyncIterator]()
    stage.press()
    await write(stage, 'first', 50)
    const { value: first } = await events.next()
    expect(await events.next()).toMatchObject({ value: { type: 'pressure' } })
    if (first?.type !== 'file') throw new TypeError('the first event must be a file')
    await first.file.release()
    await write(stage, 'second', 50)
    expect(await events.next()).toMatchObject({ value: { type: 'file' } })
    const waiting = events.next()
    await stage.stage.sealItem({ item: 'shop', facts: {} })
    expect(await waiting).toMatchObject({ value: { type: 'item' } })
  })

  it.each([1, 1.5, Number.NaN])('is not %d', (budgetBytes) => {
    expect(() => createMemoryStaging({ budgetBytes })).toThrow(TypeError)
  })
})

describe('a memory staging', () => {
  it('begins no run under the id of one that is unsent, and its job is free then', async () => {
    const staging = createMemoryStaging()
    await (await sealed(staging, 'a', 1))[Symbol.asyncDispose]()
    await expect(staging.begin(run('a'))).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    await using other = await staging.begin(run('b'))
    expect(other.abandonedRuns).toEqual([])
  })

  it('resumes nothing while a stage of the job is filled, and fills none while one is resumed', async () => {
    const staging = createMemoryStaging()
    await (await sealed(staging, 'a', 1))[Symbol.asyncDispose]()
    const next = await staging.begin(run('b'))
    await expect(onlyResumable(staging)).rejects.toMatchObject({ code: 'CONFLICT' })
    await next[Symbol.asyncDispose]()
    const resumed = await onlyResumable(staging)
    await expect(staging.begin(run('b'))).rejects.toMatchObject({ code: 'CONFLICT' })
    await resumed[Symbol.asyncDispose]()
    await (await staging.begin(run('b')))[Symbol.asyncDispose]()
  })

  it('tells what a drainer released, not what went with an item that failed', async () => {
    const stage = await createMemoryStaging().begin(run('a'))
    await write(stage, 'file', 5)
    await stage.stage.failItem('shop', { code: 'APPLICATION', message: 'it broke' })
    expect(stage.released).toEqual([])
    expect(() => stage.damage('shop', 'file', (bytes) => bytes)).toThrow('shop/file is not in memory')
  })

  it('sends with the next run what a store that failed has left, as the pipeline promises', async () => {
    const staging = createMemoryStaging()
    const repository = createMemoryRepository()
    const agent = createMemoryAgent({ items: { orders: sampleBytes(1000) } })
    const request = { job: 'shop', kind: 'full' } as const
    repository.failNext('store', new BackupError('the store is gone', { code: 'ACCESS_DENIED' }))
    await expect(backUp({ agent, repository, staging, request })).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    expect(repository.place.records.size).toBe(0)
    await backUp({ agent, repository, staging: staging.crash(), request })
    expect(repository.place.records.size).toBe(2)
  })
})

describe('a memory staging that crashed', () => {
  it('ends what was going on, and nothing of it changes what the next process finds', async () => {
    const staging = createMemoryStaging()
    const stage = await sealed(staging, 'a', 5, 6)
    const [first, second] = await filesOf(stage)
    await first?.release()
    const next = staging.crash()
    await second?.release()
    await stage.remove()
    await expect(stage.contents.note('too late')).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(filesOf(stage)).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(staging.begin(run('b'))).rejects.toBeInstanceOf(TypeError)
    expect(() => staging.crash()).toThrow(TypeError)
    const resumed = await onlyResumable(next)
    expect((await filesOf(resumed)).map(({ name }) => name)).toEqual(['file1'])
    expect(resumed.contents.notes).toEqual([])
  })

  it('ends a write that waits, and one whose content comes too late', async () => {
    const staging = createMemoryStaging({ budgetBytes: 100 })
    const stage = await staging.begin(run('a'))
    await write(stage, 'first', 50)
    const late = Promise.withResolvers<Uint8Array>()
    const slow = stage.stage.write(
      { item: 'shop', name: 'slow' },
      (async function* () {
        yield await late.promise
      })(),
    )
    await write(stage, 'second', 50)
    const waiting = write(stage, 'third', 1)
    const next = staging.crash()
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' })
    late.resolve(new Uint8Array(0))
    await expect(slow).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await collect(next.resumable('shop'))).toEqual([])
    expect((await next.begin(run('b'))).abandonedRuns).toEqual(['a'])
  })

  it('shows on a resumed stage what was sealed, as it was then', async () => {
    const staging = createMemoryStaging()
    const changing = { rows: [1] }
    const stage = await staging.begin({ ...run('a'), limitedTo: ['shop'] })
    await stage.stage.failItem('broken', { code: 'APPLICATION', message: 'it broke' })
    await stage.stage.sealItem({ item: 'shop', facts: changing })
    await stage.stage.seal(facts)
    changing.rows.push(2)
    const resumed = await onlyResumable(staging.crash())
    expect(resumed).toMatchObject({ run: { ...run('a'), limitedTo: ['shop'] }, sealed: true, facts })
    expect(resumed.sealedItems).toEqual(new Map([['shop', { item: 'shop', facts: { rows: [1] } }]]))
    expect(resumed.failedItems).toEqual(new Set(['broken']))
  })
})

describe('a memory staging with a directory', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'memory-staging-test-'))
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  async function adopt(stage: RunStage, name: string): Promise<string> {
    const file = join(await stage.stage.folder('shop'), name)
    await writeFile(file, name)
    await stage.stage.adopt({ item: 'shop', name })
    return file
  }

  it('leaves adopted files where they lie until they are released, through a crash too', async () => {
    const staging = createMemoryStaging({ directory })
    const stage = await staging.begin(run('a'))
    const sent = await adopt(stage, 'sent')
    const unsent = await adopt(stage, 'unsent')
    await stage.stage.sealItem({ item: 'shop', facts: {} })
    await stage.stage.seal(facts)
    const [first] = await filesOf(stage)
    await first?.release()
    await expect(access(sent)).rejects.toMatchObject({ code: 'ENOENT' })
    await access(unsent)
    const resumed = await onlyResumable(staging.crash())
    const [left] = await filesOf(resumed)
    expect(left === undefined ? undefined : String(await bytesOf(left.open()))).toBe('unsent')
    await resumed.remove()
    expect(await readdir(join(directory, 'shop'))).toEqual([])
  })

  it('removes files of an application with the half-filled stage of a run that crashed', async () => {
    const staging = createMemoryStaging({ directory })
    const file = await adopt(await staging.begin(run('a')), 'file')
    const next = staging.crash()
    await access(file)
    await next.begin(run('b'))
    expect(await readdir(join(directory, 'shop'))).toEqual([])
  })

  it('offers nothing of a sealed stage whose removal a crash cut', async () => {
    const staging = createMemoryStaging({ directory })
    const stage = await sealed(staging, 'a', 5)
    const removal = stage.remove()
    const next = staging.crash()
    expect(await collect(next.resumable('shop'))).toEqual([])
    await removal
  })

  it('refuses files of an application without one', async () => {
    const { stage } = await createMemoryStaging().begin(run('a'))
    await expect(stage.folder('shop')).rejects.toBeInstanceOf(TypeError)
    await expect(stage.adopt({ item: 'shop', name: 'file' })).rejects.toBeInstanceOf(TypeError)
  })

  it('damages what is in memory unnoticed, and leaves to the test what is not', async () => {
    const stage = await createMemoryStaging({ directory }).begin(run('a'))
    await write(stage, 'written', 10)
    await adopt(stage, 'adopted')
    stage.damage('shop', 'written', (bytes) => bytes.subarray(1))
    expect(() => stage.damage('shop', 'adopted', (bytes) => bytes)).toThrow(TypeError)
    const { value } = await stage.contents.drain()[Symbol.asyncIterator]().next()
    expect(value?.type === 'file' ? await bytesOf(value.file.open()) : undefined).toEqual(sampleBytes(10).subarray(1))
  })
})
