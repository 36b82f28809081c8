import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { RestoredFile, RestoredFiles, RestorePlan, RestoreReport } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import type { RunEvent } from '../events/run-event.ts'
import { currentOwner, ownedName } from '../staging/process-owner.ts'
import { type AgentScript, addBackup, Calls, planOf, RecordingRepository, recordingAgent } from './__fixtures__/recording-parts.ts'
import { restore } from './restore.ts'
import { ScratchSpace } from './scratch-space.ts'

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
    expect(events.map(({ type }) => type)).toEqual(['started', 'finished'])
    await expect(run({ ...planOf([backup]), application: 'other' }, async () => undefined)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    repository.backups.length = 0
    await expect(run(planOf([backup]), async () => undefined)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('reads each backup from where the plan says, and from nowhere else', async () => {
    const first = addBackup(repository, '1', { a: { '1': 'near' } })
    const far = new RecordingRepository(new Calls())
    const second = addBackup(far, '2', { a: { '2': 'far' } })
    addBackup(repository, '2', { a: { '2': 'not this one' } })
    const place = (backup: typeof first, name: string) => ({
      id: backup.id,
      kind: backup.kind,
      consistentAt: backup.consistentAt,
      repository: name,
      bytes: 1,
    })
    const chain = { backups: [place(first, 'near'), place(second, 'far')], bytes: 2, spaceBytes: 2, warnings: [] }
    const plan = { ...planOf([first, second]), chain }
    const seen: string[] = []
    const agent = recordingAgent({
      calls: new Calls(),
      async restore(_, files) {
        for await (const file of files.stream(() => true)) seen.push(await text(file))
        return { items: [], problems: [] }
      },
    })
    const scratch = { directory: path.join(directory, 'scratch'), budgetBytes: 1000, minimumFreeBytes: 0, freeBytes: async () => 1e9 }
    const repositories = [
      { name: 'near', repository },
      { name: 'far', repository: far },
    ]
    await restore({ agent, repositories, plan, scratch })
    expect(seen).toEqual(['near', 'far'])
    const without = restore({ agent, repositories: [...repositories.slice(0, 1), { name: 'third', repository: far }], plan, scratch })
    await expect(without).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'plan plan reads backup 2 from the repository "far", which was not given',
    })
    far.backups.length = 0
    await expect(restore({ agent, repositories, plan, scratch })).rejects.toMatchObject({ code: 'NOT_FOUND' })
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

  test('an abort beforehand has no effect at all', async () => {
    const plan = planOf([addBackup(repository, '1', { a: {} })])
    await expect(run(plan, async () => undefined, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(events).toMatchObject([{ type: 'started' }, { type: 'finished', outcome: 'aborted' }])
    expect(await readdir(directory)).toEqual([])
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

  test('local files that cannot be removed are a problem, not a failed restore, and hide no failure', async () => {
    const backup = addBackup(repository, '1', { a: { '1': 'x' } })
    const dispose = vi.spyOn(ScratchSpace.prototype, Symbol.asyncDispose).mockRejectedValue(new Error('in use'))
    try {
      const report = await run(planOf([backup]), async () => undefined)
      expect(report.problems).toMatchObject([{ severity: 'warning', message: expect.stringContaining('in use') }])
      expect(events.at(-1)).toMatchObject({ type: 'finished', outcome: 'done' })
      const failing = run(planOf([backup]), async () => {
        throw new BackupError('the server is gone', { code: 'UNREACHABLE' })
      })
      await expect(failing).rejects.toMatchObject({ code: 'UNREACHABLE' })
    } finally {
      dispose.mockRestore()
    }
  })

  test('says so when a file is where the scratch directory should be', async () => {
    await writeFile(path.join(directory, 'scratch'), 'kept')
    const restoring = run(planOf([addBackup(repository, '1', { a: {} })]), async () => undefined)
    await expect(restoring).rejects.toMatchObject({ code: 'CONFLICT', hint: expect.stringContaining('Choose another directory') })
  })

  test('removes what killed restores left, and nothing else', async () => {
    const scratch = path.join(directory, 'scratch')
    const owner = await currentOwner()
    const alive = ownedName('restore', owner)
    const dead = ownedName('restore', { ...owner, pid: 2 ** 22 + 1 })
    const foreign = ownedName('restore', { ...owner, host: 'elsewhere' })
    for (const name of [alive, dead, foreign, 'mine']) {
      await mkdir(path.join(scratch, name), { recursive: true })
      await writeFile(path.join(scratch, name, 'file'), 'x')
    }
    await run(planOf([addBackup(repository, '1', { a: {} })]), async () => undefined)
    expect((await scratchContent()).sort()).toEqual([alive, foreign, 'mine'].sort())
  })
})
