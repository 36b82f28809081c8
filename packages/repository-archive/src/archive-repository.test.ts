import { randomBytes } from 'node:crypto'
import { createMemoryUploader } from '@backup-planet/core/testing'
import { describe, expect, it, vi } from 'vitest'
import { testIdentity as identity, testRecipient as recipient } from './__fixtures__/test-identity.ts'
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
  testRun,
} from './__fixtures__/test-stage.ts'
import { createArchiveRepository } from './archive-repository.ts'
import { type ArchiveSettings, archiveFormats } from './archive-settings.ts'
import { collect } from './byte-streams.ts'

// Starting a process a hundred times would take most of the time here; passphrase-process.test.ts and e2e/ do start it.
vi.mock('./passphrase-process-start.ts', async () => ({ inProcess: (await import('./passphrase-task.ts')).performTask }))

const encryptions: Record<string, Pick<ArchiveSettings, 'encryption' | 'identities'>> = {
  plain: {},
  recipients: { encryption: { recipients: [recipient] }, identities: [identity] },
  passphrase: { encryption: { passphrase: 'correct horse', workFactor: 8 } },
}

const files: TestFile[] = [
  { item: 'shop', name: 'metadata', bytes: Buffer.from('position 1') },
  { item: 'shop', name: 'empty', bytes: Buffer.alloc(0) },
  { item: 'shop', name: 'data/rows.00000.zst', bytes: randomBytes(300_000) },
  { item: 'shop', name: 'xy:z', bytes: Buffer.from('colon') },
  { item: 'Shop', name: 'metadata', bytes: Buffer.from('another database') },
  { item: 'shop.002', name: `long/${'n'.repeat(200)}`, bytes: Buffer.alloc(70_000, 'a') },
  { item: 'größe 漢', name: "odd 'name'\n\"$(id)` é", bytes: Buffer.alloc(1000, 'b') },
]

const matrix = archiveFormats.flatMap((format) => Object.entries(encryptions).map(([name, encryption]) => ({ format, name, encryption })))

describe.each(matrix)('$format, $name', ({ format, encryption }) => {
  const settings = { format, ...encryption, volumeBytes: 100_000 }

  it('gives back exactly what was stored, in stored order', async () => {
    const uploader = createMemoryUploader()
    const repository = createArchiveRepository({ uploader, ...settings })
    const stage = stageOf(files)
    const stored = await storeStage(repository, stage)
    expect(stage.released.size).toBe(files.length)
    expect(await listed(repository)).toEqual([stored])
    const read = await readAll(repository, stored)
    expect([...read.keys()].sort()).toEqual(files.map((file) => JSON.stringify([file.item, file.name])).sort())
    for (const { item, name, bytes } of files) expect(read.get(JSON.stringify([item, name]))?.equals(bytes), name).toBe(true)
    const inventory = await repository.inventory(stored)
    expect(inventory.flatMap(({ item, files: inside }) => (inside ?? []).map(({ name }) => [item, name])).sort()).toEqual(
      files.map(({ item, name }) => [item, name]).sort(),
    )
    expect(inventory[0]?.files?.map(({ name }) => name)).toEqual(files.filter(({ item }) => item === 'shop').map(({ name }) => name))
  })

  it('opens single files and ranges', async () => {
    const repository = createArchiveRepository({ uploader: createMemoryUploader(), ...settings })
    const stored = await storeStage(repository, stageOf(files))
    const rows = files[2] as TestFile
    expect((await collect(repository.open(stored, rows))).equals(rows.bytes)).toBe(true)
    const ranges = [
      { begin: 0, end: 1 },
      { begin: 65_530, end: 65_550 },
      { begin: 299_999 },
      { begin: 100, end: 100 },
      { begin: 400_000, end: 400_001 },
      { begin: 131_072, end: 900_000 },
    ]
    for (const range of ranges) {
      expect(
        (await collect(repository.open(stored, rows, range))).equals(rows.bytes.subarray(range.begin, range.end)),
        JSON.stringify(range),
      ).toBe(true)
    }
    await expect(collect(repository.open(stored, { item: 'shop', name: 'none' }))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('skips to the next file when a content is not read to its end', async () => {
    const repository = createArchiveRepository({ uploader: createMemoryUploader(), ...settings })
    const stored = await storeStage(repository, stageOf(files))
    const names: string[] = []
    for await (const file of repository.read(stored, () => true)) {
      names.push(file.name)
      for await (const _ of file.content) break
    }
    expect(names).toHaveLength(files.length)
  })

  it('verifies whole, and finds what is missing, cut or turned', async () => {
    const uploader = createMemoryUploader()
    const repository = createArchiveRepository({ uploader, ...settings })
    await storeStage(repository, stageOf(files))
    const findings = async (readData: boolean) => (await findingsOf(repository, { readData })).map(({ severity, code }) => code ?? severity)
    expect(await findings(true)).toEqual(['ok'])
    for (const [key, object] of [...uploader.objects]) {
      // The identity file of the job belongs to no backup: each has its own copy.
      if (key === 'shop/identity.age') continue
      uploader.objects.delete(key)
      expect(await findings(false), `${key} missing`).toEqual([key.endsWith('manifest.json') ? 'warning' : 'NOT_FOUND'])
      uploader.objects.set(key, { ...object, bytes: object.bytes.subarray(0, -1) })
      expect(await findings(false), `${key} cut`).toEqual([object.bytes.byteLength === 0 ? 'ok' : 'CORRUPTED'])
      const turned = Uint8Array.from(object.bytes)
      const at = Math.floor(turned.length / 2)
      turned[at] = (turned[at] ?? 0) ^ 4
      uploader.objects.set(key, { ...object, bytes: turned })
      expect(await findings(true), `${key} turned`).toEqual([object.bytes.byteLength === 0 ? 'ok' : 'CORRUPTED'])
      uploader.objects.set(key, object)
    }
  })
})

describe('a store', () => {
  const settings: ArchiveSettings = { volumeBytes: 1000 }
  const file = (name: string): TestFile => ({ item: 'shop', name, bytes: randomBytes(900) })
  const [a, b, c] = [file('a'), file('b'), file('c')]
  const other = { item: 'other', name: 'd', bytes: randomBytes(900) }

  it('lays archives out as documented', async () => {
    const uploader = createMemoryUploader()
    await storeStage(createArchiveRepository({ uploader, ...settings }), stageOf([a, b, other]))
    const folder = 'shop/20261122T080000000Z-full-run-1'
    expect([...uploader.objects.keys()].sort()).toEqual(
      ['RESTORE.md', 'manifest.json', 'other.tar.zst', 'shop.002.tar.zst', 'shop.tar.zst'].map((name) => `${folder}/${name}`),
    )
    expect([...uploader.objects.keys()].at(-1)).toBe(`${folder}/manifest.json`)
  })

  it('hides file names when it encrypts', async () => {
    for (const format of archiveFormats) {
      const uploader = createMemoryUploader()
      await storeStage(
        createArchiveRepository({ uploader, format, encryption: { recipients: [recipient] } }),
        stageOf([{ item: 'i', name: 'secret-table', bytes: a.bytes }]),
      )
      for (const [key, { bytes }] of uploader.objects) {
        expect(key).not.toContain('secret-table')
        expect(Buffer.from(bytes).includes('secret-table'), key).toBe(false)
      }
    }
  })

  it('closes the largest open volume under pressure', async () => {
    const uploader = createMemoryUploader()
    const small = { item: 'small', name: 's', bytes: randomBytes(10) }
    const stage = new TestStage([small, a, { type: 'pressure' }, b, itemSealed('shop'), itemSealed('small'), sealed])
    const backup = await storeStage(createArchiveRepository({ uploader }), stage)
    expect((backup.storage.archives as unknown as { files: string[] }[]).map(({ files: names }) => names)).toEqual([['a'], ['b'], ['s']])
  })

  it('drops a failed item and everything sent of it', async () => {
    const uploader = createMemoryUploader()
    const repository = createArchiveRepository({ uploader, ...settings })
    const stage = new TestStage([a, b, c, other, itemSealed('other'), itemFailed('shop'), sealed])
    const backup = await storeStage(repository, stage)
    expect(backup.status).toBe('partial')
    expect(backup.items.find(({ item }) => item === 'shop')).toEqual({
      item: 'shop',
      facts: {},
      failure: { code: 'APPLICATION', message: 'it broke' },
    })
    expect([...uploader.objects.keys()].filter((key) => key.includes('/shop.'))).toEqual([])
    expect([...(await readAll(repository, backup)).keys()]).toEqual([JSON.stringify(['other', 'd'])])
    expect(stage.released.size).toBe(4)
    expect((await findingsOf(repository, { readData: true })).map(({ severity }) => severity)).toEqual(['ok'])
  })

  it('goes on where a failed attempt stopped, and sends nothing twice', async () => {
    for (let failing = 1; failing <= 6; failing++) {
      const uploader = createMemoryUploader({ supports: { concurrency: 1 } })
      uploader.injectFault({ operation: 'upload', occurrence: failing, action: 'fail' })
      const repository = createArchiveRepository({ uploader, ...settings })
      const stage = stageOf([a, b, c, other])
      await expect(storeStage(repository, stage)).rejects.toMatchObject({ name: 'BackupError' })
      expect(await listed(repository)).toEqual([])
      const backup = await storeStage(repository, stage)
      expect(backup.items.find(({ item }) => item === 'shop')?.files?.map(({ name }) => name)).toEqual(['a', 'b', 'c'])
      expect((await readAll(repository, backup)).size).toBe(4)
      expect(stage.opened).toBeLessThanOrEqual(5)
      expect(await storeStage(repository, stage)).toEqual(backup)
    }
  })

  it('refuses to commit when an object of an earlier attempt is gone', async () => {
    const uploader = createMemoryUploader({ supports: { concurrency: 1 } })
    uploader.injectFault({ operation: 'upload', occurrence: 2, action: 'fail' })
    const repository = createArchiveRepository({ uploader, ...settings })
    const stage = stageOf([a, b])
    await expect(storeStage(repository, stage)).rejects.toThrow()
    uploader.objects.clear()
    await expect(storeStage(repository, stage)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await listed(repository)).toEqual([])
  })

  it('keeps what was sent of a sealed stage when it is aborted, since its files are gone from the stage', async () => {
    const uploader = createMemoryUploader({ supports: { concurrency: 1 } })
    uploader.injectFault({ operation: 'upload', occurrence: 2, action: 'stall' })
    const repository = createArchiveRepository({ uploader, ...settings })
    const stage = stageOf([a, b, c])
    stage.sealed = true
    const controller = new AbortController()
    const store = storeStage(repository, stage, testRun, controller.signal)
    await expect.poll(() => stage.released.size).toBe(1)
    controller.abort()
    await expect(store).rejects.toMatchObject({ code: 'ABORTED' })
    expect(uploader.objects.size).toBe(1)
    expect(await listed(repository)).toEqual([])
    expect((await readAll(repository, await storeStage(repository, stage))).size).toBe(3)
  })

  it('leaves nothing when it is aborted in the middle of a capture', async () => {
    const uploader = createMemoryUploader({ supports: { concurrency: 1 } })
    uploader.injectFault({ operation: 'upload', occurrence: 2, action: 'stall' })
    const stage = stageOf([a, b, c])
    stage.sealed = false
    const controller = new AbortController()
    const store = storeStage(createArchiveRepository({ uploader, ...settings }), stage, testRun, controller.signal)
    await expect.poll(() => stage.released.size).toBe(1)
    controller.abort()
    await expect(store).rejects.toMatchObject({ code: 'ABORTED' })
    expect(uploader.objects.size).toBe(0)
  })

  it('leaves nothing when it is aborted beforehand or the capture fails', async () => {
    const uploader = createMemoryUploader({ supports: { concurrency: 1 } })
    const repository = createArchiveRepository({ uploader, ...settings })
    const controller = new AbortController()
    const stage = new TestStage([a, b, c, itemSealed('shop')])
    stage.failure = new Error('capture broke')
    stage.sealed = false
    const sent = expect.poll(() => stage.released.size).toBe(3)
    stage.beforeFailure = sent
    await expect(storeStage(repository, stage)).rejects.toThrow('capture broke')
    await sent
    expect(uploader.objects.size).toBe(0)
    controller.abort()
    await expect(storeStage(repository, stageOf([a]), testRun, controller.signal)).rejects.toMatchObject({ code: 'ABORTED' })
    expect(uploader.objects.size).toBe(0)
  })
})
