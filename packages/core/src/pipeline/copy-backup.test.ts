import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Backup } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import type { RunEvent } from '../events/run-event.ts'
import { createDirectoryStaging } from '../staging/directory-staging.ts'
import { bytesOf, chunksOf, sampleBytes } from '../testing/chunks-of.ts'
import { createMemoryRepository, type MemoryRepository } from '../testing/memory-repository.ts'
import { createMemoryStage } from '../testing/memory-stage.ts'
import { copyBackup } from './copy-backup.ts'

let directory: string
let from: MemoryRepository
let to: MemoryRepository
let events: RunEvent[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copy-backup-'))
  from = createMemoryRepository()
  to = createMemoryRepository()
  events = []
})

afterEach(() => rm(directory, { recursive: true, force: true }))

const files = { 'data.sql': sampleBytes(30_000, 1), 'schema/tables.sql': sampleBytes(500, 2), empty: Buffer.alloc(0) }

async function backUp(id: string, { withFailure = false } = {}): Promise<Backup> {
  const stage = createMemoryStage({ run: { job: 'shop', id, beganAt: '2026-01-01T00:00:00.000Z', limitedTo: ['shop'] } })
  for (const [name, content] of Object.entries(files)) await stage.stage.write({ item: 'shop', name }, chunksOf(content, [7000]))
  await stage.stage.sealItem({ item: 'shop', bytes: 30_500, facts: { rows: 12 }, to: { chain: 'c', value: { offset: '7' } } })
  if (withFailure) await stage.stage.failItem('broken', { code: 'APPLICATION', message: 'it broke', hint: 'Mend it.' })
  await stage.stage.seal({
    application: 'memory',
    source: { id: 'server', name: 'server:1', version: '1' },
    kind: 'full',
    consistentAt: '2026-01-01T00:00:05.000Z',
    position: { chain: 'c', value: { offset: '7' } },
    facts: { character: 'utf8' },
    restoreGuide: '# Restore\n\n## 3. Bring it back\n\nCopy the files back.\n',
  })
  return from.store({ run: stage.run, agent: { version: '1.2.3' } }, stage.contents)
}

const copy = (backup: Backup, signal?: AbortSignal) =>
  copyBackup({ from, to, backup, staging: createDirectoryStaging({ directory }) }, { signal, onEvent: (event) => events.push(event) })

async function stagedFiles(): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile() && entry.name !== 'lock').map(({ name }) => name)
}

describe('copying a backup', () => {
  test.each([false, true])(
    'brings all its facts and files under the same id, and leaves nothing staged (partial: %s)',
    async (withFailure) => {
      const backup = await backUp('one', { withFailure })
      const { backup: copied, copied: isCopied } = await copy(backup)
      expect(isCopied).toBe(true)
      const { endedAt: _, ...expected } = backup
      expect(copied).toMatchObject(expected)
      for (const [name, content] of Object.entries(files))
        expect((await bytesOf(to.open(copied, { item: 'shop', name }))).equals(content)).toBe(true)
      expect(await to.readGuide?.(copied)).toBe('Copy the files back.')
      expect(await stagedFiles()).toEqual([])
      expect(events[0]).toMatchObject({ type: 'started', action: 'copy', id: 'one' })
      expect(events.at(-1)).toMatchObject({ type: 'finished', outcome: 'done' })
    },
  )

  test('is done when it is there already', async () => {
    const backup = await backUp('one')
    await copy(backup)
    expect(await copy(backup)).toMatchObject({ copied: false, backup: { id: 'one' } })
  })

  test('commits nothing of a backup that is damaged', async () => {
    const backup = await backUp('one')
    from.corruptSomething()
    await expect(copy(backup)).rejects.toMatchObject({ code: 'CORRUPTED' })
    expect(to.place.records.size).toBe(0)
    expect(await stagedFiles()).toEqual([])
  })

  test('commits nothing of a file that is another than its manifest says, even where its repository does not notice', async () => {
    const backup = await backUp('one')
    const read = from.read.bind(from)
    from.read = async function* (...request) {
      for await (const file of read(...request)) yield { ...file, content: chunksOf(sampleBytes(file.size, 99), [7000]) }
    }
    await expect(copy(backup)).rejects.toMatchObject({ code: 'CORRUPTED', message: expect.stringContaining('data.sql') })
    expect(to.place.records.size).toBe(0)
  })

  test('commits nothing of a backup that comes without one of its files', async () => {
    const backup = await backUp('one')
    const read = from.read.bind(from)
    from.read = async function* (...request) {
      for await (const file of read(...request)) if (file.name !== 'schema/tables.sql') yield file
    }
    await expect(copy(backup)).rejects.toMatchObject({
      code: 'CORRUPTED',
      message: 'backup one came without schema/tables.sql of shop, which its manifest names',
    })
    expect(to.place.records.size).toBe(0)
    expect(await stagedFiles()).toEqual([])
  })

  test('leaves nothing staged where the other repository fails for now: the backup is still where it was', async () => {
    const backup = await backUp('one')
    to.failNext('store', new BackupError('connection lost', { code: 'UNREACHABLE', hint: 'Try again.' }))
    await expect(copy(backup)).rejects.toMatchObject({ code: 'UNREACHABLE', message: 'connection lost' })
    expect(await stagedFiles()).toEqual([])
    expect(await copy(backup)).toMatchObject({ copied: true })
  })

  test('does nothing when it is aborted beforehand', async () => {
    const backup = await backUp('one')
    await expect(copy(backup, AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' })
    expect(to.place.records.size).toBe(0)
    expect(events.at(-1)).toMatchObject({ type: 'finished', outcome: 'aborted' })
  })
})
