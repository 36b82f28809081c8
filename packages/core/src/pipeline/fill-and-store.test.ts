import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Repository, Stage } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { BackUpBench } from './__fixtures__/back-up-bench.ts'
import { type AgentScript, content, RecordingRepository, unreachable } from './__fixtures__/recording-parts.ts'

let bench: BackUpBench
beforeEach(async () => {
  bench = await BackUpBench.create()
})
afterEach(() => bench.dispose())

describe('items that fail', () => {
  const failing =
    (...failed: string[]) =>
    async (stage: Stage) => {
      for (const item of ['a', 'b']) {
        await stage.write({ item, name: 'data' }, content(item))
        if (failed.includes(item)) await stage.failItem(item, { code: 'APPLICATION', message: `${item} is broken`, hint: 'Repair it.' })
        else await stage.sealItem({ item, facts: {} })
      }
    }

  test('one of two: the backup is partial, named, and not confirmed', async () => {
    const report = await bench.run({ copyTo: failing('b') })
    expect(report).toMatchObject({ confirmed: false, backup: { status: 'partial' } })
    expect(report.problems.map(({ message }) => message)).toEqual(['b is broken', expect.stringContaining('because b failed')])
    expect(report.problems[1]?.hint).toContain('leave it out in the settings of the job')
    expect(bench.calls.names).not.toContain('confirmed')
    expect(bench.outcome).toBe('partial')
    expect(await bench.kept()).toEqual([])
  })

  test('all: the run fails and nothing is committed', async () => {
    await expect(bench.run({ copyTo: failing('a', 'b') })).rejects.toMatchObject({
      code: 'APPLICATION',
      message: expect.stringContaining('all 2 items failed'),
    })
    expect(bench.repository.backups).toEqual([])
    expect(bench.calls.names).not.toContain('confirmed')
    expect(bench.calls.names.slice(-2)).toEqual(['capture disposed', 'stage disposed'])
    expect(await bench.kept()).toEqual([])
    expect(bench.outcome).toBe('failed')
  })

  test('none captured at all: the run fails', async () => {
    await expect(bench.run({ copyTo: async () => undefined })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(bench.repository.backups).toEqual([])
  })
})

describe('the capture fails', () => {
  test.each(['capture begun', 'stage begun', 'copy begun', 'written a', 'written b', 'copy ended'])(
    'at "%s": nothing is committed or left',
    async (moment) => {
      const failure = new BackupError('the server is gone', { code: 'UNREACHABLE' })
      bench.calls.at = (name) => {
        if (name === moment) throw failure
      }
      await expect(bench.run()).rejects.toBe(failure)
      expect(bench.repository.backups).toEqual([])
      expect(bench.calls.names).not.toContain('confirmed')
      expect(bench.calls.names.filter((name) => name === 'capture disposed').length).toBe(
        ['stage begun', 'capture begun'].includes(moment) ? 0 : 1,
      )
      expect(await bench.kept()).toEqual([])
    },
  )

  test('a repository that ignores its signal ends all the same', async () => {
    class DeafRepository extends RecordingRepository {
      override store(...[request, contents]: Parameters<Repository['store']>) {
        return super.store(request, contents, {})
      }
    }
    bench.repository = new DeafRepository(bench.calls)
    bench.calls.at = (name) => {
      if (name === 'written a') throw new RangeError('lost')
    }
    await expect(bench.run()).rejects.toThrow(RangeError)
    expect(await bench.kept()).toEqual([])
  })
})

describe('the store fails', () => {
  test.each(['store begun', 'stored a/data', 'record written'])(
    'for now, at "%s": the capture is kept, said so, and sent first by the next run',
    async (moment) => {
      bench.calls.at = (name) => {
        if (name === moment) throw unreachable()
      }
      const failure = await bench.run({ parts: { id: 'first' } }).catch((error: unknown) => error)
      expect(failure).toMatchObject({ code: 'UNREACHABLE', retryable: true, hint: expect.stringContaining('the next run sends it first') })
      expect(bench.calls.names).not.toContain('confirmed')
      expect(bench.calls.names).not.toContain('stage removed')
      expect(await bench.kept()).toEqual(['first'])

      bench.calls.at = () => undefined
      bench.calls.names.length = 0
      const report = await bench.run({ parts: { id: 'second' } })
      expect(report.resumed.map(({ id }) => id)).toEqual(['first'])
      expect(bench.calls.indexOf('record written')).toBeLessThan(bench.calls.indexOf('capture begun'))
      expect(bench.agent.requests[0]?.chain.map(({ id }) => id)).toEqual(['first'])
      expect(bench.calls.names.filter((name) => name === 'confirmed')).toHaveLength(1)
      expect(bench.repository.backups.map(({ id }) => id)).toEqual(['first', 'second'])
      expect(await bench.kept()).toEqual([])
    },
  )

  test.each(['store begun', 'stored a/0', 'stored a/1'])(
    'for now, at "%s", and the capture does not fit: nothing is kept and the store is blamed',
    async (moment) => {
      const cause = unreachable()
      bench.calls.at = async (name) => {
        if (name !== moment) return
        // A bench.repository that still has to abort its uploads takes a while to say why it left.
        await new Promise((resolve) => setTimeout(resolve, 20))
        throw cause
      }
      const copyTo = async (stage: Stage) => {
        for (let number = 0; number < 10; number++) await stage.write({ item: 'a', name: `${number}` }, content('x'.repeat(20)))
      }
      await expect(bench.run({ copyTo, budgetBytes: 100 })).rejects.toBe(cause)
      expect(await bench.kept()).toEqual([])
      expect(bench.calls.names).toContain('capture disposed')
    },
  )

  test.each(['store begun', 'stored 0/data'])(
    'for now, at "%s", and items fail for want of room: no partial stage is kept',
    async (moment) => {
      const cause = unreachable()
      bench.calls.at = (name) => {
        if (name === moment) throw cause
      }
      const copyTo = async (stage: Stage) => {
        for (let number = 0; number < 10; number++) {
          const item = String(number)
          const written = await stage.write({ item, name: 'data' }, content('x'.repeat(20))).catch(() => undefined)
          if (written === undefined) await stage.failItem(item, { code: 'UNKNOWN', message: 'not written' })
          else await stage.sealItem({ item, facts: {} })
        }
      }
      await expect(bench.run({ copyTo, budgetBytes: 100 })).rejects.toBe(cause)
      expect(await bench.kept()).toEqual([])
    },
  )

  test('after it had left the drain: it is blamed, not the room that was missing because of it', async () => {
    const cause = unreachable()
    class SlowToTell extends RecordingRepository {
      override async store(...[, contents]: Parameters<Repository['store']>): Promise<never> {
        for await (const event of contents.drain()) if (event.type === 'pressure') break
        await new Promise((resolve) => setTimeout(resolve, 30))
        throw cause
      }
    }
    bench.repository = new SlowToTell(bench.calls)
    const copyTo = async (stage: Stage) => {
      for (let number = 0; number < 10; number++) await stage.write({ item: 'a', name: `${number}` }, content('x'.repeat(20)))
    }
    await expect(bench.run({ copyTo, budgetBytes: 100 })).rejects.toBe(cause)
    expect(await bench.kept()).toEqual([])
  })

  test('for good while the capture runs: the capture is aborted', async () => {
    const cause = new BackupError('wrong password', { code: 'WRONG_CREDENTIALS' })
    bench.calls.at = (name) => {
      if (name === 'store begun') throw cause
    }
    let aborted = false
    const copyTo: AgentScript['copyTo'] = (_, { signal }) =>
      new Promise((_resolve, reject) => {
        const end = () => {
          aborted = true
          reject(new BackupError('capture was aborted', { code: 'ABORTED', cause: signal?.reason }))
        }
        if (signal?.aborted) end()
        else signal?.addEventListener('abort', end)
      })
    await expect(bench.run({ copyTo })).rejects.toBe(cause)
    expect(aborted).toBe(true)
    expect(await bench.kept()).toEqual([])
  })

  test('for good after the seal: the sealed stage is kept', async () => {
    bench.calls.at = (name) => {
      if (name === 'record written') throw new BackupError('access denied', { code: 'ACCESS_DENIED' })
    }
    await expect(bench.run({ parts: { id: 'first' } })).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      hint: expect.stringContaining('kept'),
    })
    expect(await bench.kept()).toEqual(['first'])
  })
})
