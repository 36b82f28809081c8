import { writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RunEvent } from '../events/run-event.ts'
import { addBackup, Calls, RecordingRepository } from './__fixtures__/recording-parts.ts'
import { extractFiles } from './extract-files.ts'

let directory: string
let repository: RecordingRepository
let events: RunEvent[]
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'extract-test-'))
  repository = new RecordingRepository(new Calls())
  events = []
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const failure = { code: 'APPLICATION', message: 'it broke' } as const

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

  test('of several backups that belong together writes one folder each in their order, and says where the last one stops', async () => {
    const far = new RecordingRepository(new Calls())
    const full = addBackup(repository, 'x', { a: { '1': 'first' }, b: { '1': 'not asked for' } })
    const log = addBackup(far, 'y', { changes: { '2': 'second' } }, { kind: 'log', consistentAt: '2026-11-22T09:00:00Z' })
    const chosen = [
      { backup: full, from: { name: 'near', repository } },
      { backup: log, from: { name: 'far', repository: far } },
    ]
    const chain = { chosen, stop: { before: '2026-11-22T08:30:00Z' }, warnings: [] }
    await extractFiles({ chain, items: ['a'], directory: target() })
    const files = (await readdir(target(), { recursive: true })).filter((name) => /\.md$|\d$/.test(name)).sort()
    expect(files).toEqual(['01-full-x/RESTORE.md', '01-full-x/a/1', '02-log-y/RESTORE.md', '02-log-y/changes/2', 'RESTORE.md'])
    const guide = await readFile(path.join(target(), 'RESTORE.md'), 'utf8')
    expect(guide).toContain('1. `01-full-x`: full of 2026-11-22T08:00:00Z\n2. `02-log-y`: log of 2026-11-22T09:00:00Z\n')
    expect(guide).toContain('it stops before the first change that was made at 2026-11-22T08:30:00Z or later.')
    expect(guide).toContain('Only `a` and the logs were unpacked.')
    expect(guide).not.toContain('begins at')
    await extractFiles({ chain: { chosen: chosen.slice(0, 1), warnings: [] }, directory: path.join(directory, 'one') })
    expect(await readFile(path.join(directory, 'one', 'a', '1'), 'utf8')).toBe('first')
  })

  test('says of a log that begins before the state it is applied to what of it must not be applied, or lets the agent say it', async () => {
    const at = (offset: string) => ({ chain: 'c', value: { offset } })
    const full = { ...addBackup(repository, 'x', { a: { '1': 'first' } }), position: at('4711') }
    const log = { ...addBackup(repository, 'y', { changes: { '2': 'second' } }, { kind: 'log' }), from: at('4000'), position: at('5000') }
    const chain = { chosen: [full, log].map((backup) => ({ backup, from: { name: 'near', repository } })), warnings: [] }
    await extractFiles({ chain, directory: target() })
    const guide = await readFile(path.join(target(), 'RESTORE.md'), 'utf8')
    expect(guide).toContain('`02-log-y` begins at offset 4000, and not where the state before it ends.')
    expect(guide).toContain('only what comes after offset 4711')
    const told: unknown[] = []
    const replayGuide = (request: unknown) => {
      told.push(request)
      return 'Type this.\n'
    }
    await extractFiles({ chain, agent: { replayGuide }, directory: path.join(directory, 'agent') })
    expect(told).toEqual([{ backups: [full, log], folders: ['01-full-x', '02-log-y'] }])
    const own = await readFile(path.join(directory, 'agent', 'RESTORE.md'), 'utf8')
    expect(own).toMatch(/says how, but for the logs\.\n[\s\S]*## The logs\n\n[\s\S]*Type this\.\n$/)
    expect(own).not.toContain('begins at')
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

  test('an abort beforehand has no effect at all', async () => {
    const backup = addBackup(repository, '1', { a: { '1': 'x' } })
    const options = { signal: AbortSignal.abort(), onEvent: (event: RunEvent) => events.push(event) }
    await expect(extractFiles({ repository, backup, directory: target() }, options)).rejects.toMatchObject({ code: 'ABORTED' })
    expect(events).toMatchObject([{ type: 'started' }, { type: 'finished', outcome: 'aborted' }])
    expect(await readdir(directory)).toEqual([])
  })

  test('an abort half-way leaves whole files only', async () => {
    const backup = addBackup(repository, '1', { a: { '1': 'first', '2': 'x'.repeat(50), '3': 'third' } })
    const controller = new AbortController()
    repository.tamper = (bytes) => {
      if (bytes.length === 50) controller.abort()
      return bytes
    }
    const extracting = extractFiles({ repository, backup, directory: target() }, { signal: controller.signal })
    await expect(extracting).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await readdir(path.join(target(), 'a'))).toEqual(['1'])
  })

  test('names that would leave the directory are refused before anything is written', async () => {
    const backup = addBackup(repository, '1', { a: { '../x': 'x' } })
    await expect(extractFiles({ repository, backup, directory: target() })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(stat(target())).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
