import { writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Backup, RestoredFile, RestoredFiles, RestorePlan, RestoreReport } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import type { RunEvent } from '../events/run-event.ts'
import { currentOwner, ownedName } from '../staging/process-owner.ts'
import { type AgentScript, addBackup, Calls, RecordingRepository, recordingAgent } from './__fixtures__/recording-parts.ts'
import { chainTo } from './backup-chain.ts'
import { extractFiles } from './extract-files.ts'
import { restore } from './restore.ts'
import { restorePlan } from './restore-plan.ts'
import { verify } from './verify.ts'

let directory: string
let repository: RecordingRepository
let events: RunEvent[]
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'restore-test-'))
  repository = new RecordingRepository(new Calls())
  events = []
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const failure = { code: 'APPLICATION', message: 'it broke' } as const

function planOf(backups: readonly Backup[], items = ['a']): RestorePlan {
  return {
    contract: 'restore-plan/1',
    id: 'plan',
    application: 'test',
    backups: backups.map(({ id }) => id),
    target: { id: 't', name: 't', fingerprint: 'f' },
    items: items.map((item) => ({ item, to: item, backup: backups[0]?.id ?? '', overwrites: [] })),
    steps: [],
    problems: [],
    request: { rename: {}, overwrite: false, options: {} },
  }
}

function run(
  plan: RestorePlan,
  work: (files: RestoredFiles, options: Parameters<NonNullable<AgentScript['restore']>>[2]) => Promise<void>,
  changes: { budgetBytes?: number; signal?: AbortSignal; freeBytes?: number } = {},
): Promise<RestoreReport> {
  const agent = recordingAgent({
    calls: new Calls(),
    async restore(_, files, options) {
      await work(files, options)
      return { items: [], problems: [] }
    },
  })
  const { budgetBytes = 1000, signal, freeBytes = 1e9 } = changes
  const scratch = { directory: path.join(directory, 'scratch'), budgetBytes, minimumFreeBytes: 0, freeBytes: async () => freeBytes }
  return restore({ agent, repository, plan, scratch }, { signal, onEvent: (event) => events.push(event) })
}

const scratchContent = () => readdir(path.join(directory, 'scratch')).catch(() => [])

async function text(file: RestoredFile): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of file.open()) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** Windows has none: what a folder grants is inherited by what is in it. */
const hasModes = process.platform !== 'win32'

describe('restoring', () => {
  test('gives whole files on a private disk, in order, and leaves nothing', async () => {
    const backup = addBackup(repository, '1', { a: { 'x/1.sql': 'first file', '2': 'second' }, b: { '1': 'other' } })
    const seen: string[] = []
    await run(planOf([backup]), async (files) => {
      expect(files.inventory.map(({ item, name }) => `${item}/${name}`).sort()).toEqual(['a/2', 'a/x/1.sql', 'b/1'])
      for await (const file of files.stream(({ item }) => item === 'a')) {
        if (hasModes) expect((await stat(file.path)).mode & 0o777).toBe(0o600)
        expect(file.path.endsWith(path.join('a', ...file.name.split('/')))).toBe(true)
        seen.push(`${file.name}: ${await text(file)}`)
        await file.release()
        await expect(stat(file.path)).rejects.toMatchObject({ code: 'ENOENT' })
      }
      const [run = ''] = await scratchContent()
      if (hasModes) expect((await stat(path.join(directory, 'scratch', run))).mode & 0o777).toBe(0o700)
    })
    expect(seen.sort()).toEqual(['2: second', 'x/1.sql: first file'])
    expect(await scratchContent()).toEqual([])
    expect(events.filter(({ type }) => type === 'bytes').at(-1)).toMatchObject({ phase: 'read', bytes: 16, expected: 16 })
    expect(events.at(-1)).toMatchObject({ type: 'finished', outcome: 'done', bytes: 16 })
  })

  test.each([
    ['another content', (bytes: Buffer) => Buffer.from(bytes.map((byte) => byte ^ 1))],
    ['an end that is missing', (bytes: Buffer) => bytes.subarray(1)],
    ['more than there was', (bytes: Buffer) => Buffer.concat([bytes, bytes])],
  ])('refuses %s before the agent sees it', async (_, tamper) => {
    const backup = addBackup(repository, '1', { a: { '1': 'content' } })
    repository.tamper = tamper
    let seen = 0
    const restoring = run(planOf([backup]), async (files) => {
      for await (const _file of files.stream(() => true)) seen++
    })
    await expect(restoring).rejects.toMatchObject({ code: 'CORRUPTED', message: expect.stringContaining('a/1 of backup 1') })
    expect(seen).toBe(0)
    expect(await scratchContent()).toEqual([])
  })

  test('stops a content that is too long at once, so that it cannot fill the disk', async () => {
    const backup = addBackup(repository, '1', { a: { '1': 'content' } })
    repository.tamper = () => Buffer.alloc(10_000)
    const restoring = run(planOf([backup]), async (files) => {
      for await (const file of files.stream(() => true)) await file.release()
    })
    await expect(restoring).rejects.toThrow('it has at least 10 bytes instead of 7')
    for (const event of events) if (event.type === 'bytes') expect(event.bytes).toBeLessThanOrEqual(7)
  })

  test('refuses a backup whose file does not come at all', async () => {
    const backup = addBackup(repository, '1', { a: { '1': 'content' } })
    repository.files.set('1', new Map())
    const restoring = run(planOf([backup]), async (files) => {
      for await (const file of files.stream(() => true)) await file.release()
    })
    await expect(restoring).rejects.toMatchObject({ code: 'CORRUPTED', message: expect.stringContaining('1 files are missing') })
  })

  test('refuses names that would leave the scratch folder', async () => {
    const backup = addBackup(repository, '1', { a: { '../../evil': 'content' } })
    await expect(run(planOf([backup]), async () => undefined)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(await scratchContent()).toEqual([])
  })

  test('refuses failed items, and never shows their files', async () => {
    const backup = addBackup(repository, '1', { a: { '1': 'x' } })
    const [item] = backup.items
    if (item === undefined) throw new Error('no item')
    const broken = {
      ...backup,
      status: 'partial' as const,
      items: [
        { ...item, failure },
        { item: 'b', facts: {}, files: [] },
      ],
    }
    repository.backups.splice(0, 1, broken)
    await expect(run(planOf([broken]), async () => undefined)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('it broke'),
    })
    await run(planOf([broken], ['b']), async (files) => expect(files.inventory).toEqual([]))
  })

  test('refuses a plan with errors, for another application, or of a backup that is gone', async () => {
    const backup = addBackup(repository, '1', { a: { '1': 'x' } })
    const problem = { severity: 'error', code: 'ALREADY_EXISTS', message: 'a is there', hint: 'Allow it.' } as const
    await expect(run({ ...planOf([backup]), problems: [problem] }, async () => undefined)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    await expect(run({ ...planOf([backup]), application: 'other' }, async () => undefined)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    repository.backups.length = 0
    await expect(run(planOf([backup]), async () => undefined)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('keeps to the budget: the next file waits until one is released', async () => {
    const backup = addBackup(repository, '1', { a: { '1': '12345', '2': '12345', '3': '12345' } })
    await run(
      planOf([backup]),
      async (files) => {
        const iterator = files.stream(() => true)[Symbol.asyncIterator]()
        const first = await iterator.next()
        await iterator.next()
        let third: IteratorResult<RestoredFile> | undefined
        const waiting = iterator.next().then((result) => {
          third = result
        })
        for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
        expect(third).toBeUndefined()
        await first.value?.release()
        await first.value?.release()
        await waiting
        expect(third?.value).toMatchObject({ name: '3' })
      },
      { budgetBytes: 10 },
    )
  })

  test('lets a file larger than the budget through alone, if the disk has room', async () => {
    const backup = addBackup(repository, '1', { a: { '1': 'x'.repeat(50), '2': 'y' } })
    const all = async (files: RestoredFiles) => {
      for await (const file of files.stream(() => true)) await file.release()
    }
    await run(planOf([backup]), all, { budgetBytes: 10 })
    await expect(run(planOf([backup]), all, { budgetBytes: 10, freeBytes: 49 })).rejects.toMatchObject({
      code: 'OUT_OF_SPACE',
      message: expect.stringContaining('has 49 B free: there is no room for 50 B more, because 0 B must stay free'),
    })
  })

  test('an abort ends a stream that waits for room, and everything is removed', async () => {
    const backup = addBackup(repository, '1', { a: { '1': '12345', '2': '12345' } })
    const controller = new AbortController()
    const restoring = run(
      planOf([backup]),
      async (files) => {
        const iterator = files.stream(() => true)[Symbol.asyncIterator]()
        await iterator.next()
        setImmediate(() => controller.abort())
        await iterator.next()
      },
      { budgetBytes: 5, signal: controller.signal },
    )
    await expect(restoring).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await scratchContent()).toEqual([])
    expect(events.at(-1)).toMatchObject({ type: 'finished', outcome: 'aborted' })
  })

  test('removes what killed restores left, and nothing else', async () => {
    const scratch = path.join(directory, 'scratch')
    const owner = await currentOwner()
    const alive = ownedName('restore', owner)
    const dead = ownedName('restore', { ...owner, started: 'unborn.1' })
    const foreign = ownedName('restore', { ...owner, host: 'elsewhere' })
    for (const name of [alive, dead, foreign, 'mine']) {
      await mkdir(path.join(scratch, name), { recursive: true })
      await writeFile(path.join(scratch, name, 'file'), 'x')
    }
    await run(planOf([addBackup(repository, '1', { a: {} })]), async () => undefined)
    expect((await scratchContent()).sort()).toEqual([alive, foreign, 'mine'].sort())
  })
})

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

describe('the chain to a backup', () => {
  const at = (offset: number) => ({ chain: 'c', value: { offset: String(offset) } })
  const backup = (id: string, extra: Partial<Backup>): Backup =>
    addBackup(new RecordingRepository(new Calls()), id, {}, { endedAt: `2026-11-22T00:00:${id.padStart(2, '0')}Z`, ...extra })
  const full = backup('1', { position: at(1) })
  const differential = backup('2', { kind: 'differential', from: at(1), position: at(2) })
  const log = backup('3', { kind: 'log', from: at(1), position: at(3) })
  const later = backup('4', { kind: 'log', from: at(3), position: at(4) })
  const all = [later, log, differential, full]
  const ids = (backups: readonly Backup[]) => backups.map(({ id }) => id)

  test('follows the positions exactly where it can', () => {
    expect(ids(chainTo(full, all))).toEqual(['1'])
    expect(ids(chainTo(differential, all))).toEqual(['1', '2'])
    expect(ids(chainTo(later, all))).toEqual(['1', '3', '4'])
  })

  test('leaves the order to the agent where positions overlap', () => {
    const overlapping = backup('5', { kind: 'log', from: at(0), position: at(5) })
    expect(ids(chainTo(overlapping, all))).toEqual(['1', '2', '3', '4', '5'])
  })

  test('never goes through a partial backup, and says when there is no full', () => {
    expect(() => chainTo(later, [{ ...full, status: 'partial' }, log])).toThrow(BackupError)
    expect(() => chainTo(later, [log])).toThrow('the log backup 4 needs a full backup')
    expect(() => chainTo(later, [{ ...full, job: 'other' }, log])).toThrow(BackupError)
  })
})

describe('extracting files', () => {
  const target = () => path.join(directory, 'out')

  test('writes them under their item, verified, with the guide', async () => {
    const backup = addBackup(repository, '1', { 'a/b': { 'x/1.sql': 'first' }, c: { '1': 'second' } })
    const report = await extractFiles({ repository, backup, directory: target() }, { onEvent: (event) => events.push(event) })
    expect(report).toMatchObject({ files: 2, bytes: 11, problems: [] })
    expect(await readFile(path.join(target(), 'a%2Fb', 'x', '1.sql'), 'utf8')).toBe('first')
    expect(await readFile(path.join(target(), 'RESTORE.md'), 'utf8')).toBe('guide')
    expect((await readdir(target(), { recursive: true })).sort()).toEqual(['RESTORE.md', 'a%2Fb', 'a%2Fb/x', 'a%2Fb/x/1.sql', 'c', 'c/1'])
    expect(events.at(-1)).toMatchObject({ type: 'finished', outcome: 'done', bytes: 11 })
  })

  test('only the chosen items, and failed ones with a problem', async () => {
    const backup = addBackup(repository, '1', { a: { '1': 'x' }, b: { '1': 'y' } })
    await extractFiles({ repository, backup, items: ['b'], directory: target() })
    expect((await readdir(target())).sort()).toEqual(['RESTORE.md', 'b'])
    const broken = { ...backup, items: backup.items.map((item) => (item.item === 'a' ? { ...item, failure } : item)) }
    const report = await extractFiles({ repository, backup: broken, directory: path.join(directory, 'other') })
    expect(report.problems).toMatchObject([{ item: 'a' }])
    expect((await readdir(path.join(directory, 'other'))).sort()).toEqual(['RESTORE.md', 'b'])
    await expect(
      extractFiles({ repository, backup: broken, items: ['a'], directory: path.join(directory, 'third') }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('refuses a directory that is not empty, and touches nothing in it', async () => {
    const backup = addBackup(repository, '1', { a: { '1': 'x' } })
    await mkdir(target())
    await writeFile(path.join(target(), 'mine'), 'keep')
    await expect(extractFiles({ repository, backup, directory: target() })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    expect(await readdir(target())).toEqual(['mine'])
  })

  test('a damaged file never appears under its name', async () => {
    const backup = addBackup(repository, '1', { a: { '1': 'content' } })
    repository.tamper = (bytes) => Buffer.from(bytes.map((byte) => byte ^ 1))
    await expect(extractFiles({ repository, backup, directory: target() })).rejects.toMatchObject({ code: 'CORRUPTED' })
    expect(await readdir(path.join(target(), 'a'))).toEqual([])
  })

  test('a file that is there already, as on a disk that takes two names for one, is not replaced', async () => {
    const backup = addBackup(repository, '1', { a: { Case: 'x', case: 'y' } })
    repository.tamper = (bytes) => {
      if (bytes.toString() === 'y') writeFileSync(path.join(target(), 'a', 'case'), 'x of Case')
      return bytes
    }
    await expect(extractFiles({ repository, backup, directory: target() })).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
      hint: expect.stringContaining('upper from lower case'),
    })
    expect(await readFile(path.join(target(), 'a', 'case'), 'utf8')).toBe('x of Case')
  })

  test('a link that appears meanwhile is not followed', async () => {
    const backup = addBackup(repository, '1', { a: { '1': 'x' }, b: { '1': 'y' } })
    const outside = path.join(directory, 'outside')
    await mkdir(outside)
    repository.tamper = (bytes, item) => {
      if (item === 'a') linked = symlink(outside, path.join(target(), 'b'))
      return bytes
    }
    let linked: Promise<void> | undefined
    await expect(extractFiles({ repository, backup, directory: target() })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await linked
    expect(await readdir(outside)).toEqual([])
  })

  test('names that would leave the directory are refused before anything is written', async () => {
    const backup = addBackup(repository, '1', { a: { '../x': 'x' } })
    await expect(extractFiles({ repository, backup, directory: target() })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(stat(target())).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('verifying', () => {
  const findings = async (parts: { readData?: boolean; id?: string } = {}) => {
    const found = []
    for await (const finding of verify({ repository, ...parts }, { onEvent: (event) => events.push(event) })) found.push(finding)
    return found
  }

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

  test('an unknown id is NOT_FOUND', async () => {
    await expect(findings({ id: 'none' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(events.at(-1)).toMatchObject({ type: 'finished', outcome: 'failed' })
  })
})
