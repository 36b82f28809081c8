import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { CaptureFacts, RunStage, StageEvent, Staging } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { createDirectoryStaging, type DirectoryStagingSettings } from './directory-staging.ts'
import { StageJournal } from './stage-journal.ts'

const facts: CaptureFacts = {
  application: 'test',
  source: { id: 's', name: 's', version: '1' },
  kind: 'full',
  consistentAt: '2026-11-22T08:00:00Z',
  facts: {},
  restoreGuide: '',
}
const run = (id = 'r1') => ({ job: 'shop', id, beganAt: `2026-11-22T08:00:00Z` })

async function* bytes(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}

async function text(content: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of content) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('the condition did not come true')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

let directory: string
const opened: RunStage[] = []
const staging = (settings: Partial<DirectoryStagingSettings> = {}): Staging =>
  createDirectoryStaging({ directory, budgetBytes: 100, minimumFreeBytes: 0, ...settings })
const begin = async (id?: string, settings?: Partial<DirectoryStagingSettings>): Promise<RunStage> => {
  const stage = await staging(settings).begin(run(id))
  opened.push(stage)
  return stage
}

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'staging-test-'))
})
afterEach(async () => {
  for (const stage of opened.splice(0)) await stage[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

describe('writing', () => {
  test('gives size and hash, in a file that only the owner can read', async () => {
    const { stage } = await begin()
    const staged = await stage.write({ item: 'a/b', name: 'x/y.sql' }, bytes('hello ', 'world'))
    expect(staged).toEqual({ item: 'a/b', name: 'x/y.sql', size: 11, sha256: createHash('sha256').update('hello world').digest('hex') })
    const file = path.join(await stage.folder('a/b'), 'x', 'y.sql')
    expect(await readFile(file, 'utf8')).toBe('hello world')
    // Windows has no modes.
    if (process.platform === 'win32') return
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(stage.directory)).mode & 0o777).toBe(0o700)
    expect((await stat(path.dirname(file))).mode & 0o777).toBe(0o700)
  })

  test.each(['', '..', '../x', '/x', 'a//b', 'a\\..\\b', 'C:x', 'a\0b'])('refuses the name %j', async (name) => {
    const { stage } = await begin()
    await expect(stage.write({ item: 'i', name }, bytes('x'))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(stage.adopt({ item: 'i', name })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('leaves nothing of a file whose content throws, and its name and room are free again', async () => {
    const { stage } = await begin()
    const failing = async function* () {
      yield Buffer.alloc(40)
      throw new RangeError('no more')
    }
    await expect(stage.write({ item: 'i', name: 'f' }, failing())).rejects.toThrow(RangeError)
    expect(await readdir(await stage.folder('i'))).toEqual([])
    await stage.write({ item: 'i', name: 'f' }, bytes(Buffer.alloc(50)))
  })

  test('an abort ends a content that hangs, and leaves nothing', async () => {
    const { stage } = await begin()
    const controller = new AbortController()
    const hanging = async function* () {
      yield Buffer.alloc(4)
      setImmediate(() => controller.abort())
      await new Promise(() => undefined)
    }
    await expect(stage.write({ item: 'i', name: 'f' }, hanging(), { signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await readdir(await stage.folder('i'))).toEqual([])
  })

  test('a chunk that its producer overwrites later is staged as it was', async () => {
    const { stage } = await begin()
    const reused = Buffer.alloc(3)
    const content = async function* () {
      for (const part of ['abc', 'def', 'ghi']) {
        reused.write(part)
        yield reused
      }
    }
    await stage.write({ item: 'i', name: 'f' }, content())
    expect(await readFile(path.join(await stage.folder('i'), 'f'), 'utf8')).toBe('abcdefghi')
  })

  test('the same name twice is ALREADY_EXISTS, even after the first was released', async () => {
    const both = await begin()
    const drain = both.contents.drain()[Symbol.asyncIterator]()
    await both.stage.write({ item: 'i', name: 'f' }, bytes('1'))
    const { value } = await drain.next()
    if (value?.type !== 'file') throw new Error('no file')
    await value.file.release()
    await expect(both.stage.write({ item: 'i', name: 'f' }, bytes('2'))).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
  })

  test('a full disk is OUT_OF_SPACE with the figures, and the file is gone', async () => {
    let free = 1000
    const { stage } = await begin('r1', { minimumFreeBytes: 500, freeBytes: async () => free })
    free = 400
    await expect(stage.write({ item: 'i', name: 'f' }, bytes('x'))).rejects.toThrow(
      `the disk of ${directory} has 400 B free, and 500 B must stay free`,
    )
    await expect(stage.write({ item: 'i', name: 'f' }, bytes('x'))).rejects.toMatchObject({ code: 'OUT_OF_SPACE' })
    expect(await readdir(await stage.folder('i'))).toEqual([])
  })

  test('begin on a full disk is OUT_OF_SPACE and holds no lock', async () => {
    const settings = { minimumFreeBytes: 512 * 1024 ** 2, freeBytes: async () => 200 * 1024 ** 2 }
    await expect(begin('r1', settings)).rejects.toMatchObject({
      code: 'OUT_OF_SPACE',
      message: `the disk of ${directory} has 200 MiB free, and 512 MiB must stay free`,
      hint: 'Free disk space there, set directory to a folder on a larger disk, or lower minimumFreeBytes.',
    })
    const settingNames = { directory: 'staging.directory', budget: 'staging.budget', minimumFree: 'staging.minimumFree' }
    await expect(begin('r1', { ...settings, settingNames })).rejects.toMatchObject({
      hint: 'Free disk space there, set staging.directory to a folder on a larger disk, or lower staging.minimumFree.',
    })
    await begin()
  })

  test('a file larger than half of the budget is told with the setting as the operator writes it', async () => {
    const { stage } = await begin('r1', { settingNames: { budget: 'staging.budget' } })
    await expect(stage.write({ item: 'a', name: 'f' }, bytes(Buffer.alloc(51)))).rejects.toMatchObject({
      code: 'OUT_OF_SPACE',
      message: 'a/f is larger than 50 B: one staged file may take half of the staging budget of 100 B',
      hint: expect.stringContaining('Raise staging.budget to more than twice the largest file (more than 102 B)'),
    })
  })

  test('mistakes of an agent are TypeErrors', async () => {
    const { stage } = await begin()
    await stage.write({ item: 'i', name: 'f' }, bytes('x'))
    await expect(stage.seal(facts)).rejects.toThrow('item "i" is neither sealed nor failed')
    await stage.sealItem({ item: 'i', facts: {} })
    await expect(stage.write({ item: 'i', name: 'g' }, bytes('x'))).rejects.toThrow(TypeError)
    await expect(stage.sealItem({ item: 'i', facts: {} })).rejects.toThrow(TypeError)
    await stage.seal(facts)
    await expect(stage.write({ item: 'j', name: 'g' }, bytes('x'))).rejects.toThrow(TypeError)
    await expect(stage.seal(facts)).rejects.toThrow(TypeError)
  })
})

describe('a journal that cannot be written', () => {
  const full = new BackupError('no space left on the disk', { code: 'OUT_OF_SPACE', hint: 'Free disk space.' })

  test('leaves an item open, so that the agent can fail it and is told of the disk', async () => {
    const { stage } = await begin()
    await stage.write({ item: 'i', name: 'f' }, bytes('x'))
    const append = vi.spyOn(StageJournal.prototype, 'append').mockRejectedValueOnce(full)
    await expect(stage.sealItem({ item: 'i', facts: {} })).rejects.toBe(full)
    append.mockRejectedValueOnce(full)
    await expect(stage.failItem('i', { code: 'OUT_OF_SPACE', message: 'no space' })).rejects.toBe(full)
    await stage.sealItem({ item: 'i', facts: {} })
    append.mockRestore()
  })

  test('leaves the stage unsealed, and the repository is told that nobody will come back to it', async () => {
    const both = await begin()
    await both.stage.write({ item: 'i', name: 'f' }, bytes('x'))
    await both.stage.sealItem({ item: 'i', facts: {} })
    const append = vi.spyOn(StageJournal.prototype, 'append').mockRejectedValueOnce(full)
    await expect(both.stage.seal(facts)).rejects.toBe(full)
    expect([both.sealed, both.contents.sealed]).toEqual([false, false])
    append.mockRestore()
  })
})

describe('adopting', () => {
  test('takes over what the application wrote', async () => {
    const { stage } = await begin()
    await writeFile(path.join(await stage.folder('i'), 'full.bak'), 'backup')
    expect(await stage.adopt({ item: 'i', name: 'full.bak' })).toMatchObject({ size: 6 })
  })

  test('refuses links, folders and what is not there', async () => {
    const { stage } = await begin()
    const folder = await stage.folder('i')
    await writeFile(path.join(directory, 'secret'), 'secret')
    await symlink(path.join(directory, 'secret'), path.join(folder, 'link'))
    await symlink(directory, path.join(folder, 'linked'))
    await mkdir(path.join(folder, 'folder'))
    for (const name of ['link', 'linked/secret', 'folder']) {
      await expect(stage.adopt({ item: 'i', name })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
    await expect(stage.write({ item: 'i', name: 'linked/new' }, bytes('x'))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(stage.adopt({ item: 'i', name: 'none' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await readdir(directory)).toEqual(['secret', 'shop'])
  })

  test('a file larger than half of the budget is OUT_OF_SPACE', async () => {
    const { stage } = await begin()
    await writeFile(path.join(await stage.folder('i'), 'f'), Buffer.alloc(51))
    await expect(stage.adopt({ item: 'i', name: 'f' })).rejects.toMatchObject({ code: 'OUT_OF_SPACE' })
  })
})

describe('draining while filling', () => {
  test('gives everything in order and ends after sealed', async () => {
    const both = await begin()
    const seen: string[] = []
    const drained = (async () => {
      for await (const event of both.contents.drain()) {
        seen.push(event.type === 'file' ? `file ${event.file.name} ${await text(event.file.open())}` : event.type)
        if (event.type === 'file') await event.file.release()
      }
    })()
    await both.stage.write({ item: 'i', name: 'a' }, bytes('1'))
    await both.stage.write({ item: 'i', name: 'b' }, bytes('2'))
    await both.stage.sealItem({ item: 'i', facts: {} })
    await both.stage.failItem('j', { code: 'APPLICATION', message: 'broken' })
    await both.stage.seal(facts)
    await drained
    expect(seen).toEqual(['file a 1', 'file b 2', 'item', 'item-failed', 'sealed'])
    expect(await readdir(await stat(both.stage.directory).then(() => path.join(both.stage.directory, 'i')))).toEqual([])
  })

  test('a waiting writer makes the drainer hear pressure, and goes on when it lets go', async () => {
    const both = await begin()
    const drain = both.contents.drain()[Symbol.asyncIterator]()
    await both.stage.write({ item: 'i', name: 'a' }, bytes(Buffer.alloc(50)))
    await both.stage.write({ item: 'i', name: 'b' }, bytes(Buffer.alloc(40)))
    const waiting = both.stage.write({ item: 'i', name: 'c' }, bytes(Buffer.alloc(30)))
    const held: StageEvent[] = []
    while (held.at(-1)?.type !== 'pressure') {
      const { value } = await drain.next()
      if (value !== undefined) held.push(value)
    }
    expect(held.map(({ type }) => type)).toEqual(['file', 'file', 'pressure'])
    const [first] = held
    if (first?.type !== 'file') throw new Error('no file')
    await first.file.release()
    expect(await waiting).toMatchObject({ name: 'c', size: 30 })
    expect(await drain.next()).toMatchObject({ value: { type: 'file', file: { name: 'c' } } })
  })

  test('a drainer that leaves without a word fails who waits for it', async () => {
    const both = await begin('r1', { settingNames: { budget: 'staging.budget' } })
    await both.stage.write({ item: 'i', name: 'a' }, bytes(Buffer.alloc(50)))
    await both.stage.write({ item: 'i', name: 'b' }, bytes(Buffer.alloc(40)))
    const waiting = expect(both.stage.write({ item: 'i', name: 'c' }, bytes(Buffer.alloc(30)))).rejects.toMatchObject({
      code: 'OUT_OF_SPACE',
      hint: expect.stringContaining('raise staging.budget'),
    })
    for await (const event of both.contents.drain()) if (event.type === 'pressure') break
    await waiting
  })

  test('a drainer that gives up fails only who has to wait', async () => {
    const both = await begin()
    const cause = new BackupError('the store is gone', { code: 'UNREACHABLE' })
    await both.stage.write({ item: 'i', name: 'a' }, bytes(Buffer.alloc(50)))
    both.stopDraining(cause)
    await both.stage.write({ item: 'i', name: 'b' }, bytes(Buffer.alloc(50)))
    await expect(both.stage.write({ item: 'i', name: 'c' }, bytes(Buffer.alloc(1)))).rejects.toBe(cause)
    await both.stage.sealItem({ item: 'i', facts: {} })
    await both.stage.seal(facts)
    expect(both.sealed).toBe(true)
  })

  test('a capture that fails makes the drain throw, and nothing can be sealed', async () => {
    const both = await begin()
    const cause = new BackupError('lost', { code: 'INCONSISTENT' })
    const next = both.contents.drain()[Symbol.asyncIterator]().next()
    both.stopFilling(cause)
    await expect(next).rejects.toBe(cause)
    await expect(both.stage.write({ item: 'i', name: 'a' }, bytes('1'))).rejects.toBe(cause)
    await expect(both.stage.seal(facts)).rejects.toBe(cause)
  })

  test('an abort ends a drain that waits', async () => {
    const both = await begin()
    const controller = new AbortController()
    const next = both.contents.drain({ signal: controller.signal })[Symbol.asyncIterator]().next()
    controller.abort()
    await expect(next).rejects.toMatchObject({ code: 'ABORTED' })
  })

  test('files of a failed item that nobody has seen are not offered, and their room is free', async () => {
    const both = await begin()
    await both.stage.write({ item: 'i', name: 'a' }, bytes(Buffer.alloc(50)))
    await both.stage.write({ item: 'i', name: 'b' }, bytes(Buffer.alloc(50)))
    await both.stage.failItem('i', { code: 'APPLICATION', message: 'broken' })
    await both.stage.write({ item: 'j', name: 'a' }, bytes(Buffer.alloc(50)))
    await both.stage.sealItem({ item: 'j', facts: {} })
    await both.stage.seal(facts)
    const seen: string[] = []
    for await (const event of both.contents.drain()) seen.push(event.type === 'file' ? event.file.item : event.type)
    expect(seen).toEqual(['item-failed', 'j', 'item', 'sealed'])
  })

  test('a file that is being written for an item that fails meanwhile is given up', async () => {
    const both = await begin()
    const go = Promise.withResolvers<void>()
    const content = async function* () {
      yield Buffer.from('1')
      await go.promise
    }
    const writing = both.stage.write({ item: 'i', name: 'a' }, content())
    await until(async () => (await readdir(await both.stage.folder('i'))).length === 1)
    await both.stage.failItem('i', { code: 'APPLICATION', message: 'broken' })
    go.resolve()
    await expect(writing).rejects.toMatchObject({ code: 'APPLICATION' })
    expect(await readdir(path.join(both.stage.directory, 'i'))).toEqual([])
  })

  test('a staged file that changed is CORRUPTED, whole or in part', async () => {
    const both = await begin()
    await both.stage.write({ item: 'i', name: 'a' }, bytes('123456'))
    const { value } = await both.contents.drain()[Symbol.asyncIterator]().next()
    if (value?.type !== 'file') throw new Error('no file')
    expect(await text(value.file.open({ begin: 2, end: 4 }))).toBe('34')
    const file = path.join(both.stage.directory, 'i', 'a')
    await writeFile(file, '12345X')
    await utimes(file, new Date(0), new Date(0))
    await expect(text(value.file.open())).rejects.toMatchObject({ code: 'CORRUPTED' })
    await expect(text(value.file.open({ begin: 0, end: 2 }))).rejects.toMatchObject({ code: 'CORRUPTED' })
    await writeFile(file, '12345')
    await expect(text(value.file.open())).rejects.toThrow('5 bytes instead of 6')
    await rm(file)
    await expect(text(value.file.open())).rejects.toMatchObject({ code: 'CORRUPTED' })
  })
})

test.each([
  ['begin', (of: Staging) => of.begin(run())],
  ['resumable', (of: Staging) => of.resumable('shop')[Symbol.asyncIterator]().next()],
] as const)('%s says so when a file is where the directory should be', async (_, act) => {
  const file = path.join(directory, 'file')
  await writeFile(file, 'kept')
  for (const place of [file, path.join(file, 'below')]) {
    await expect(act(staging({ directory: place }))).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining(place),
      hint: expect.stringContaining('Choose another directory'),
    })
  }
  expect(await readFile(file, 'utf8')).toBe('kept')
})

describe('one run of a job at a time', () => {
  test('a second one in the same process is a CONFLICT, with the same or another staging object', async () => {
    const first = await begin()
    await expect(staging().begin(run('r2'))).rejects.toMatchObject({ code: 'CONFLICT', hint: expect.stringContaining('Wait') })
    await first[Symbol.asyncDispose]()
    await begin('r2')
  })

  test('another job is free', async () => {
    await begin()
    const other = await staging().begin({ ...run(), job: 'other' })
    opened.push(other)
    expect(other.run.job).toBe('other')
  })

  test('what is not a stage is left alone', async () => {
    await mkdir(path.join(directory, 'shop', 'important'), { recursive: true })
    await writeFile(path.join(directory, 'shop', 'important', 'file'), 'keep')
    await begin()
    expect(await readFile(path.join(directory, 'shop', 'important', 'file'), 'utf8')).toBe('keep')
  })

  test('leftover sealed stages count against the budget', async () => {
    const first = await begin()
    await first.stage.write({ item: 'i', name: 'a' }, bytes(Buffer.alloc(50)))
    await first.stage.write({ item: 'i', name: 'b' }, bytes(Buffer.alloc(50)))
    await first.stage.sealItem({ item: 'i', facts: {} })
    await first.stage.seal(facts)
    await first[Symbol.asyncDispose]()
    await expect(begin('r2')).rejects.toMatchObject({ code: 'OUT_OF_SPACE' })
  })
})
