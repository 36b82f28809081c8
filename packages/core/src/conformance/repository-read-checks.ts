import assert from 'node:assert/strict'
import type { BackupFilter } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { bytesOf, sampleBytes } from '../testing/chunks-of.ts'
import { createMemoryStage } from '../testing/memory-stage.ts'
import { type ConformanceCheck, collect, rejectsWith } from './conformance-check.ts'
import {
  assertNoBackups,
  assertReadable,
  captureFacts,
  filledStage,
  fillItem,
  idsOf,
  pressFor,
  type RepositoryHarness,
  sampleContents,
  storeAll,
  storeStage,
} from './repository-harness.ts'

/** What committed backups give back, how damage is found, and what removal takes away. */
export const repositoryReadChecks: readonly ConformanceCheck<RepositoryHarness>[] = [
  {
    name: 'declares its contract and a printable destination, and is empty at first',
    async run(harness) {
      const { repository } = harness
      assert.equal(repository.contract, 'repository/1')
      assert.match(repository.destination, /^[a-z][a-z0-9+.-]*:/i, 'destination must be a URL')
      assert.doesNotMatch(repository.destination, /\/\/[^/@]*:[^/@]*@/, 'destination must not hold a password')
      for (const flag of ['read', 'deduplicates'] as const) assert.equal(typeof repository.supports[flag], 'boolean', flag)
      await assertNoBackups(harness)
    },
  },
  {
    name: 'lists oldest first, by job, by id and by when they began',
    async run({ repository }) {
      const small = { shop: { 'a.bin': sampleBytes(10) } }
      await storeAll(repository, { job: 'shop', id: '20260102-b', beganAt: '2026-01-02T00:00:00.000Z' }, small)
      await storeAll(repository, { job: 'shop', id: '20260101-a', beganAt: '2026-01-01T00:00:00.000Z' }, small)
      await storeAll(repository, { job: 'shop2', id: '20260103-c', beganAt: '2026-01-03T00:00:00.000Z' }, small)
      assert.deepEqual(await idsOf(repository), ['20260101-a', '20260102-b', '20260103-c'])
      const ids = async (filter: BackupFilter) => (await collect(repository.list(filter))).map((backup) => backup.id)
      assert.deepEqual(await ids({ job: 'shop' }), ['20260101-a', '20260102-b'])
      assert.deepEqual(await ids({ job: 'sho' }), [])
      assert.deepEqual(await ids({ id: '20260103-c' }), ['20260103-c'])
      assert.deepEqual(await ids({ job: 'shop', id: '20260103-c' }), [])
      assert.deepEqual(await ids({ beganSince: '2026-01-02T00:00:00.000Z' }), ['20260102-b', '20260103-c'])
      assert.deepEqual(await ids({ job: 'shop', beganSince: '2026-01-01T00:00:00.001Z' }), ['20260102-b'])
    },
  },
  {
    name: 'opens ranges of a file to the byte',
    async run({ repository }) {
      const backup = await storeAll(repository)
      const bytes = Buffer.from(sampleContents.large?.['large.bin'] ?? [])
      const size = bytes.length
      const ranges = [
        { begin: 0 },
        { begin: 0, end: 1 },
        { begin: size - 1 },
        { begin: 1_234_567, end: 1_999_999 },
        { begin: 7, end: 7 },
        { begin: size },
        { begin: size + 5, end: size + 9 },
        { begin: size - 3, end: size + 9 },
      ]
      for (const range of ranges) {
        const found = await bytesOf(repository.open(backup, { item: 'large', name: 'large.bin' }, range))
        assert.ok(bytes.subarray(range.begin, range.end).equals(found), `range ${JSON.stringify(range)} gave ${found.length} bytes`)
      }
    },
  },
  {
    name: 'says that a missing file, item or backup is missing',
    async run({ repository }) {
      const backup = await storeAll(repository)
      const gone = { ...backup, id: 'no-such-backup', storage: {} }
      const open =
        (item: string, name: string, of = backup) =>
        () =>
          collect(repository.open(of, { item, name }))
      await rejectsWith(open('shop', 'missing.sql'), 'NOT_FOUND', 'open of a missing file')
      await rejectsWith(open('missing', 'data.sql'), 'NOT_FOUND', 'open of a missing item')
      await rejectsWith(open('shop', '../shop/data.sql'), ['NOT_FOUND', 'INVALID_INPUT'], 'open of a name that leaves the item')
      await repository.remove([backup])
      await rejectsWith(open('shop', 'data.sql'), 'NOT_FOUND', 'open of a file of a removed backup')
      await rejectsWith(open('shop', 'data.sql', gone), ['NOT_FOUND', 'INVALID_INPUT'], 'open of a file of a backup that never was')
    },
  },
  {
    name: 'gives back the restore guide of each backup, where it keeps guides',
    async run({ repository, another }) {
      const backup = await storeAll(repository)
      const reader = await another()
      const guide = await reader.readGuide?.(backup)
      if (guide === undefined) return
      assert.ok(guide.includes(captureFacts().restoreGuide.trim()), 'the guide must hold what the agent wrote')
    },
  },
  {
    name: 'reads the selected files only, also when contents are left unread',
    async run({ repository }) {
      const backup = await storeAll(repository)
      const selected: string[] = []
      for await (const file of repository.read(backup, ({ name }) => name.endsWith('.sql'))) {
        selected.push(`${file.item}/${file.name}`)
        if (selected.length % 2 === 1) continue
        const expected = Buffer.from(sampleContents[file.item]?.[file.name] ?? '?')
        assert.ok(expected.equals(await bytesOf(file.content)), `content of ${file.name} after one that was left unread`)
      }
      const expected = Object.entries(sampleContents).flatMap(([item, files]) => Object.keys(files).map((name) => `${item}/${name}`))
      assert.deepEqual(selected.sort(), expected.filter((label) => label.endsWith('.sql')).sort())
      for await (const file of repository.read(backup, () => true)) {
        assert.ok(file.size >= 0)
        break
      }
      await assertReadable(repository, backup)
    },
  },
  {
    name: 'verifies every backup, changes nothing by it, and finds damage',
    async run({ repository, another, corruptSomething }) {
      const first = await storeAll(repository, { id: 'first', job: 'shop' })
      const second = await storeAll(repository, { id: 'second', job: 'other' })
      for (const readData of [false, true]) {
        const findings = await collect((await another()).verify({ readData }))
        assert.deepEqual(
          findings.filter((finding) => finding.severity === 'error'),
          [],
          'whole backups have no errors',
        )
        const whole = findings.flatMap((finding) => (finding.severity === 'ok' && finding.backup !== undefined ? [finding.backup] : []))
        assert.deepEqual(whole.sort(), ['first', 'second'], 'verify must say of each backup that it is whole')
      }
      const one = await collect(repository.verify({ id: 'second', readData: true }))
      assert.deepEqual(
        one.flatMap((finding) => finding.backup ?? []),
        ['second'],
        'verify by id must look at that backup only',
      )
      await assertReadable(repository, first)
      await assertReadable(repository, second)
      await corruptSomething()
      const findings = await collect((await another()).verify({ readData: true }))
      const errors = findings.filter((finding) => finding.severity === 'error')
      assert.ok(errors.length > 0, 'verify with readData must find a turned bit')
      for (const error of errors) assert.ok(error.message !== '' && error.code !== undefined, 'an error says what and has a code')
      const whole = findings.filter((finding) => finding.severity === 'ok').map((finding) => finding.backup)
      assert.ok(whole.length < 2, 'a damaged backup must not be called whole')
    },
  },
  {
    name: 'never gives damaged bytes as good ones',
    async run({ repository, another, corruptSomething }) {
      const contents = { shop: { 'data.bin': sampleBytes(50_000) } }
      const backup = await storeAll(repository, {}, contents)
      await corruptSomething()
      const reader = await another()
      let read: Buffer | undefined
      try {
        read = await bytesOf(reader.open(backup, { item: 'shop', name: 'data.bin' }))
      } catch (error) {
        assert.ok(
          BackupError.is(error) && ['CORRUPTED', 'WRONG_CREDENTIALS'].includes(error.code),
          `must fail with CORRUPTED: ${String(error)}`,
        )
      }
      if (read !== undefined) assert.ok(read.equals(contents.shop['data.bin']), 'open gave other bytes than were stored, and no error')
    },
  },
  {
    name: 'removes a backup and nothing of the others, as often as it is told',
    async run({ repository, another }) {
      const first = await storeAll(repository, { id: 'first' })
      const second = await storeAll(repository, { id: 'second' })
      const report = await repository.remove([first])
      assert.deepEqual(report.removed, ['first'])
      assert.deepEqual(await idsOf(await another()), ['second'])
      await repository.remove([first])
      await (await another()).remove([first])
      await assertReadable(await another(), second)
      await repository.remove([second])
      assert.deepEqual(await idsOf(repository), [])
      const third = await storeAll(await another(), { id: 'third' })
      await assertReadable(repository, third)
    },
  },
  {
    name: 'stops removing at the first backup that the store retains',
    async run({ repository, another, refuseRemoval }) {
      if (refuseRemoval === undefined) return
      const [first, second, third] = [
        await storeAll(repository, { id: 'first' }),
        await storeAll(repository, { id: 'second' }),
        await storeAll(repository, { id: 'third' }),
      ]
      refuseRemoval(second)
      const report = await repository.remove([first, second, third])
      assert.deepEqual(report.removed, ['first'], 'what comes after one that is retained may be needed by it')
      assert.equal(report.retained.length, 1, 'what the store retains must be told')
      assert.deepEqual(await idsOf(await another()), ['second', 'third'])
      await assertReadable(repository, second)
      await assertReadable(repository, third)
    },
  },
  {
    name: 'removes what never committed, when it is old enough, and nothing else',
    async run({ repository, another }) {
      const kept = await storeAll(repository, { id: 'kept', job: 'shop' })
      const stage = createMemoryStage({ run: { id: 'unfinished', job: 'shop' } })
      const store = storeStage(repository, stage)
      store.catch(() => undefined)
      await fillItem(stage, 'shop', { 'a.bin': sampleBytes(50_000, 9) })
      await pressFor(stage, 'shop', 'a.bin')
      stage.stopFilling(new BackupError('server went away', { code: 'APPLICATION' }))
      await rejectsWith(() => store, 'APPLICATION', 'store of a failed capture')
      const young = await repository.removeUnfinished({ olderThanSeconds: 3600 })
      assert.deepEqual(young.removed, [], 'what is young may still be going on')
      await repository.removeUnfinished({ olderThanSeconds: 0, runs: ['another', 'kept'] })
      assert.deepEqual(await idsOf(repository), ['kept'], 'a run that has committed keeps everything, even when it is named')
      await (await another()).removeUnfinished({ olderThanSeconds: 0, job: 'shop', runs: [stage.run.id] })
      await (await another()).removeUnfinished({ olderThanSeconds: 0 })
      assert.deepEqual(await idsOf(repository), ['kept'])
      await assertReadable(await another(), kept)
      const again = await filledStage({ id: 'after', job: 'shop' })
      await assertReadable(repository, await storeStage(repository, again))
    },
  },
  {
    name: 'can be disposed twice',
    async run({ repository }) {
      await repository[Symbol.asyncDispose]()
      await repository[Symbol.asyncDispose]()
    },
  },
]
