import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BackupError } from '../errors/backup-error.ts'
import { BackUpBench } from './__fixtures__/back-up-bench.ts'
import { unreachable } from './__fixtures__/recording-parts.ts'

let bench: BackUpBench
beforeEach(async () => {
  bench = await BackUpBench.create()
})
afterEach(() => bench.dispose())

describe('a stage kept by an earlier run', () => {
  const fail = async (): Promise<void> => {
    bench.calls.at = (name) => {
      if (name === 'record written') throw unreachable()
    }
    await bench.run({ parts: { id: 'first' } }).catch(() => undefined)
    bench.calls.at = () => undefined
    bench.calls.names.length = 0
  }

  test('is kept when it cannot be sent again, and nothing is captured then', async () => {
    await fail()
    bench.calls.at = (name) => {
      if (name === 'store begun') throw unreachable()
    }
    await expect(bench.run({ parts: { id: 'second' } })).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('run first, staged earlier'),
    })
    expect(bench.calls.names).not.toContain('capture begun')
    expect(await bench.kept()).toEqual(['first'])
  })

  test.each(['CORRUPTED', 'NOT_FOUND'] as const)(
    'is given up with a problem when it can never be completed (%s), and what it had sent is removed',
    async (code) => {
      await fail()
      bench.calls.at = (name) => {
        if (name === 'store begun' && !bench.calls.names.includes('capture begun')) throw new BackupError('a.tar.zst is gone', { code })
      }
      const report = await bench.run({ parts: { id: 'second' } })
      expect(report.problems).toMatchObject([{ severity: 'warning', code, message: expect.stringContaining('first') }])
      expect(bench.repository.backups.map(({ id }) => id)).toEqual(['second'])
      expect(bench.repository.cleanings).toContainEqual({ olderThanSeconds: 0, job: 'shop', runs: ['first'] })
      expect(await bench.kept()).toEqual([])
    },
  )

  test.each(['CORRUPTED', 'NOT_FOUND'] as const)(
    'is kept when sending it fails (%s) because the repository itself is gone, as when its disk was unmounted meanwhile',
    async (code) => {
      await fail()
      let gone = false
      bench.calls.at = (name) => {
        if (name === 'store begun') gone = true
        if (gone && !name.startsWith('stage')) throw new BackupError('the disk of the repository is gone', { code, hint: 'Mount it.' })
      }
      await expect(bench.run({ parts: { id: 'second' } })).rejects.toMatchObject({
        code,
        hint: 'Mount it. The staged run is kept, and the next run sends it first.',
      })
      expect(await bench.kept()).toEqual(['first'])
      bench.calls.at = () => undefined
      expect((await bench.run({ parts: { id: 'third' } })).resumed.map(({ id }) => id)).toEqual(['first'])
    },
  )

  test('is kept when it was only damaged on its way, and sent by the next run', async () => {
    await fail()
    bench.calls.at = (name) => {
      if (name === 'store begun') throw new BackupError('stored with another size', { code: 'CORRUPTED', retryable: true })
    }
    await expect(bench.run({ parts: { id: 'second' } })).rejects.toMatchObject({ code: 'CORRUPTED', retryable: true })
    expect(await bench.kept()).toEqual(['first'])
    bench.calls.at = () => undefined
    expect((await bench.run({ parts: { id: 'third' } })).resumed.map(({ id }) => id)).toEqual(['first'])
  })

  test('that cannot be closed either does not hide why it could not be sent', async () => {
    await fail()
    bench.calls.at = (name) => {
      if (name === 'store begun') throw unreachable()
      if (name === 'stage disposed') throw new Error('no lock')
    }
    await expect(bench.run({ parts: { id: 'second' } })).rejects.toMatchObject({ code: 'UNREACHABLE' })
    expect(bench.events).toContainEqual({
      type: 'problem',
      problem: expect.objectContaining({ message: 'the staging could not be closed: no lock' }),
    })
  })

  test('is announced before it is sent, and an abort of that keeps it and says so', async () => {
    await fail()
    bench.events.length = 0
    const controller = new AbortController()
    bench.calls.at = (name) => {
      if (name === 'store begun') controller.abort()
    }
    await expect(bench.run({ parts: { id: 'second' }, signal: controller.signal })).rejects.toMatchObject({
      code: 'ABORTED',
      hint: 'The staged run is kept, and the next run sends it first.',
    })
    expect(bench.events.map(({ type }) => type)).toEqual(['started', 'resuming', 'finished'])
    expect(await bench.kept()).toEqual(['first'])
  })
})
