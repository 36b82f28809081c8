import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Repository, Stage } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import type { RunEvent } from '../events/run-event.ts'
import { createDirectoryStaging } from '../staging/directory-staging.ts'
import {
  type AgentScript,
  addBackup,
  Calls,
  content,
  copyTwoItems,
  RecordingRepository,
  recordingAgent,
  recordingStaging,
  unreachable,
} from './__fixtures__/recording-parts.ts'
import { type BackUpParts, type BackUpReport, backUp } from './back-up.ts'
import { createRunId } from './run-id.ts'

let directory: string
let calls: Calls
let repository: RecordingRepository
let events: RunEvent[]

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'pipeline-test-'))
  calls = new Calls()
  repository = new RecordingRepository(calls)
  events = []
})
afterEach(() => rm(directory, { recursive: true, force: true }))

interface Changes extends Partial<Omit<AgentScript, 'calls'>> {
  readonly parts?: Partial<BackUpParts>
  readonly signal?: AbortSignal
  readonly budgetBytes?: number
}

let agent: ReturnType<typeof recordingAgent>
function run({ parts, signal, budgetBytes = 1000, ...script }: Changes = {}): Promise<BackUpReport> {
  agent = recordingAgent({ calls, ...script })
  const staging = recordingStaging(createDirectoryStaging({ directory, budgetBytes, minimumFreeBytes: 0 }), calls)
  return backUp(
    { agent, repository, staging, request: { job: 'shop', kind: 'full' }, ...parts },
    { signal, onEvent: (event) => events.push(event) },
  )
}

async function kept(): Promise<string[]> {
  return readdir(path.join(directory, 'shop')).catch(() => [])
}

function outcome(): unknown {
  const last = events.at(-1)
  return last?.type === 'finished' ? last.outcome : undefined
}

describe('a backup that succeeds', () => {
  test('confirms after the record is written, then removes the stage and lets go of the server, in this order', async () => {
    const report = await run()
    const order = [
      'stage begun',
      'capture begun',
      'copy begun',
      'copy ended',
      'sealed',
      'record written',
      'confirmed',
      'capture disposed',
      'stage removed',
      'stage disposed',
    ]
    expect(calls.names.filter((name) => order.includes(name))).toEqual(order)
    expect(report).toMatchObject({ confirmed: true, resumed: [], problems: [], backup: { job: 'shop', status: 'complete' } })
    expect(await kept()).toEqual([])
    expect(events.map(({ type }) => type)).toEqual(['started', 'captured', 'stored', 'confirmed', 'finished'])
    expect(outcome()).toBe('done')
  })

  test('says what was captured and what was stored, each with its last number before it', async () => {
    const store = repository.store.bind(repository)
    repository.storedBytes = () => 77
    repository.store = async (request, contents, options) => {
      const say = (bytes: number) => options?.onProgress?.({ type: 'bytes', phase: 'store', item: 'a', bytes })
      say(1)
      const backup = await store(request, contents, options)
      for (const bytes of [2, 3]) say(bytes)
      return backup
    }
    const report = await run({
      async copyTo(stage, options, all) {
        for (const bytes of [10, 20, 30]) options.onProgress?.({ type: 'bytes', phase: 'capture', item: 'a', bytes })
        await copyTwoItems(stage, options, all)
      },
    })
    const told = events.filter(({ type }) => type === 'captured' || type === 'stored')
    expect(told).toEqual([
      { type: 'captured', items: 2, failed: 0, bytes: 60 },
      { type: 'stored', id: report.backup.id, status: 'complete', resumed: false, storedBytes: 77 },
    ])
    const eventsUntil = (type: RunEvent['type']) =>
      events.slice(
        0,
        events.findIndex((event) => event.type === type),
      )
    expect(eventsUntil('captured').findLast((event) => event.type === 'bytes' && event.phase === 'capture')).toMatchObject({ bytes: 60 })
    expect(eventsUntil('stored').findLast((event) => event.type === 'bytes' && event.phase === 'store')).toMatchObject({
      bytes: 6,
      expected: 'content of acontent of b'.length,
    })
    expect(report).toMatchObject({ bytes: 60, storedBytes: 77 })
  })

  test('of another kind than was asked for says why, and the manifest does not hold it', async () => {
    const reason = 'the binlog that the last backup ended in is gone'
    const report = await run({
      parts: { request: { job: 'shop', kind: 'log' } },
      captured: { reason },
    })
    expect(events).toContainEqual({ type: 'promoted', asked: 'log', kind: 'full', reason })
    expect(report).toMatchObject({ reason, backup: { kind: 'full' } })
    expect(JSON.stringify(report.backup)).not.toContain(reason)
    events.length = 0
    expect(await run({ captured: { reason } })).not.toHaveProperty('reason')
    expect(events.some(({ type }) => type === 'promoted')).toBe(false)
  })

  test('limited to some items: continues no chain and is not confirmed', async () => {
    const report = await run({ parts: { request: { job: 'shop', kind: 'full', items: ['a'] } } })
    expect(report).toMatchObject({ confirmed: false, backup: { status: 'complete', limitedTo: ['a'] } })
    expect(calls.names).not.toContain('confirmed')
    await run()
    expect(agent.requests[0]?.chain).toEqual([])
  })

  test('clears what a killed run of this job left, in the staging and in the repository', async () => {
    const staging = createDirectoryStaging({ directory, budgetBytes: 1000, minimumFreeBytes: 0 })
    const crashed = await staging.begin({ job: 'shop', id: 'crashed', beganAt: '2026-01-01T00:00:00.000Z' })
    await crashed.stage.write({ item: 'a', name: '1' }, content('1'))
    // A killed process lets go of its lock without tidying up.
    for (const name of await readdir(path.join(directory, 'shop')))
      if (name.startsWith('lock')) await rm(path.join(directory, 'shop', name))
    await run()
    expect(repository.cleanings).toContainEqual({ olderThanSeconds: 0, job: 'shop', runs: ['crashed'] })
    expect(repository.cleanings.every(({ olderThanSeconds, runs }) => runs !== undefined || olderThanSeconds > 24 * 3600)).toBe(true)
    expect(await kept()).toEqual([])
  })

  test('overlaps: a file is stored before the next is written', async () => {
    await run({
      async copyTo(stage) {
        await stage.write({ item: 'a', name: '1' }, content('1'))
        const deadline = Date.now() + 5000
        while (!calls.names.includes('stored a/1')) {
          if (Date.now() > deadline) throw new Error('the first file was not stored while the capture went on')
          await new Promise((resolve) => setImmediate(resolve))
        }
        await stage.sealItem({ item: 'a', facts: {} })
      },
    })
  })

  test('gives the agent what it needs of earlier backups and not their long lists of files', async () => {
    await run()
    await run()
    const [earlier] = agent.requests[0]?.chain ?? []
    expect(earlier?.items.map(({ item, files }) => [item, files])).toEqual([
      ['a', undefined],
      ['b', undefined],
    ])
    expect(earlier?.storage).toEqual({})
  })

  test('gives the agent the complete backups of this job as its chain', async () => {
    addBackup(repository, '1', { a: { x: '1' } })
    addBackup(repository, '2', { a: { x: '1' } }, { status: 'partial' })
    addBackup(repository, '3', { a: { x: '1' } }, { job: 'other' })
    await run()
    expect(agent.requests[0]?.chain.map(({ id }) => id)).toEqual(['1'])
  })

  test('is not spoiled by a listener that throws', async () => {
    const staging = createDirectoryStaging({ directory, budgetBytes: 1000, minimumFreeBytes: 0 })
    const parts = { agent: recordingAgent({ calls }), repository, staging, request: { job: 'shop', kind: 'full' as const } }
    const report = await backUp(parts, {
      onEvent: () => {
        throw new Error('the display is broken')
      },
    })
    expect(report.confirmed).toBe(true)
  })
})

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
    const report = await run({ copyTo: failing('b') })
    expect(report).toMatchObject({ confirmed: false, backup: { status: 'partial' } })
    expect(report.problems.map(({ message }) => message)).toEqual(['b is broken', expect.stringContaining('because b failed')])
    expect(report.problems[1]?.hint).toContain('leave it out in the settings of the job')
    expect(calls.names).not.toContain('confirmed')
    expect(outcome()).toBe('partial')
    expect(await kept()).toEqual([])
  })

  test('all: the run fails and nothing is committed', async () => {
    await expect(run({ copyTo: failing('a', 'b') })).rejects.toMatchObject({
      code: 'APPLICATION',
      message: expect.stringContaining('all 2 items failed'),
    })
    expect(repository.backups).toEqual([])
    expect(calls.names).not.toContain('confirmed')
    expect(calls.names.slice(-2)).toEqual(['capture disposed', 'stage disposed'])
    expect(await kept()).toEqual([])
    expect(outcome()).toBe('failed')
  })

  test('none captured at all: the run fails', async () => {
    await expect(run({ copyTo: async () => undefined })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(repository.backups).toEqual([])
  })
})

describe('the capture fails', () => {
  test.each(['capture begun', 'stage begun', 'copy begun', 'written a', 'written b', 'copy ended'])(
    'at "%s": nothing is committed or left',
    async (moment) => {
      const failure = new BackupError('the server is gone', { code: 'UNREACHABLE' })
      calls.at = (name) => {
        if (name === moment) throw failure
      }
      await expect(run()).rejects.toBe(failure)
      expect(repository.backups).toEqual([])
      expect(calls.names).not.toContain('confirmed')
      expect(calls.names.filter((name) => name === 'capture disposed').length).toBe(
        ['stage begun', 'capture begun'].includes(moment) ? 0 : 1,
      )
      expect(await kept()).toEqual([])
    },
  )

  test('a repository that ignores its signal ends all the same', async () => {
    class DeafRepository extends RecordingRepository {
      override store(...[request, contents]: Parameters<Repository['store']>) {
        return super.store(request, contents, {})
      }
    }
    repository = new DeafRepository(calls)
    calls.at = (name) => {
      if (name === 'written a') throw new RangeError('lost')
    }
    await expect(run()).rejects.toThrow(RangeError)
    expect(await kept()).toEqual([])
  })
})

describe('the store fails', () => {
  test.each(['store begun', 'stored a/data', 'record written'])(
    'for now, at "%s": the capture is kept, said so, and sent first by the next run',
    async (moment) => {
      calls.at = (name) => {
        if (name === moment) throw unreachable()
      }
      const failure = await run({ parts: { id: 'first' } }).catch((error: unknown) => error)
      expect(failure).toMatchObject({ code: 'UNREACHABLE', retryable: true, hint: expect.stringContaining('the next run sends it first') })
      expect(calls.names).not.toContain('confirmed')
      expect(calls.names).not.toContain('stage removed')
      expect(await kept()).toEqual(['first'])

      calls.at = () => undefined
      calls.names.length = 0
      const report = await run({ parts: { id: 'second' } })
      expect(report.resumed.map(({ id }) => id)).toEqual(['first'])
      expect(calls.indexOf('record written')).toBeLessThan(calls.indexOf('capture begun'))
      expect(agent.requests[0]?.chain.map(({ id }) => id)).toEqual(['first'])
      expect(calls.names.filter((name) => name === 'confirmed')).toHaveLength(1)
      expect(repository.backups.map(({ id }) => id)).toEqual(['first', 'second'])
      expect(await kept()).toEqual([])
    },
  )

  test.each(['store begun', 'stored a/0', 'stored a/1'])(
    'for now, at "%s", and the capture does not fit: nothing is kept and the store is blamed',
    async (moment) => {
      const cause = unreachable()
      calls.at = async (name) => {
        if (name !== moment) return
        // A repository that still has to abort its uploads takes a while to say why it left.
        await new Promise((resolve) => setTimeout(resolve, 20))
        throw cause
      }
      const copyTo = async (stage: Stage) => {
        for (let number = 0; number < 10; number++) await stage.write({ item: 'a', name: `${number}` }, content('x'.repeat(20)))
      }
      await expect(run({ copyTo, budgetBytes: 100 })).rejects.toBe(cause)
      expect(await kept()).toEqual([])
      expect(calls.names).toContain('capture disposed')
    },
  )

  test.each(['store begun', 'stored 0/data'])(
    'for now, at "%s", and items fail for want of room: no partial stage is kept',
    async (moment) => {
      const cause = unreachable()
      calls.at = (name) => {
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
      await expect(run({ copyTo, budgetBytes: 100 })).rejects.toBe(cause)
      expect(await kept()).toEqual([])
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
    repository = new SlowToTell(calls)
    const copyTo = async (stage: Stage) => {
      for (let number = 0; number < 10; number++) await stage.write({ item: 'a', name: `${number}` }, content('x'.repeat(20)))
    }
    await expect(run({ copyTo, budgetBytes: 100 })).rejects.toBe(cause)
    expect(await kept()).toEqual([])
  })

  test('for good while the capture runs: the capture is aborted', async () => {
    const cause = new BackupError('wrong password', { code: 'WRONG_CREDENTIALS' })
    calls.at = (name) => {
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
    await expect(run({ copyTo })).rejects.toBe(cause)
    expect(aborted).toBe(true)
    expect(await kept()).toEqual([])
  })

  test('for good after the seal: the sealed stage is kept', async () => {
    calls.at = (name) => {
      if (name === 'record written') throw new BackupError('access denied', { code: 'ACCESS_DENIED' })
    }
    await expect(run({ parts: { id: 'first' } })).rejects.toMatchObject({ code: 'ACCESS_DENIED', hint: expect.stringContaining('kept') })
    expect(await kept()).toEqual(['first'])
  })
})

describe('after the commit', () => {
  test.each([
    ['confirmed', 'the application could not be told'],
    ['stage removed', 'the staged files could not be removed'],
    ['stage disposed', 'the staging could not be closed'],
    ['capture disposed', 'could not be released'],
  ])('a failure at "%s" is a problem, not a lost backup', async (moment, message) => {
    calls.at = (name) => {
      if (name === moment) throw new BackupError('it broke', { code: 'APPLICATION' })
    }
    const report = await run()
    expect(report.backup.status).toBe('complete')
    expect(report.confirmed).toBe(moment !== 'confirmed')
    expect(report.problems).toHaveLength(1)
    expect(report.problems[0]?.message).toContain(message)
    expect(calls.names).toContain('capture disposed')
  })

  test('a stage that was committed but not removed is removed by the next run, not stored again', async () => {
    calls.at = (name) => {
      if (name === 'stage removed') throw new Error('killed here')
    }
    await run({ parts: { id: 'first' } })
    expect(await kept()).toEqual(['first'])
    calls.at = () => undefined
    const report = await run({ parts: { id: 'second' } })
    expect(report.resumed).toEqual([])
    expect(repository.backups.map(({ id }) => id)).toEqual(['first', 'second'])
    expect(await kept()).toEqual([])
  })
})

describe('a stage kept by an earlier run', () => {
  const fail = async (): Promise<void> => {
    calls.at = (name) => {
      if (name === 'record written') throw unreachable()
    }
    await run({ parts: { id: 'first' } }).catch(() => undefined)
    calls.at = () => undefined
    calls.names.length = 0
  }

  test('is kept when it cannot be sent again, and nothing is captured then', async () => {
    await fail()
    calls.at = (name) => {
      if (name === 'store begun') throw unreachable()
    }
    await expect(run({ parts: { id: 'second' } })).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('run first, staged earlier'),
    })
    expect(calls.names).not.toContain('capture begun')
    expect(await kept()).toEqual(['first'])
  })

  test.each(['CORRUPTED', 'NOT_FOUND'] as const)(
    'is given up with a problem when it can never be completed (%s), and what it had sent is removed',
    async (code) => {
      await fail()
      calls.at = (name) => {
        if (name === 'store begun' && !calls.names.includes('capture begun')) throw new BackupError('a.tar.zst is gone', { code })
      }
      const report = await run({ parts: { id: 'second' } })
      expect(report.problems).toMatchObject([{ severity: 'warning', code, message: expect.stringContaining('first') }])
      expect(repository.backups.map(({ id }) => id)).toEqual(['second'])
      expect(repository.cleanings).toContainEqual({ olderThanSeconds: 0, job: 'shop', runs: ['first'] })
      expect(await kept()).toEqual([])
    },
  )

  test('is kept when it was only damaged on its way, and sent by the next run', async () => {
    await fail()
    calls.at = (name) => {
      if (name === 'store begun') throw new BackupError('stored with another size', { code: 'CORRUPTED', retryable: true })
    }
    await expect(run({ parts: { id: 'second' } })).rejects.toMatchObject({ code: 'CORRUPTED', retryable: true })
    expect(await kept()).toEqual(['first'])
    calls.at = () => undefined
    expect((await run({ parts: { id: 'third' } })).resumed.map(({ id }) => id)).toEqual(['first'])
  })

  test('is announced before it is sent, and an abort of that keeps it and says so', async () => {
    await fail()
    events.length = 0
    const controller = new AbortController()
    calls.at = (name) => {
      if (name === 'store begun') controller.abort()
    }
    await expect(run({ parts: { id: 'second' }, signal: controller.signal })).rejects.toMatchObject({
      code: 'ABORTED',
      hint: 'The staged run is kept, and the next run sends it first.',
    })
    expect(events.map(({ type }) => type)).toEqual(['started', 'resuming', 'finished'])
    expect(await kept()).toEqual(['first'])
  })
})

describe('an abort', () => {
  test('beforehand has no effect at all', async () => {
    await expect(run({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(calls.names).toEqual([])
    expect(await kept()).toEqual([])
    expect(outcome()).toBe('aborted')
  })

  test.each([
    'listed',
    'capture begun',
    'stage begun',
    'copy begun',
    'store begun',
    'written a',
    'stored a/data',
    'written b',
    'copy ended',
  ])('at "%s" commits nothing, leaves nothing and lets go of the server', async (moment) => {
    const controller = new AbortController()
    calls.at = (name) => {
      if (name === moment) controller.abort()
    }
    await expect(run({ signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(repository.backups).toEqual([])
    expect(calls.names).not.toContain('confirmed')
    expect(calls.names.filter((name) => name === 'capture disposed')).toHaveLength(calls.names.includes('capture begun') ? 1 : 0)
    expect(await kept()).toEqual([])
    expect(outcome()).toBe('aborted')
  })

  test('after the seal keeps the sealed stage for the next run', async () => {
    const controller = new AbortController()
    calls.at = (name) => {
      if (name === 'sealed') controller.abort()
    }
    await expect(run({ signal: controller.signal, parts: { id: 'first' } })).rejects.toMatchObject({
      code: 'ABORTED',
      hint: expect.stringContaining('kept in the staging; the next run of this job sends it first'),
    })
    expect(repository.backups).toEqual([])
    expect(await kept()).toEqual(['first'])
  })

  test('after the commit: the backup is there, not confirmed, and said so', async () => {
    const controller = new AbortController()
    calls.at = (name) => {
      if (name === 'record written') controller.abort()
    }
    const report = await run({ signal: controller.signal })
    expect(report).toMatchObject({ confirmed: false, problems: [{ code: 'ABORTED' }] })
    expect(calls.names).not.toContain('confirmed')
    expect(calls.names.slice(-3)).toEqual(['capture disposed', 'stage removed', 'stage disposed'])
  })
})

test('run ids sort by time and do not repeat', () => {
  const early = createRunId(new Date('2026-11-22T08:03:12.999Z'))
  const late = createRunId(new Date('2026-11-22T08:03:13Z'))
  expect(early).toMatch(/^20261122T080312Z-[a-z2-7]{6}$/)
  expect(early < late).toBe(true)
  expect(new Set(Array.from({ length: 1000 }, () => createRunId(new Date(0)))).size).toBe(1000)
})
