import { beforeEach, describe, expect, test } from 'vitest'
import type { RestoreRequest } from '../contracts/index.ts'
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

describe('planning a restore by the backups in several repositories', () => {
  const at = (offset: number) => ({ chain: 'c', value: { offset: String(offset) } })
  const target = { overwrite: false }
  let far: RecordingRepository
  beforeEach(() => {
    far = new RecordingRepository(new Calls())
    addBackup(repository, '1', { a: { x: 'x' } }, { position: at(1) })
    addBackup(far, '2', { a: { y: 'yyyy' } }, { kind: 'log', from: at(1), position: at(9), consistentAt: '2026-11-22T09:00:00Z' })
  })

  const agentOf = (seen: RestoreRequest[] = [], pointInTime = true) => ({
    ...recordingAgent({
      calls: new Calls(),
      async planRestore(request) {
        seen.push(request)
        return planOf(request.backups)
      },
    }),
    supports: { kinds: ['full', 'log'] as const, pointInTime, rename: false },
  })
  const repositories = () => [
    { name: 'near', repository },
    { name: 'far', repository: far },
  ]

  test('gives the agent the chain with its files and where it stops, and says what is read from where', async () => {
    const seen: RestoreRequest[] = []
    const to = { at: '2026-11-22T08:30:00Z' }
    const plan = await restorePlan({ agent: agentOf(seen), job: 'shop', repositories: repositories(), to, target })
    expect(seen[0]?.stop).toEqual({ before: to.at })
    expect(seen[0]?.backups.map(({ items }) => items[0]?.files?.map(({ name }) => name))).toEqual([['x'], ['y']])
    expect(JSON.parse(JSON.stringify(plan.chain))).toEqual({
      backups: [
        { id: '1', kind: 'full', consistentAt: '2026-11-22T08:00:00Z', position: at(1), repository: 'near', bytes: 1 },
        { id: '2', kind: 'log', consistentAt: '2026-11-22T09:00:00Z', position: at(9), repository: 'far', bytes: 4 },
      ],
      bytes: 5,
      spaceBytes: 5,
      warnings: [],
    })
  })

  test('an agent that cannot stop is never asked to', async () => {
    const seen: RestoreRequest[] = []
    const request = { agent: agentOf(seen, false), job: 'shop', repositories: repositories(), to: { at: '2026-11-22T08:30:00Z' }, target }
    await expect(restorePlan(request)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    expect(seen).toEqual([])
  })

  test('a repository that cannot be listed is a warning, and named where what it holds may be missing', async () => {
    repository.list = async function* () {
      yield* []
      throw new BackupError('nobody answers', { code: 'UNREACHABLE', hint: 'Check the network.' })
    }
    addBackup(far, '1', { a: {} }, { position: at(1) })
    const request = { agent: agentOf(), job: 'shop', repositories: repositories(), target }
    const plan = await restorePlan({ ...request, to: { latest: true } })
    expect(plan.chain?.backups.map((one) => one.repository)).toEqual(['far', 'far'])
    expect(plan.problems).toEqual([
      {
        severity: 'warning',
        code: 'UNREACHABLE',
        message: 'the repository "near" cannot be listed, and what only it holds is not known: nobody answers',
        hint: 'Check the network.',
      },
    ])
    await expect(restorePlan({ ...request, to: { at: '2026-11-23T00:00:00Z' } })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: expect.stringContaining('before it. The repository "near" cannot be listed'),
    })
    await expect(restorePlan({ ...request, repositories: repositories().slice(0, 1), to: { latest: true } })).rejects.toMatchObject({
      code: 'UNREACHABLE',
    })
  })

  test('files that this host cannot read stand against the plan, once for all of them', async () => {
    for (const one of [repository, far]) {
      one.inventory = async () => {
        throw new BackupError('no key', { code: 'WRONG_CREDENTIALS', hint: 'Set identities.' })
      }
    }
    const plan = await restorePlan({ agent: agentOf(), job: 'shop', repositories: repositories(), to: { latest: true }, target })
    expect(plan.problems).toMatchObject([{ severity: 'error', code: 'WRONG_CREDENTIALS' }])
  })

  test('an abort while a repository is listed is one', async () => {
    const signal = AbortSignal.abort()
    const request = { agent: agentOf(), job: 'shop', repositories: repositories(), to: { latest: true } as const, target }
    await expect(restorePlan(request, { signal })).rejects.toMatchObject({ code: 'ABORTED' })
  })
})
