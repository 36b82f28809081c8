import { describe, expect, it } from 'vitest'
import type { Uploader } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { bytesOf, reopenable, sampleBytes } from '../testing/chunks-of.ts'
import type { UploaderFault } from '../testing/faults.ts'
import { flakyUploader } from '../testing/flaky-uploader.ts'
import { createMemoryUploader } from '../testing/memory-uploader.ts'
import { uploaderLayer } from './uploader-layer.ts'
import { type RetryNotice, type RetrySettings, withRetry } from './with-retry.ts'

const unreachable = new BackupError('connection reset', { code: 'UNREACHABLE' })

function retrying(uploader: Uploader, settings: RetrySettings = {}) {
  const notices: RetryNotice[] = []
  const layer = withRetry(uploader, {
    random: () => 0.5,
    wait: async () => undefined,
    onRetry: (notice) => notices.push(notice),
    ...settings,
  })
  return { layer, notices }
}

function failing(operation: UploaderFault['operation'], times: number, error: unknown = unreachable): UploaderFault[] {
  return Array.from({ length: times }, (_, index) => ({ operation, occurrence: index + 1, action: 'fail' as const, error }))
}

describe('withRetry', () => {
  it('refuses settings that are none', () => {
    for (const attempts of [0, -1, 1.5, Number.NaN]) expect(() => withRetry(createMemoryUploader(), { attempts })).toThrow(TypeError)
  })

  it('never tries again what is permanent', async () => {
    for (const code of [
      'NOT_FOUND',
      'ACCESS_DENIED',
      'WRONG_CREDENTIALS',
      'CORRUPTED',
      'OUT_OF_SPACE',
      'INVALID_INPUT',
      'ABORTED',
      'UNKNOWN',
    ] as const) {
      const memory = createMemoryUploader({ faults: failing('upload', 1, new BackupError('no', { code })) })
      const { layer, notices } = retrying(memory)
      await expect(layer.upload('a', reopenable(Buffer.from('x')))).rejects.toMatchObject({ code, message: 'no' })
      expect(notices).toEqual([])
      expect(memory.calls.upload).toBe(1)
    }
  })

  it('leaves a mistake of the programmer as it is', async () => {
    const { layer, notices } = retrying(createMemoryUploader({ faults: failing('stat', 1, new TypeError('bug')) }))
    await expect(layer.stat('a')).rejects.toThrow(new TypeError('bug'))
    expect(notices).toEqual([])
  })

  it('gives up after the attempts, with the last error', async () => {
    const memory = createMemoryUploader({ faults: failing('upload', 9) })
    const { layer, notices } = retrying(memory, { attempts: 4 })
    await expect(layer.upload('a', reopenable(Buffer.from('x')))).rejects.toBe(unreachable)
    expect(memory.calls.upload).toBe(4)
    expect(notices.map((notice) => notice.attempt)).toEqual([1, 2, 3])
  })

  it('doubles the bound of its pauses up to the cap, and takes a random part of it', async () => {
    const memory = createMemoryUploader({ faults: failing('remove', 6) })
    const { layer, notices } = retrying(memory, { attempts: 7, firstDelayMs: 100, longestDelayMs: 500 })
    await layer.remove('a')
    expect(notices.map((notice) => notice.delayMs)).toEqual([50, 100, 200, 250, 250, 250])
  })

  it('asks the uploader what an error of its client library means, and names it at the end', async () => {
    const reset = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
    const uploader = { ...createMemoryUploader({ faults: failing('stat', 9, reset) }), classify: () => 'UNREACHABLE' as const }
    const { layer, notices } = retrying(uploader, { attempts: 3 })
    await expect(layer.stat('a')).rejects.toMatchObject({ code: 'UNREACHABLE', cause: reset, message: 'stat of a failed at memory://' })
    expect(notices).toHaveLength(2)
  })

  it('ends the pause when it is aborted', async () => {
    const controller = new AbortController()
    const memory = createMemoryUploader({ faults: failing('upload', 9) })
    const layer = withRetry(memory, { firstDelayMs: 1e6, longestDelayMs: 1e6, random: () => 0.99, onRetry: () => controller.abort() })
    await expect(layer.upload('a', reopenable(Buffer.from('x')), { signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(memory.calls.upload).toBe(1)
  })

  it('opens the content anew for every attempt', async () => {
    const bytes = sampleBytes(100_000)
    const memory = createMemoryUploader({
      faults: [1, 2].map((occurrence) => ({ operation: 'upload', occurrence, action: 'fail-half-way' })),
    })
    await retrying(memory).layer.upload('a', reopenable(bytes, [1000]))
    expect(bytes.equals(Buffer.from(memory.objects.get('a')?.bytes ?? []))).toBe(true)
  })

  it('keeps the old object while uploads fail, whether or not it is replaced in one step', async () => {
    for (const atomicReplace of [true, false]) {
      const memory = createMemoryUploader({ supports: { atomicReplace } })
      await memory.upload('a', reopenable(Buffer.from('old')))
      for (const fault of failing('upload', 4)) memory.injectFault({ ...fault, occurrence: fault.occurrence + 1 })
      const { layer } = retrying(memory, { attempts: 3 })
      await expect(layer.upload('a', reopenable(Buffer.from('new')))).rejects.toBe(unreachable)
      expect(Buffer.from(memory.objects.get('a')?.bytes ?? []).toString()).toBe('old')
      await layer.upload('a', reopenable(Buffer.from('new')))
      expect(Buffer.from(memory.objects.get('a')?.bytes ?? []).toString()).toBe('new')
      expect(memory.calls.remove).toBe(0)
    }
  })

  it('goes on with a download at the byte where it broke, more often than the attempts, as long as it gets on', async () => {
    const bytes = sampleBytes(50_000)
    for (const rangeRead of [true, false]) {
      const memory = createMemoryUploader({ supports: { rangeRead } })
      await memory.upload('a', reopenable(bytes))
      const asked: (number | undefined)[] = []
      let left = 20
      const breaking = uploaderLayer(memory, {
        async *download(key, range, options) {
          asked.push(range?.begin)
          let given = 0
          for await (const chunk of memory.download(key, range, options)) {
            given += chunk.byteLength
            if (left > 0 && given > 1000 * (rangeRead ? 2 : 22 - left)) {
              left--
              throw unreachable
            }
            yield chunk
          }
        },
      })
      const { layer } = retrying(breaking, { attempts: 2 })
      expect(bytes.subarray(7, 49_990).equals(await bytesOf(layer.download('a', { begin: 7, end: 49_990 })))).toBe(true)
      expect(asked).toHaveLength(21)
      expect(asked[3]).toBe(rangeRead ? 6007 : 7)
    }
  })

  it('ends a download whose last byte was given before it broke', async () => {
    const memory = createMemoryUploader()
    await memory.upload('a', reopenable(Buffer.from('0123456789')))
    const breaking = uploaderLayer(memory, {
      async *download(key, range, options) {
        yield* memory.download(key, range, options)
        throw unreachable
      },
    })
    expect((await bytesOf(retrying(breaking).layer.download('a', { begin: 2, end: 5 }))).toString()).toBe('234')
    expect((await bytesOf(retrying(breaking, { attempts: 3 }).layer.download('a', { begin: 2, end: 5 }))).toString()).toBe('234')
  })

  it('passes on a permanent failure after the last byte, such as a checksum that is wrong', async () => {
    const memory = createMemoryUploader()
    await memory.upload('a', reopenable(Buffer.from('0123456789')))
    const corrupted = new BackupError('the checksum of the range is wrong', { code: 'CORRUPTED' })
    const damaged = uploaderLayer(memory, {
      async *download(key, range, options) {
        yield* memory.download(key, range, options)
        throw corrupted
      },
    })
    await expect(bytesOf(retrying(damaged).layer.download('a', { begin: 2, end: 5 }))).rejects.toBe(corrupted)
  })

  it('gives up a download that gets on no more', async () => {
    const memory = createMemoryUploader({ faults: failing('download', 9) })
    await memory.upload('a', reopenable(Buffer.from('x')))
    await expect(bytesOf(retrying(memory, { attempts: 3 }).layer.download('a'))).rejects.toBe(unreachable)
    expect(memory.calls.download).toBe(3)
  })

  it('begins a broken list again and gives no object twice', async () => {
    const memory = createMemoryUploader()
    for (let index = 0; index < 10; index++) await memory.upload(`k/${index}`, reopenable(Buffer.from('x')))
    const flaky = flakyUploader(memory, [
      { operation: 'list', occurrence: 1, action: 'fail-half-way' },
      { operation: 'list', occurrence: 2, action: 'fail' },
      { operation: 'list', occurrence: 3, action: 'fail-half-way' },
    ])
    const keys: string[] = []
    for await (const object of retrying(flaky).layer.list('k/')) keys.push(object.key)
    expect(keys).toEqual(Array.from({ length: 10 }, (_, index) => `k/${index}`))
  })
})
