import { randomBytes } from 'node:crypto'
import { BackupError, type RepositoryPlugin } from '@backup-planet/core'
import { createMemoryUploader } from '@backup-planet/core/testing'
import { generateX25519Identity } from 'age-encryption'
import { describe, expect, it } from 'vitest'
import { testIdentity as identity, testRecipient as recipient } from './__fixtures__/test-identity.ts'
import { findingsOf, listed, readAll, stageOf, storeStage, type TestFile, testRun } from './__fixtures__/test-stage.ts'
import { createArchiveRepository } from './archive-repository.ts'
import { collect } from './byte-streams.ts'
import { plugin } from './index.ts'

const file: TestFile = { item: 'shop', name: 'rows', bytes: randomBytes(3000) }
const run = (number: number) => ({ ...testRun, id: `run-${number}`, beganAt: new Date(Date.UTC(2026, 0, number)).toISOString() })

describe('a host without the secret key', () => {
  it('stores, lists and checks objects, and says which setting it needs to read', async () => {
    const uploader = createMemoryUploader()
    const writer = createArchiveRepository({ uploader, encryption: { recipients: [recipient] } })
    expect(writer.supports.read).toBe(false)
    const backup = await storeStage(writer, stageOf([file]))
    expect(await listed(writer)).toEqual([backup])
    const refused = { code: 'WRONG_CREDENTIALS', hint: expect.stringContaining('identities') }
    await expect(writer.inventory(backup)).rejects.toMatchObject(refused)
    await expect(collect(writer.open(backup, file))).rejects.toMatchObject(refused)
    await expect(readAll(writer, backup)).rejects.toMatchObject(refused)
    expect((await findingsOf(writer, { readData: true })).map(({ severity, code }) => code ?? severity)).toEqual([
      'WRONG_CREDENTIALS',
      'ok',
    ])
    const other = createArchiveRepository({ uploader, identities: [await generateX25519Identity()] })
    await expect(readAll(other, backup)).rejects.toMatchObject(refused)
    const owner = createArchiveRepository({ uploader, identities: [`# created: today\n# public key: ${recipient}\n${identity}\n`] })
    expect((await readAll(owner, backup)).size).toBe(1)
  })

  it('still finds a turned bit in an object it cannot decrypt', async () => {
    const uploader = createMemoryUploader()
    const writer = createArchiveRepository({ uploader, encryption: { recipients: [recipient] } })
    await storeStage(writer, stageOf([file]))
    const key = [...uploader.objects.keys()].find((candidate) => candidate.endsWith('shop.tar.zst.age')) ?? ''
    const object = uploader.objects.get(key)
    if (object === undefined) throw new Error('not stored')
    const bytes = Uint8Array.from(object.bytes)
    bytes[2000] = (bytes[2000] ?? 0) ^ 1
    uploader.objects.set(key, { ...object, bytes })
    expect((await findingsOf(writer, { readData: true })).map(({ severity, code }) => [severity, code])).toContainEqual([
      'error',
      'CORRUPTED',
    ])
  })
})

it('lists many backups in order with few downloads at once', async () => {
  const uploader = createMemoryUploader({ supports: { concurrency: 3 } })
  const repository = createArchiveRepository({ uploader })
  for (const number of [5, 2, 9, 1, 7, 3, 8, 4, 6]) await storeStage(repository, stageOf([file]), run(number))
  let running = 0
  let most = 0
  const counting = {
    ...uploader,
    async *download(...parameters: Parameters<typeof uploader.download>) {
      most = Math.max(most, ++running)
      try {
        yield* uploader.download(...parameters)
      } finally {
        running--
      }
    },
  }
  const backups = await listed(createArchiveRepository({ uploader: counting }))
  expect(backups.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9].map((number) => `run-${number}`))
  expect(most).toBe(3)
})

it('reads no record of a backup that began before the moment that is asked for', async () => {
  const uploader = createMemoryUploader()
  const repository = createArchiveRepository({ uploader })
  const stored = []
  for (const number of [1, 2, 3, 4]) stored.push(await storeStage(repository, stageOf([file]), run(number)))
  const before = uploader.calls.download
  const found = []
  for await (const backup of repository.list({ job: stored[0]?.job ?? '', beganSince: stored[2]?.beganAt ?? '' })) found.push(backup)
  expect(found).toEqual(stored.slice(2))
  expect(uploader.calls.download - before).toBe(2)
})

it('finds a backup by its whole id only', async () => {
  const repository = createArchiveRepository({ uploader: createMemoryUploader() })
  await storeStage(repository, stageOf([file]), { ...run(1), id: 'a-b' })
  const wanted = await storeStage(repository, stageOf([file]), { ...run(2), id: 'b' })
  expect((await findingsOf(repository, { id: 'b' })).map(({ backup }) => backup)).toEqual(['b'])
  const found = []
  for await (const backup of repository.list({ id: 'b' })) found.push(backup)
  expect(found).toEqual([wanted])
})

it('lets nothing but its own folders be listed, verified or removed', async () => {
  const uploader = createMemoryUploader()
  const strangers = [
    'readme.txt',
    'shop/notes.txt',
    'shop/2026/manifest.json',
    'other/deep/manifest.json',
    '20261122T080000000Z-x/manifest.json',
  ]
  for (const key of strangers)
    await uploader.upload(key, {
      open: async function* () {
        yield Buffer.from('{}')
      },
    })
  const repository = createArchiveRepository({ uploader })
  expect(await listed(repository)).toEqual([])
  expect(await findingsOf(repository, { readData: true })).toEqual([])
  expect(await repository.removeUnfinished({ olderThanSeconds: -10 })).toEqual({ removed: [], bytes: 0, retained: [] })
  expect([...uploader.objects.keys()]).toEqual(strangers)
})

describe('removal', () => {
  it('takes the manifest first and everything of the backup, and nothing of another', async () => {
    const uploader = createMemoryUploader()
    const repository = createArchiveRepository({ uploader })
    const first = await storeStage(repository, stageOf([file]), run(1))
    const second = await storeStage(repository, stageOf([file]), run(2))
    const bytes = [...uploader.objects].reduce((total, [key, object]) => total + (key.includes('run-1/') ? object.bytes.byteLength : 0), 0)
    const order: string[] = []
    const watched = {
      ...uploader,
      remove: async (key: string) => {
        order.push(key.split('/')[2] ?? '')
        await uploader.remove(key)
      },
    }
    expect(await createArchiveRepository({ uploader: watched }).remove([first])).toEqual({ removed: ['run-1'], bytes, retained: [] })
    expect(order[0]).toBe('manifest.json')
    expect(await listed(repository)).toEqual([second])
    expect([...uploader.objects.keys()].every((key) => key.includes('run-2/'))).toBe(true)
  })

  it('keeps a backup whole when the store locks its manifest, and says why', async () => {
    const uploader = createMemoryUploader()
    const repository = createArchiveRepository({ uploader })
    const backup = await storeStage(repository, stageOf([file]))
    uploader.injectFault({
      operation: 'remove',
      occurrence: 1,
      action: 'fail',
      error: new BackupError('object is locked until 2027', { code: 'ACCESS_DENIED' }),
    })
    const report = await repository.remove([backup])
    expect(report).toEqual({
      removed: [],
      bytes: 0,
      retained: [{ key: expect.stringContaining('/manifest.json'), reason: 'object is locked until 2027' }],
    })
    expect((await findingsOf(repository, { readData: true })).map(({ severity }) => severity)).toEqual(['ok'])
    uploader.injectFault({ operation: 'remove', occurrence: 2, action: 'fail' })
    await expect(repository.remove([backup])).rejects.toMatchObject({ code: 'UNREACHABLE' })
  })

  it('goes through folders of any number of objects', async () => {
    const uploader = createMemoryUploader()
    const modifiedAt = new Date(0).toISOString()
    const many: typeof uploader = {
      ...uploader,
      async *list() {
        for (let number = 0; number < 200_000; number++) {
          yield { key: `shop/20261122T080000000Z-full-many/shop/${number}`, size: 1, modifiedAt }
        }
      },
    }
    const report = await createArchiveRepository({ uploader: many }).removeUnfinished({ olderThanSeconds: -60 })
    expect(report).toMatchObject({ removed: ['shop/20261122T080000000Z-full-many'], bytes: 200_000 })
  })

  it('takes unfinished runs that are old enough, by the clock of the store', async () => {
    let now = Date.now() - 7_200_000
    const uploader = createMemoryUploader({ now: () => new Date(now) })
    const repository = createArchiveRepository({ uploader, volumeBytes: 1000 })
    const kept = await storeStage(repository, stageOf([file]), run(1))
    for (const [number, job] of [
      [2, 'shop'],
      [3, 'other'],
    ] as const) {
      uploader.injectFault({ operation: 'upload', occurrence: uploader.calls.upload + 2, action: 'fail' })
      await expect(storeStage(repository, stageOf([file]), { ...run(number), job })).rejects.toThrow()
    }
    expect((await findingsOf(repository, {})).map(({ severity }) => severity).sort()).toEqual(['ok', 'warning', 'warning'])
    expect(
      (await repository.removeUnfinished({ olderThanSeconds: 3600 })).removed,
      'a clock that is ahead of the store makes nothing old',
    ).toEqual([])
    now = Date.now()
    const newest = await storeStage(repository, stageOf([file]), run(4))
    expect((await repository.removeUnfinished({ olderThanSeconds: 10_000 })).removed).toEqual([])
    const ofJob = await repository.removeUnfinished({ olderThanSeconds: 3600, job: 'shop' })
    expect(ofJob.removed).toEqual([expect.stringContaining('run-2')])
    expect(ofJob.bytes).toBeGreaterThan(0)
    expect((await repository.removeUnfinished({ olderThanSeconds: 3600 })).removed).toEqual([expect.stringContaining('run-3')])
    expect(await listed(repository)).toEqual([kept, newest])
    expect((await readAll(repository, kept)).size).toBe(1)
  })
})

it('commits nothing whose objects are gone from the store by then, or are not as they were sent', async () => {
  for (const [spoil, code] of [
    [(uploader: ReturnType<typeof createMemoryUploader>, key: string) => uploader.remove(key), 'NOT_FOUND'],
    [
      (uploader: ReturnType<typeof createMemoryUploader>, key: string) =>
        uploader.upload(key, {
          open: async function* () {
            yield Buffer.from('half')
          },
        }),
      'CORRUPTED',
    ],
  ] as const) {
    const uploader = createMemoryUploader()
    const meddling = {
      ...uploader,
      async upload(...[key, content, options]: Parameters<typeof uploader.upload>) {
        const remote = await uploader.upload(key, content, options)
        // RESTORE.md goes up after the volumes and before the manifest.
        const volume = [...uploader.objects.keys()].find((candidate) => candidate.endsWith('.tar.zst'))
        if (key.endsWith('RESTORE.md') && volume !== undefined) await spoil(uploader, volume)
        return remote
      },
    }
    const repository = createArchiveRepository({ uploader: meddling })
    await expect(storeStage(repository, stageOf([file]))).rejects.toMatchObject({ code, hint: expect.stringContaining('who else writes') })
    expect(await listed(repository)).toEqual([])
  }
})

describe('settings', () => {
  const create = (settings: unknown) => () => plugin.create(createMemoryUploader(), settings)

  it('are refused when they are wrong, all at once, without showing a secret', () => {
    const wrong: [unknown, RegExp][] = [
      [{ fromat: 'zip' }, /unknown key "fromat".*did you mean "format"/],
      [{ format: 'rar', volumeBytes: 0, compressionLevel: 1.5 }, /format.*volumeBytes.*compressionLevel/],
      [{ format: 'zip', compressionLevel: 10 }, /at most 9/],
      [{ format: 'files', compressionLevel: 1 }, /no meaning/],
      [{ encryption: {} }, /either recipients or a passphrase/],
      [{ encryption: { recipients: [recipient], passphrase: 'hush-hush' } }, /either recipients or a passphrase/],
      [{ encryption: { recipients: [] } }, /at least one/],
      [{ encryption: { recipients: ['age1hush-hush'] } }, /not an age recipient/],
      [{ encryption: { recipients: [recipient], workFactor: 10 } }, /beside a passphrase/],
      [{ identities: ['AGE-SECRET-KEY-1HUSH-HUSH'] }, /not an age identity/],
      [{ identities: [recipient] }, /not an age identity/],
    ]
    for (const [settings, message] of wrong) {
      expect(create(settings), JSON.stringify(settings)).toThrow(message)
      expect(create(settings)).toThrow(expect.objectContaining({ code: 'INVALID_SETTINGS', message: expect.not.stringMatching(/hush/i) }))
    }
  })

  it('may be left out', () => {
    expect((plugin satisfies RepositoryPlugin).kind).toBe('archive')
    for (const settings of [undefined, null, {}]) expect(create(settings)().supports).toEqual({ read: true, deduplicates: false })
  })
})
