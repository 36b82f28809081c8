import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryUploader } from '@backup-planet/core/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createMasterKey } from '../crypto/master-key.ts'
import { seal } from '../crypto/sealed-bytes.ts'
import { storageIdOf } from '../format/storage-id.ts'
import { writeNamedObject } from '../repository-objects.ts'
import { ResticSession } from '../restic-session.ts'
import { resolveResticSettings } from '../restic-settings.ts'
import { type BlobWorkers, createInlineBlobWorkers } from '../workers/blob-workers.ts'
import { openFiles } from './__fixtures__/open-files.ts'
import { ContentWriting } from './content-writing.ts'
import type { PlannedFile } from './planned-content.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'writing-'))
})

afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

const contents = ['one', 'two', 'three'].map((text) => Buffer.from(text.repeat(100)))

/** A file of each content, and one of all. */
async function place() {
  const uploader = createMemoryUploader()
  const key = createMasterKey()
  const sealed = contents.map((content) => seal(key, content))
  const pack = await writeNamedObject(uploader, 'data', Buffer.concat(sealed), {})
  let end = 0
  const blobs = contents.map((content, at) => {
    const length = sealed[at]?.byteLength ?? 0
    end += length
    const location = { type: 'data', pack, packNumber: 0, offset: end - length, length, uncompressedLength: 0 } as const
    return { id: storageIdOf(content), location }
  })
  const fileOf = (number: number, name: string, of: typeof blobs): PlannedFile => ({
    ...{ number, path: join(directory, name), shown: () => name, facts: { mode: 0o600, modifiedAt: undefined }, blobs: of },
    size: of.reduce((sum, { location }) => sum + location.length - 32, 0),
  })
  const files = [...blobs.map((blob, at) => fileOf(at, `${at}`, [blob])), fileOf(3, 'all', blobs)]
  const repository = { uploader, key, keyId: pack, config: undefined }
  return { session: new ResticSession(uploader, resolveResticSettings({ password: 'x' })), repository, files }
}

test('a blob that has another length where it lies now than where it lay is damage: what comes behind it was planned with the other', async () => {
  const { session, repository, files } = await place()
  const all = files.at(-1)
  const [one, two] = all?.blobs ?? []
  if (all === undefined || one === undefined || two === undefined) throw new TypeError('there are no blobs')
  const gone = { id: one.id, location: { ...one.location, pack: 'f'.repeat(64), length: one.location.length + 7 } }
  vi.spyOn(session, 'relocate').mockImplementation(async (id) => (id === one.id ? one.location : undefined))
  const workers = createInlineBlobWorkers({ key: repository.key, memory: undefined, compressionLevel: 0 })
  const whole: PlannedFile[] = []
  const onWhole = (file: PlannedFile) => whole.push(file)
  const writing = new ContentWriting({ session, repository, workers: [workers], options: {}, onWhole })
  await writing.begin([{ ...all, size: all.size + 7, blobs: [gone, two] }], workers)
  await expect(writing.written()).rejects.toMatchObject({ code: 'CORRUPTED', message: expect.stringContaining('it has 300 bytes') })
  await writing[Symbol.asyncDispose]()
  expect(whole).toEqual([])
  expect(await readdir(directory)).toEqual([])
})

test('files of which a worker died before it was done are removed unless they are whole, once it can write no more', async () => {
  const { session, repository, files } = await place()
  const before = openFiles()
  let ended = false
  const dying: BlobWorkers = {
    threads: 1,
    start: () => undefined,
    contentHasher: () => expect.unreachable(),
    hash: () => Promise.reject(new TypeError('nothing is hashed here')),
    seal: () => Promise.reject(new TypeError('nothing is sealed here')),
    open: () => Promise.reject(new TypeError('nothing is opened here')),
    check: () => Promise.reject(new TypeError('nothing is checked here')),
    async extract() {
      await writeFile(join(directory, '0'), contents[0] ?? '')
      await writeFile(join(directory, '1'), 'tw', { mode: 0o600 })
      await writeFile(join(directory, '2'), 'mine', { mode: 0o644 })
      throw new Error('a worker thread ended with 1')
    },
    async [Symbol.asyncDispose]() {
      // Until now the file may be written, and its descriptor must be of nobody else.
      expect(await readdir(directory)).toContain('all')
      expect(openFiles().length).toBe(before.length + (process.platform === 'linux' ? 1 : 0))
      ended = true
    },
  }
  const whole: PlannedFile[] = []
  const writing = new ContentWriting({ session, repository, workers: [dying], options: {}, onWhole: (file) => whole.push(file) })
  await writing.begin(files, dying)
  await expect(writing.written()).rejects.toThrow('a worker thread ended with 1')
  await expect(writing.begin(files, dying)).rejects.toThrow('a worker thread ended with 1')
  await writing[Symbol.asyncDispose]()
  expect(ended).toBe(true)
  expect(whole).toEqual([])
  // The last does not look like what a thread leaves: somebody else put it there.
  expect(await readdir(directory)).toEqual(['0', '2'])
  expect(await readFile(join(directory, '0'))).toEqual(contents[0])
  expect(openFiles()).toEqual(before)
})
