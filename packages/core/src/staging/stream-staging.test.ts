import { describe, expect, test } from 'vitest'
import type { RunStage, StreamedFile } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { bytesOf, chunksOf, sampleBytes, sha256Of } from '../testing/chunks-of.ts'
import { createStreamStaging } from './stream-staging.ts'

const run = { job: 'shop', id: 'one', beganAt: '2026-01-01T00:00:00.000Z' }
const facts = {
  application: 'test',
  source: { id: 's', name: 's', version: '1' },
  kind: 'full',
  consistentAt: run.beganAt,
  facts: {},
  restoreGuide: '',
} as const
const bytes = sampleBytes(20_000)
const broken = new BackupError('it broke', { code: 'APPLICATION' })
const write = (stage: RunStage, name = 'a', content: AsyncIterable<Uint8Array> = chunksOf(bytes, [7000]), signal?: AbortSignal) => {
  const writing = stage.stage.write({ item: 'shop', name }, content, { signal })
  writing.catch(() => undefined)
  return writing
}

async function nextStream(events: AsyncIterator<{ readonly type: string; readonly file?: unknown }>): Promise<StreamedFile> {
  const { value } = await events.next()
  expect(value).toMatchObject({ type: 'stream' })
  return value.file as StreamedFile
}

async function* stalled(): AsyncGenerator<Uint8Array, void> {
  yield bytes
  await new Promise(() => undefined)
}

async function* breaking(): AsyncGenerator<Uint8Array, void> {
  yield bytes
  throw broken
}

describe('a staging without a disk', () => {
  test('lets a job be followed by one at a time, beside its runs, of which another may be waited for', async () => {
    const staging = createStreamStaging()
    const claim = await staging.follow?.('shop')
    await expect(staging.follow?.('shop')).rejects.toMatchObject({ code: 'CONFLICT', retryable: false })
    await using _ = await staging.follow?.('another')
    await using _run = await staging.begin(run)
    await expect(staging.begin(run)).rejects.toMatchObject({ code: 'CONFLICT', retryable: true })
    await claim?.[Symbol.asyncDispose]()
    const next = await staging.follow?.('shop')
    await claim?.[Symbol.asyncDispose]()
    await expect(staging.follow?.('shop')).rejects.toMatchObject({ code: 'CONFLICT' })
    await next?.[Symbol.asyncDispose]()
  })

  test('gives what is written to who drains it, and tells the writer once that has taken it', async () => {
    await using stage = await createStreamStaging().begin(run)
    const events = stage.contents.drain()[Symbol.asyncIterator]()
    const writing = write(stage)
    const file = await nextStream(events as never)
    expect((await bytesOf(file.read())).equals(bytes)).toBe(true)
    file.accept({ size: bytes.length, sha256: sha256Of(bytes) })
    expect(await writing).toEqual({ item: 'shop', name: 'a', size: bytes.length, sha256: sha256Of(bytes) })
    await stage.stage.sealItem({ item: 'shop', facts: {} })
    await stage.stage.seal(facts)
    expect(stage.sealed).toBe(true)
    expect([(await events.next()).value?.type, (await events.next()).value?.type, (await events.next()).done]).toEqual([
      'item',
      'sealed',
      true,
    ])
  })

  test('tells both sides when the content breaks off, and the name is free again', async () => {
    await using stage = await createStreamStaging().begin(run)
    const events = stage.contents.drain()[Symbol.asyncIterator]()
    const writing = write(stage, 'a', breaking())
    const file = await nextStream(events as never)
    await expect(bytesOf(file.read())).rejects.toBe(broken)
    expect(file.failed).toBe(true)
    await expect(writing).rejects.toBe(broken)
    write(stage, 'a')
    expect(await nextStream(events as never)).toMatchObject({ name: 'a', failed: false })
  })

  test('tells the writer when the drainer refuses, and when it leaves', async () => {
    await using stage = await createStreamStaging().begin(run)
    const events = stage.contents.drain()[Symbol.asyncIterator]()
    const first = write(stage, 'a')
    ;(await nextStream(events as never)).refuse(broken)
    await expect(first).rejects.toBe(broken)
    const second = write(stage, 'b')
    await nextStream(events as never)
    await events.return?.()
    await expect(second).rejects.toMatchObject({ code: 'OUT_OF_SPACE' })
    await expect(write(stage, 'c')).rejects.toMatchObject({ code: 'OUT_OF_SPACE' })
  })

  test.each([
    ['the capture fails', (stage: RunStage) => stage.stopFilling(broken)],
    ['the store fails', (stage: RunStage) => stage.stopDraining(broken)],
    ['the item is given up', (stage: RunStage) => stage.stage.failItem('shop', { code: 'APPLICATION', message: 'it broke' })],
    ['the stage is closed', (stage: RunStage) => stage.remove()],
  ])('a writer that is stalled hears at once that %s', async (_, stop) => {
    await using stage = await createStreamStaging().begin(run)
    const events = stage.contents.drain()[Symbol.asyncIterator]()
    const writing = write(stage, 'a', stalled())
    const file = await nextStream(events as never)
    const reading = bytesOf(file.read())
    reading.catch(() => undefined)
    await stop(stage)
    await expect(writing).rejects.toBeInstanceOf(BackupError)
    await expect(reading).rejects.toBeInstanceOf(BackupError)
    expect(file.failed).toBe(true)
  })

  test('an aborted write fails, and the drain of an aborted drainer as well', async () => {
    await using stage = await createStreamStaging().begin(run)
    const drainer = new AbortController()
    const events = stage.contents.drain({ signal: drainer.signal })[Symbol.asyncIterator]()
    const writer = new AbortController()
    const writing = write(stage, 'a', stalled(), writer.signal)
    await nextStream(events as never)
    writer.abort()
    await expect(writing).rejects.toMatchObject({ code: 'ABORTED' })
    const waiting = events.next()
    drainer.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' })
  })

  test('cannot be sealed while something is being written, nor hold a name twice or one that leaves the item', async () => {
    await using stage = await createStreamStaging().begin(run)
    write(stage, 'a')
    await expect(stage.stage.sealItem({ item: 'shop', facts: {} })).rejects.toBeInstanceOf(TypeError)
    await expect(stage.stage.seal(facts)).rejects.toBeInstanceOf(TypeError)
    await expect(write(stage, 'a')).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    await expect(write(stage, '../a')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('refuses what needs a disk, and a second run of a job', async () => {
    const staging = createStreamStaging()
    const stage = await staging.begin(run)
    await expect(stage.stage.folder('shop')).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(stage.stage.adopt({ item: 'shop', name: 'a' })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(staging.begin({ ...run, id: 'two' })).rejects.toMatchObject({ code: 'CONFLICT' })
    await stage[Symbol.asyncDispose]()
    await using again = await staging.begin({ ...run, id: 'two' })
    expect(again.run.id).toBe('two')
    for await (const _ of staging.resumable('shop')) expect.unreachable()
  })
})
