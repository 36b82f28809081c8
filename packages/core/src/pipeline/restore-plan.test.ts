import { beforeEach, describe, expect, test } from 'vitest'
import { BackupError } from '../errors/backup-error.ts'
import { addBackup, Calls, planOf, RecordingRepository, recordingAgent } from './__fixtures__/recording-parts.ts'
import { restorePlan } from './restore-plan.ts'

let repository: RecordingRepository
beforeEach(() => {
  repository = new RecordingRepository(new Calls())
})

const failure = { code: 'APPLICATION', message: 'it broke' } as const

describe('planning a restore', () => {
  const agentOf = (seen: unknown[]) =>
    recordingAgent({
      calls: new Calls(),
      async planRestore(request) {
        seen.push({ backups: request.backups.map(({ id }) => id), items: request.items })
        return planOf(request.backups)
      },
    })
  const target = { overwrite: false }

  test('gives the agent the chain, and leaves failed items out with a warning', async () => {
    const seen: unknown[] = []
    addBackup(repository, '1', { a: {}, b: {} })
    const log = addBackup(
      repository,
      '2',
      { a: {} },
      {
        kind: 'log',
        from: { chain: 'c', value: { offset: '1' } },
        position: { chain: 'c', value: { offset: '2' } },
        endedAt: '2026-11-23T00:00:00Z',
        status: 'partial',
        items: [
          { item: 'a', facts: {} },
          { item: 'b', facts: {}, failure },
        ],
      },
    )
    const plan = await restorePlan({ agent: agentOf(seen), repository, backup: log, target })
    expect(seen).toEqual([{ backups: ['1', '2'], items: ['a'] }])
    expect(plan.problems).toMatchObject([{ severity: 'warning', item: 'b' }])
    await expect(restorePlan({ agent: agentOf([]), repository, backup: log, items: ['b'], target })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  })

  test('gives the agent the files of every item, which a list leaves out, and goes on without them where they cannot be read', async () => {
    const { items, ...rest } = addBackup(repository, '1', { a: { x: 'x' } })
    const listed = { ...rest, items: items.map(({ files: _, ...item }) => item) }
    const seen: unknown[] = []
    const agent = recordingAgent({
      calls: new Calls(),
      async planRestore(request) {
        seen.push(request.backups.map((backup) => backup.items.map((item) => item.files?.map(({ name }) => name))))
        return planOf(request.backups)
      },
    })
    repository.inventory = async () => items
    await restorePlan({ agent, repository, backup: listed, target })
    repository.inventory = async () => {
      throw new BackupError('no key', { code: 'WRONG_CREDENTIALS', hint: 'Set identities.' })
    }
    await restorePlan({ agent, repository, backup: listed, target })
    expect(seen).toEqual([[[['x']]], [[undefined]]])
  })

  test('an unknown item is refused with the nearest one, another application as well', async () => {
    const backup = addBackup(repository, '1', { orders: {} })
    const request = { agent: agentOf([]), repository, backup, target }
    await expect(restorePlan({ ...request, items: ['oders'] })).rejects.toMatchObject({ code: 'NOT_FOUND', hint: 'Did you mean "orders"?' })
    await expect(restorePlan({ ...request, backup: { ...backup, application: 'oracle' } })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})
