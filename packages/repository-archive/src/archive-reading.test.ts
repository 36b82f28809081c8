import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Uploader, withRetry } from '@backup-planet/core'
import { createMemoryUploader, type MemoryUploader } from '@backup-planet/core/testing'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testIdentity as identity, testRecipient } from './__fixtures__/test-identity.ts'
import {
  findingsOf,
  itemFailed,
  itemSealed,
  listed,
  readAll,
  sealed,
  stageOf,
  storeStage,
  type TestFile,
  TestStage,
} from './__fixtures__/test-stage.ts'
import { largestManifest } from './archive-manifest.ts'
import { createArchiveRepository } from './archive-repository.ts'
import { type ArchiveSettings, archiveFormats } from './archive-settings.ts'
import { collect, sha256Of } from './byte-streams.ts'

const encryption = { encryption: { recipients: [testRecipient] }, identities: [identity] }
const files: TestFile[] = [
  { item: 'shop', name: 'a', bytes: randomBytes(150_000) },
  { item: 'shop', name: 'b', bytes: Buffer.alloc(200_000, 'b') },
  { item: 'other', name: 'c', bytes: randomBytes(10) },
]

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'archive-reading-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

function put(uploader: MemoryUploader, key: string, bytes: Uint8Array): void {
  uploader.objects.set(key, { bytes, modifiedAt: new Date().toISOString(), sha256: sha256Of(bytes) })
}

/** An uploader that reads whole objects only, and tells what is read. */
function wholeOnly(uploader: MemoryUploader, downloads: string[] = []): Uploader {
  return {
    ...uploader,
    supports: { ...uploader.supports, rangeRead: false },
    download(key, range, options) {
      if (range !== undefined) throw new TypeError('ranges cannot be read here')
      downloads.push(key)
      return uploader.download(key, undefined, options)
    },
  }
}

describe('readGuide', () => {
  it('gives the RESTORE.md that was stored, and never a damaged one', async () => {
    const uploader = createMemoryUploader()
    const repository = createArchiveRepository({ uploader, ...encryption })
    const backup = await storeStage(repository, stageOf(files))
    const key = [...uploader.objects.keys()].find((candidate) => candidate.endsWith('/RESTORE.md')) ?? ''
    const bytes = Buffer.from(uploader.objects.get(key)?.bytes ?? [])
    expect(await repository.readGuide?.(backup)).toBe(bytes.toString())
    expect(await createArchiveRepository({ uploader }).readGuide?.(backup)).toContain('Load the files.')
    for (const damaged of [bytes.subarray(1), Buffer.concat([bytes, bytes]), Buffer.from(bytes.toString().replace('age', 'agf'))]) {
      put(uploader, key, damaged)
      await expect(repository.readGuide?.(backup)).rejects.toMatchObject({ code: 'CORRUPTED' })
    }
    uploader.objects.delete(key)
    await expect(repository.readGuide?.(backup)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(repository.readGuide?.(backup, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
  })
})

describe.each(archiveFormats.flatMap((format) => [true, false].map((encrypted) => ({ format, encrypted }))))(
  '$format (encrypted: $encrypted)',
  ({ format, encrypted }) => {
    const settings = (): ArchiveSettings => ({
      format,
      volumeBytes: 160_000,
      temporaryDirectory: directory,
      ...(encrypted ? encryption : {}),
    })

    it('verifies every byte with one download of each object, and leaves nothing on the disk', async () => {
      const uploader = createMemoryUploader()
      await storeStage(createArchiveRepository({ uploader, ...settings() }), stageOf(files))
      const before = uploader.calls.download
      const bytes: number[] = []
      const findings = []
      const repository = createArchiveRepository({ uploader, ...settings() })
      for await (const finding of repository.verify(
        { readData: true },
        { onProgress: (event) => event.type === 'bytes' && bytes.push(event.bytes) },
      ))
        findings.push(finding)
      expect(findings).toMatchObject([{ severity: 'ok', message: expect.stringContaining('every byte of every file') }])
      expect(uploader.calls.download - before).toBe(uploader.objects.size)
      const manifest = [...uploader.objects].find(([key]) => key.endsWith('/manifest.json'))?.[1].bytes.byteLength ?? 0
      const all = [...uploader.objects.values()].reduce((total, object) => total + object.bytes.byteLength, 0)
      expect(bytes.reduce((total, next) => total + next, 0)).toBe(all - manifest)
      expect(await readdir(directory)).toEqual([])
    })

    it('is read where ranges cannot be read, and leaves nothing on the disk', async () => {
      const uploader = createMemoryUploader()
      const backup = await storeStage(createArchiveRepository({ uploader, ...settings() }), stageOf(files))
      const repository = createArchiveRepository({ uploader: wholeOnly(uploader), ...settings() })
      const read = await readAll(repository, backup)
      for (const { item, name, bytes } of files) expect(read.get(JSON.stringify([item, name]))?.equals(bytes), name).toBe(true)
      const [file] = files as [TestFile]
      expect(
        (await collect(repository.open(backup, file, { begin: 70_000, end: 70_010 }))).equals(file.bytes.subarray(70_000, 70_010)),
      ).toBe(true)
      for await (const opened of repository.read(backup, () => true)) {
        for await (const _ of opened.content) break
        break
      }
      expect((await findingsOf(repository, { readData: true })).map(({ severity }) => severity)).toEqual(['ok'])
      await expect.poll(() => readdir(directory)).toEqual([])
    })

    it('is sent right by an upload that is tried again', async () => {
      const memory = createMemoryUploader({ supports: { concurrency: 1 } })
      memory.injectFault({ operation: 'upload', occurrence: encrypted ? 1 : 2, action: 'fail-half-way' })
      const uploader = withRetry(memory, { attempts: 3, firstDelayMs: 1 })
      const repository = createArchiveRepository({ uploader, ...settings() })
      const backup = await storeStage(repository, stageOf(files))
      expect(memory.calls.upload).toBeGreaterThan(memory.objects.size)
      expect((await readAll(repository, backup)).size).toBe(files.length)
      expect((await findingsOf(repository, { readData: true })).map(({ severity }) => severity)).toEqual(['ok'])
    })
  },
)

it.each([true, false])('never keeps more of a zip on the disk than was stored (encrypted: %s)', async (encrypted) => {
  const memory = createMemoryUploader()
  const settings: ArchiveSettings = { format: 'zip', temporaryDirectory: directory, ...(encrypted ? encryption : {}) }
  const backup = await storeStage(createArchiveRepository({ uploader: memory, ...settings }), stageOf(files))
  let read = 0
  const endless: Uploader = {
    ...memory,
    supports: { ...memory.supports, rangeRead: false },
    async *download(key, range, options) {
      yield* memory.download(key, range, options)
      if (/\.zip(\.age)?$/.test(key)) for (; ; read++) yield randomBytes(4096)
    },
  }
  await expect(readAll(createArchiveRepository({ uploader: endless, ...settings }), backup)).rejects.toMatchObject({ code: 'CORRUPTED' })
  expect(read).toBeLessThan(50)
  await expect.poll(() => readdir(directory)).toEqual([])
})

it('names the setting when a zip cannot be kept where it shall be read from', async () => {
  const uploader = createMemoryUploader()
  const temporaryDirectory = path.join(directory, 'not', 'there')
  const repository = createArchiveRepository({ uploader, format: 'zip', ...encryption, temporaryDirectory })
  const backup = await storeStage(repository, stageOf(files))
  await expect(readAll(repository, backup)).rejects.toMatchObject({
    code: 'NOT_FOUND',
    hint: expect.stringContaining('temporaryDirectory'),
  })
})

describe('a manifest', () => {
  const manifestKey = 'shop/20261122T080000000Z-full-run-1/manifest.json'

  it('that is far too large by its listing is not downloaded', async () => {
    const memory = createMemoryUploader()
    await storeStage(createArchiveRepository({ uploader: memory }), stageOf(files))
    const huge = largestManifest + 1
    const uploader: Uploader = {
      ...memory,
      async *list(prefix, options) {
        for await (const object of memory.list(prefix, options)) yield object.key === manifestKey ? { ...object, size: huge } : object
      },
      stat: async (key, options) => {
        const found = await memory.stat(key, options)
        return found === undefined ? undefined : { ...found, size: huge }
      },
    }
    const before = memory.calls.download
    const problems: string[] = []
    const repository = createArchiveRepository({ uploader })
    expect(await listed(repository, problems)).toEqual([])
    expect(problems).toEqual(['CORRUPTED'])
    await expect(storeStage(repository, stageOf(files))).rejects.toMatchObject({ code: 'CORRUPTED' })
    expect(memory.calls.download).toBe(before)
  })

  it('that goes on behind its listed size is not read on', async () => {
    const memory = createMemoryUploader()
    await storeStage(createArchiveRepository({ uploader: memory }), stageOf(files))
    let read = 0
    const uploader: Uploader = {
      ...memory,
      async *download() {
        for (; ; read++) yield Buffer.alloc(4096, ' ')
      },
    }
    const problems: string[] = []
    expect(await listed(createArchiveRepository({ uploader }), problems)).toEqual([])
    expect(problems).toEqual(['CORRUPTED'])
    expect(read).toBeLessThan(10)
  })
})

describe('a store that is tried again', () => {
  it('commits without a failed item of which something was sent, although its first commit failed', async () => {
    const uploader = createMemoryUploader({ supports: { concurrency: 1 } })
    const repository = createArchiveRepository({ uploader, volumeBytes: 1 })
    const stage = new TestStage([...files, itemSealed('other'), itemFailed('shop'), sealed])
    uploader.injectFault({ operation: 'upload', occurrence: 4, action: 'fail' })
    await expect(storeStage(repository, stage)).rejects.toMatchObject({ name: 'BackupError' })
    const backup = await storeStage(repository, stage)
    expect(backup.status).toBe('partial')
    expect([...uploader.objects.keys()].filter((key) => key.includes('/shop.'))).toEqual([])
    expect((await findingsOf(repository, { readData: true })).map(({ severity }) => severity)).toEqual(['ok'])
  })

  it('goes on encrypting for whom it began with, whatever the settings say by then', async () => {
    const other = await generateX25519Identity()
    const later: ArchiveSettings[] = [
      {},
      { encryption: { recipients: [await identityToRecipient(other)] } },
      { encryption: { passphrase: 'later', workFactor: 8 } },
    ]
    for (const settings of later) {
      const uploader = createMemoryUploader({ supports: { concurrency: 1 } })
      uploader.injectFault({ operation: 'upload', occurrence: 2, action: 'fail' })
      const stage = stageOf(files)
      await expect(storeStage(createArchiveRepository({ uploader, volumeBytes: 1, ...encryption }), stage)).rejects.toThrow()
      const backup = await storeStage(createArchiveRepository({ uploader, volumeBytes: 1, ...settings }), stage)
      expect((await readAll(createArchiveRepository({ uploader, identities: [identity] }), backup)).size).toBe(files.length)
      for (const [key, { bytes }] of uploader.objects)
        if (key.endsWith('.age')) expect(Buffer.from(bytes).toString('latin1')).toMatch(/^age-encryption/)
      expect([...uploader.objects.keys()].some((key) => key.endsWith('identity.age'))).toBe(false)
    }
  })

  it('needs no passphrase to go on, and is opened by the one that it began with', async () => {
    const uploader = createMemoryUploader({ supports: { concurrency: 1 } })
    uploader.injectFault({ operation: 'upload', occurrence: 4, action: 'fail' })
    const stage = stageOf(files)
    const first: ArchiveSettings = { volumeBytes: 1, encryption: { passphrase: 'first', workFactor: 8 } }
    await expect(storeStage(createArchiveRepository({ uploader, ...first }), stage)).rejects.toThrow()
    const changed = createArchiveRepository({ uploader, volumeBytes: 1, encryption: { passphrase: 'second', workFactor: 8 } })
    const backup = await storeStage(changed, stage)
    expect((await readAll(createArchiveRepository({ uploader, ...first }), backup)).size).toBe(files.length)
    await expect(readAll(changed, backup)).rejects.toMatchObject({ code: 'WRONG_CREDENTIALS' })
  })
})
