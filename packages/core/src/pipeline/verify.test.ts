import { beforeEach, describe, expect, test } from 'vitest'
import type { OperationOptions } from '../contracts/index.ts'
import type { RunEvent } from '../events/run-event.ts'
import { addBackup, Calls, RecordingRepository } from './__fixtures__/recording-parts.ts'
import { verify } from './verify.ts'

let repository: RecordingRepository
let events: RunEvent[]
beforeEach(() => {
  repository = new RecordingRepository(new Calls())
  events = []
})

describe('verifying', () => {
  const findings = async (parts: Omit<Parameters<typeof verify>[0], 'repository'> = {}, signal?: AbortSignal) => {
    const found = []
    for await (const finding of verify({ repository, ...parts }, { signal, onEvent: (event) => events.push(event) })) found.push(finding)
    return found
  }

  test('aborted beforehand asks the repository nothing', async () => {
    await expect(findings({}, AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' })
    expect(events).toMatchObject([{ type: 'started' }, { type: 'finished', outcome: 'aborted' }])
  })

  test('a part of the data is asked for only where the repository can read one', async () => {
    const subset = { part: 1, of: 7 }
    await expect(findings({ readData: true, subset })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    const asked: unknown[] = []
    repository = Object.assign(repository, { supports: { ...repository.supports, verifiesParts: true } })
    repository.verify = async function* (request) {
      await Promise.resolve(asked.push(request))
      yield { severity: 'ok', message: 'whole' }
    }
    expect(await findings({ readData: true, subset })).toEqual([{ severity: 'ok', message: 'whole' }])
    expect(asked).toEqual([{ readData: true, subset }])
  })

  test('left by its reader ends aborted', async () => {
    repository.findings = [
      { severity: 'ok', message: 'whole' },
      { severity: 'ok', message: 'whole too' },
    ]
    for await (const _ of verify({ repository }, { onEvent: (event) => events.push(event) })) break
    expect(events.at(-1)).toMatchObject({ type: 'finished', outcome: 'aborted' })
  })

  test('passes every finding on, with progress, and ends failed when one is an error', async () => {
    addBackup(repository, '1', { a: { '1': 'x'.repeat(14) } })
    repository.findings = [
      { severity: 'ok', message: 'whole' },
      { severity: 'error', message: 'damaged' },
    ]
    expect(await findings({ readData: true })).toEqual(repository.findings)
    expect(events.filter(({ type }) => type === 'bytes').at(-1)).toMatchObject({ phase: 'verify', bytes: 14, expected: 14 })
    expect(events.at(-1)).toMatchObject({ type: 'finished', outcome: 'failed' })
  })

  test.each([{ readData: true }, { id: 'unreadable' }])(
    'says of an unreadable record once what is wrong with it, as a finding (%j)',
    async (parts) => {
      repository.list = async function* (_, options: OperationOptions = {}) {
        await Promise.resolve()
        options.onProgress?.({ type: 'problem', problem: { severity: 'warning', code: 'CORRUPTED', message: 'left out', hint: 'Verify.' } })
        yield* []
      }
      repository.findings = [{ severity: 'error', message: 'unreadable' }]
      expect(await findings(parts)).toEqual(repository.findings)
      expect(events.filter(({ type }) => type === 'problem')).toEqual([])
      expect(events.at(-1)).toMatchObject({ type: 'finished', outcome: 'failed' })
    },
  )

  test('an unknown id is NOT_FOUND', async () => {
    await expect(findings({ id: 'none' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(events.at(-1)).toMatchObject({ type: 'finished', outcome: 'failed' })
  })
})
