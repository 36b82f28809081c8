import { describe, expect, it } from 'vitest'
import { BackupError } from '../errors/backup-error.ts'
import { bytesOf, reopenable, sampleBytes } from '../testing/chunks-of.ts'
import { createMemoryUploader } from '../testing/memory-uploader.ts'
import { applyLayers } from './apply-layers.ts'
import { createThrottle } from './throttle.ts'
import { type UploaderLogEntry, withLogging } from './with-logging.ts'

function logged(faults: Parameters<typeof createMemoryUploader>[0] = {}) {
  const entries: UploaderLogEntry[] = []
  const memory = createMemoryUploader(faults)
  return { memory, entries, uploader: withLogging(memory, (entry) => entries.push(entry)) }
}

const plain = (entries: readonly UploaderLogEntry[]) =>
  entries.map(({ milliseconds, ...entry }) => ({ ...entry, timed: milliseconds >= 0 }))

describe('withLogging', () => {
  it('says each operation once, with its amounts', async () => {
    const { uploader, entries } = logged()
    await uploader.upload('a/b', reopenable(sampleBytes(5000)))
    await bytesOf(uploader.download('a/b', { begin: 0, end: 2000 }))
    await uploader.stat('a/b')
    for await (const _ of uploader.list('a/'));
    await uploader.remove('a/b')
    expect(plain(entries)).toEqual([
      { level: 'info', operation: 'upload', key: 'a/b', bytes: 5000, timed: true },
      { level: 'debug', operation: 'download', key: 'a/b', bytes: 2000, timed: true },
      { level: 'debug', operation: 'stat', key: 'a/b', timed: true },
      { level: 'debug', operation: 'list', key: 'a/', objects: 1, timed: true },
      { level: 'info', operation: 'remove', key: 'a/b', timed: true },
    ])
  })

  it('says a failure with what was transferred, and an abort as a warning', async () => {
    const { uploader, entries } = logged({ faults: [{ operation: 'download', occurrence: 1, action: 'fail-half-way' }] })
    await uploader.upload('a', reopenable(sampleBytes(5000)))
    await expect(bytesOf(uploader.download('a'))).rejects.toMatchObject({ code: 'UNREACHABLE' })
    await expect(uploader.stat('a', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(plain(entries.slice(1))).toEqual([
      {
        level: 'error',
        operation: 'download',
        key: 'a',
        bytes: 3000,
        error: { code: 'UNREACHABLE', message: 'download 1 was made to fail' },
        timed: true,
      },
      { level: 'warning', operation: 'stat', key: 'a', error: { code: 'ABORTED', message: 'stat of a was aborted' }, timed: true },
    ])
  })

  it('never says what a client library said, which may hold a secret', async () => {
    const error = new Error('401 for https://user:hunter2@host/')
    const { uploader, entries } = logged({ faults: [{ operation: 'stat', occurrence: 1, action: 'fail', error }] })
    await expect(uploader.stat('a')).rejects.toBe(error)
    expect(entries[0]?.error).toEqual({ code: 'UNKNOWN' })
    expect(JSON.stringify(entries)).not.toContain('hunter2')
  })

  it('says a download that its reader left as what was read', async () => {
    const { uploader, entries } = logged()
    await uploader.upload('a', reopenable(sampleBytes(5000)))
    for await (const _ of uploader.download('a')) break
    expect(entries[1]).toMatchObject({ level: 'debug', bytes: 1000 })
  })
})

describe('applyLayers', () => {
  it('retries under the log, pays again for what is sent again, and does neither for what is pretended', async () => {
    const unreachable = new BackupError('reset', { code: 'UNREACHABLE' })
    const memory = createMemoryUploader({ faults: [{ operation: 'upload', occurrence: 1, action: 'fail-half-way', error: unreachable }] })
    const entries: UploaderLogEntry[] = []
    let taken = 0
    const throttle = createThrottle()
    const counting = {
      bytesPerSecond: undefined,
      largestTake: 1000,
      change: throttle.change,
      take: async (bytes: number) => {
        taken += bytes
      },
    }
    const layers = { retry: { wait: async () => undefined }, throttle: counting, log: (entry: UploaderLogEntry) => entries.push(entry) }
    await applyLayers(memory, layers).upload('a', reopenable(sampleBytes(5000)))
    expect(entries).toMatchObject([{ level: 'info', operation: 'upload', bytes: 5000 }])
    expect(taken).toBe(6000)

    const dry = applyLayers(memory, { ...layers, dryRun: true })
    await dry.upload('b', reopenable(sampleBytes(5000)))
    expect(entries).toHaveLength(2)
    expect(taken).toBe(6000)
    expect([...memory.objects.keys()]).toEqual(['a'])
  })
})
