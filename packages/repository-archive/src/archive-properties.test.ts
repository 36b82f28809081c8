import { type Backup, BackupError, type StageEvent } from '@backup-planet/core'
import { oddNames } from '@backup-planet/core/conformance'
import { createMemoryUploader, sampleBytes } from '@backup-planet/core/testing'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { testIdentity as identity, testRecipient as recipient } from './__fixtures__/test-identity.ts'
import {
  findingsOf,
  itemFailed,
  itemSealed,
  listed,
  readAll,
  sealed,
  storeStage,
  type TestFile,
  TestStage,
} from './__fixtures__/test-stage.ts'
import { createArchiveRepository } from './archive-repository.ts'
import { type ArchiveSettings, archiveFormats } from './archive-settings.ts'

// Starting a process a hundred times would take most of the time here; passphrase-process.test.ts and e2e/ do start it.
vi.mock('./passphrase-process-start.ts', async () => ({ inProcess: (await import('./passphrase-task.ts')).performTask }))

/** `BACKUP_PLANET_ARCHIVE_COUNT` scenarios of each kind; a failure prints its seed, and `BACKUP_PLANET_SEED` goes through the same ones again. */
const runs = {
  numRuns: wholeNumber('BACKUP_PLANET_ARCHIVE_COUNT') ?? (process.env.BACKUP_PLANET_SWEEP === '1' ? 100 : 12),
  seed: wholeNumber('BACKUP_PLANET_SEED') ?? Date.now() % 2 ** 31,
}

/** Half a minute, and a few seconds a scenario. */
const patience = 30_000 + runs.numRuns * 4000

function wholeNumber(name: string): number | undefined {
  const text = process.env[name]
  if (text === undefined || text === '') return undefined
  if (!/^\d+$/.test(text)) throw new TypeError(`${name} must be a whole number`)
  return Number(text)
}

const safeNames = oddNames.filter((name) => Buffer.byteLength(name) <= 255 && !/[/\\]/.test(name))
const item = fc.constantFrom('shop', 'Shop', 'shop.002', 'RESTORE.md', '漢 größe', '-x')
const size = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 70_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 21 }) },
)
const name = fc.array(fc.constantFrom(...safeNames), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))

const settings: fc.Arbitrary<ArchiveSettings> = fc.record({
  format: fc.constantFrom(...archiveFormats),
  volumeBytes: fc.oneof(fc.constant(1), fc.integer({ min: 1000, max: 300_000 })),
  encryption: fc.constantFrom<ArchiveSettings['encryption']>(undefined, { recipients: [recipient] }, { passphrase: 'pass', workFactor: 8 }),
  identities: fc.constant([identity]),
})

interface Scenario {
  readonly files: readonly TestFile[]
  readonly failed: ReadonlySet<string>
  readonly stage: () => TestStage
  readonly settings: ArchiveSettings
  readonly concurrency: number
}

/** Files of several items interleaved, with pressure anywhere, each item sealed or failed at some time after its last file. */
const scenario: fc.Arbitrary<Scenario> = fc
  .record({
    files: fc.uniqueArray(fc.record({ item, name, size }), {
      minLength: 0,
      maxLength: 9,
      selector: (file) => JSON.stringify([file.item, file.name]),
    }),
    failed: fc.uniqueArray(item, { maxLength: 2 }),
    pressure: fc.array(fc.nat(12), { maxLength: 4 }),
    late: fc.boolean(),
    settings,
    concurrency: fc.integer({ min: 1, max: 4 }),
    seed: fc.nat(),
  })
  .map(({ files: planned, failed, pressure, late, settings: chosen, concurrency, seed }) => {
    const files = withoutClashes(planned).map((file, index) => ({
      item: file.item,
      name: file.name,
      bytes: sampleBytes(file.size, seed + index),
    }))
    const failedItems = new Set<string>(failed)
    const events: (StageEvent | TestFile)[] = []
    const end = (ended: string) => events.push(failedItems.has(ended) ? itemFailed(ended) : itemSealed(ended))
    files.forEach((file, index) => {
      events.push(file)
      if (!late && !files.slice(index + 1).some((other) => other.item === file.item)) end(file.item)
    })
    if (late) for (const ended of new Set(files.map((file) => file.item))) end(ended)
    for (const at of pressure) events.splice(Math.min(at, events.length), 0, { type: 'pressure' })
    events.push(sealed)
    return { files, failed: failedItems, stage: () => new TestStage(events), settings: chosen, concurrency }
  })

/** A name cannot be a file and the folder of another file. */
function withoutClashes<File extends { item: string; name: string }>(files: readonly File[]): File[] {
  return files.filter((file) => !files.some((other) => other.item === file.item && other.name.startsWith(`${file.name}/`)))
}

async function expectEverything(
  backup: Backup,
  { files, failed, settings: chosen }: Scenario,
  uploader: ReturnType<typeof createMemoryUploader>,
): Promise<void> {
  const repository = createArchiveRepository({ uploader: uploader.another(), ...chosen })
  const expected = files.filter((file) => !failed.has(file.item))
  const read = await readAll(repository, backup)
  expect([...read.keys()].sort()).toEqual(expected.map((file) => JSON.stringify([file.item, file.name])).sort())
  for (const file of expected) expect(read.get(JSON.stringify([file.item, file.name]))?.equals(file.bytes), file.name).toBe(true)
  for (const { item: restored, files: inside } of await repository.inventory(backup)) {
    if (!failed.has(restored))
      expect(inside?.map((file) => file.name)).toEqual(expected.filter((file) => file.item === restored).map((file) => file.name))
  }
  expect((await findingsOf(repository, { readData: true })).map(({ severity }) => severity)).toEqual(['ok'])
}

describe('any stage, in any format', () => {
  it(
    'comes back byte for byte',
    async () => {
      await fc.assert(
        fc.asyncProperty(scenario, async (given) => {
          const uploader = createMemoryUploader({ supports: { concurrency: given.concurrency } })
          const stage = given.stage()
          const backup = await storeStage(createArchiveRepository({ uploader, ...given.settings }), stage)
          expect(stage.released.size).toBe(given.files.length)
          expect(backup.status).toBe(given.files.some((file) => given.failed.has(file.item)) ? 'partial' : 'complete')
          await expectEverything(backup, given, uploader)
        }),
        runs,
      )
    },
    patience,
  )

  it(
    'is not there at all when its store ends at any upload, and is complete when it is tried again',
    async () => {
      await fc.assert(
        fc.asyncProperty(
          scenario,
          fc.integer({ min: 1, max: 14 }),
          fc.constantFrom('fail', 'fail-half-way'),
          async (given, occurrence, action) => {
            const uploader = createMemoryUploader({ supports: { concurrency: given.concurrency } })
            uploader.injectFault({ operation: 'upload', occurrence, action })
            const repository = createArchiveRepository({ uploader, ...given.settings })
            const stage = given.stage()
            const first = await storeStage(repository, stage).catch((error: unknown) => error)
            expect(await listed(repository)).toHaveLength(BackupError.is(first) ? 0 : 1)
            const sent = uploader.calls.upload
            const backup = await storeStage(repository, stage)
            if (!BackupError.is(first)) expect(uploader.calls.upload).toBe(sent)
            await expectEverything(backup, given, uploader)
          },
        ),
        runs,
      )
    },
    patience,
  )

  it(
    'is never read wrong with a bit turned or bytes cut anywhere in any object',
    async () => {
      await fc.assert(
        fc.asyncProperty(
          scenario,
          fc.double({ min: 0, max: 0.999999, noNaN: true }),
          fc.nat(7),
          fc.boolean(),
          async (given, place, bit, cut) => {
            const uploader = createMemoryUploader()
            const repository = createArchiveRepository({ uploader, ...given.settings })
            const backup = await storeStage(repository, given.stage())
            for (const [key, object] of [...uploader.objects]) {
              const at = Math.floor(object.bytes.byteLength * place)
              // The identity file of the job belongs to no backup: each has its own copy.
              if (object.bytes.byteLength === 0 || key === 'shop/identity.age') continue
              const damaged = cut ? object.bytes.slice(0, at) : Uint8Array.from(object.bytes)
              if (!cut) damaged[at] = (damaged[at] ?? 0) ^ (1 << bit)
              uploader.objects.set(key, { ...object, bytes: damaged })
              const findings = await findingsOf(repository, { readData: true })
              expect(
                findings.some(({ severity }) => severity === 'error'),
                key,
              ).toBe(true)
              const read = await readAll(repository, backup).catch((error: unknown) => error)
              if (read instanceof Map) {
                for (const file of given.files) {
                  if (!given.failed.has(file.item))
                    expect((read.get(JSON.stringify([file.item, file.name])) as Buffer).equals(file.bytes), key).toBe(true)
                }
              } else expect(read).toMatchObject({ code: 'CORRUPTED' })
              uploader.objects.set(key, object)
            }
          },
        ),
        runs,
      )
    },
    patience,
  )
})
