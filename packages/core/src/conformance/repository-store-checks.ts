import assert from 'node:assert/strict'
import { BackupError } from '../errors/backup-error.ts'
import { createStreamStaging } from '../staging/stream-staging.ts'
import { chunksOf, sampleBytes, sha256Of } from '../testing/chunks-of.ts'
import { createMemoryStage } from '../testing/memory-stage.ts'
import { type ConformanceCheck, collect, eventually, rejectsWith, within } from './conformance-check.ts'
import {
  agent,
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
  withDrain,
} from './repository-harness.ts'

/** What becomes a backup, and what never does. */
export const repositoryStoreChecks: readonly ConformanceCheck<RepositoryHarness>[] = [
  {
    name: 'commits what was staged with all its facts, and lists it elsewhere as it was returned',
    async run({ repository, another }) {
      const stage = await filledStage({ job: 'shop', id: 'run-1', beganAt: '2026-01-01T00:00:00.000Z' })
      const backup = await storeStage(repository, stage)
      const facts = captureFacts()
      const { format, id, job, application, kind, status, beganAt, consistentAt, position, source } = backup
      assert.deepEqual(
        { format, id, job, application, kind, status, beganAt, consistentAt, position, source, agent: backup.agent, facts: backup.facts },
        {
          format: 'backup-planet/manifest/1',
          id: 'run-1',
          job: 'shop',
          application: 'memory',
          kind: 'full',
          status: 'complete',
          beganAt: '2026-01-01T00:00:00.000Z',
          consistentAt: facts.consistentAt,
          position: facts.position,
          source: facts.source,
          agent,
          facts: facts.facts,
        },
      )
      assert.ok(!Number.isNaN(Date.parse(backup.endedAt)), 'endedAt must be a time')
      for (const item of backup.items) {
        assert.deepEqual(item.facts, { kept: item.item }, 'facts of an item must be kept')
        assert.deepEqual(item.to, { chain: 'chain-1', value: { sequence: '7' } }, 'position of an item must be kept')
      }
      const listed = await collect((await another()).list())
      assert.deepEqual(listed.map(plain), [plain(backup)], 'list must give the backup as store returned it')
      await assertReadable(await another(), listed[0] ?? backup)
    },
  },
  {
    name: 'remembers that a run was limited to some items, since nothing may build on it',
    async run({ repository, another }) {
      const stage = await filledStage({ id: 'limited', limitedTo: ['shop'] })
      const backup = await storeStage(repository, stage)
      assert.deepEqual(backup.limitedTo, ['shop'])
      const [listed] = await collect((await another()).list())
      assert.deepEqual(listed?.limitedTo, ['shop'])
    },
  },
  {
    name: 'keeps where a log begins and ends and what of the clock it covers, since restores to a moment are planned from that',
    async run({ repository, another }) {
      const from = { chain: 'chain-1', value: { sequence: '5' } }
      const covers = [
        { from: '2026-01-01T00:00:00.000Z', to: '2026-01-01T00:00:04.000Z' },
        { from: '2026-01-01T00:00:02.000Z', to: '2026-01-01T00:00:05.000Z' },
      ]
      const stage = await filledStage({ id: 'log' }, sampleContents, captureFacts({ kind: 'log', from, covers }))
      const backup = await storeStage(repository, stage)
      const [listed] = await collect((await another()).list())
      for (const { kind, from: begins, position, covers: kept } of [backup, ...(listed === undefined ? [] : [listed])]) {
        assert.deepEqual({ kind, begins, position, kept }, { kind: 'log', begins: from, position: captureFacts().position, kept: covers })
      }
      assert.equal(listed?.id, 'log')
    },
  },
  {
    name: 'frees every staged file once it is stored',
    async run({ repository }) {
      const stage = await filledStage()
      await storeStage(repository, stage)
      const staged = Object.entries(sampleContents).flatMap(([item, files]) => Object.keys(files).map((name) => `${item}/${name}`))
      assert.deepEqual([...stage.released].sort(), staged.sort())
    },
  },
  {
    name: 'sends and frees what it holds back when a writer waits for room',
    async run({ repository }) {
      const stage = createMemoryStage()
      const store = storeStage(repository, stage)
      store.catch(() => undefined)
      for (const [index, name] of ['a.bin', 'b.bin', 'c.bin'].entries()) {
        await stage.stage.write({ item: 'shop', name }, chunksOf(sampleBytes(5000, index + 1), [5000]))
        await pressFor(stage, 'shop', name)
      }
      await stage.stage.sealItem({ item: 'shop', facts: {} })
      await stage.stage.seal(captureFacts())
      const backup = await within(store, 'store')
      const contents = { shop: { 'a.bin': sampleBytes(5000, 1), 'b.bin': sampleBytes(5000, 2), 'c.bin': sampleBytes(5000, 3) } }
      await assertReadable(repository, backup, contents)
    },
  },
  {
    name: 'never offers a failed item, even when some of it was stored',
    async run({ repository, another }) {
      const stage = createMemoryStage()
      const store = storeStage(repository, stage)
      store.catch(() => undefined)
      await fillItem(stage, 'whole', { 'a.bin': sampleBytes(1000) })
      await stage.stage.write({ item: 'broken', name: 'half.bin' }, chunksOf(sampleBytes(1000, 2), [100]))
      await pressFor(stage, 'broken', 'half.bin')
      await stage.stage.write({ item: 'broken', name: 'rest.bin' }, chunksOf(sampleBytes(1000, 4), [100]))
      await stage.stage.failItem('broken', { code: 'APPLICATION', message: 'table is marked as crashed', hint: 'Repair the table.' })
      await stage.stage.failItem('never-begun', { code: 'ACCESS_DENIED', message: 'no right to read' })
      await fillItem(stage, 'whole-too', { 'b.bin': sampleBytes(1000, 3) })
      await stage.stage.seal(captureFacts())
      const backup = await within(store, 'store')
      assert.equal(backup.status, 'partial')
      const reader = await another()
      const listed = (await collect(reader.list()))[0]
      assert.equal(listed?.status, 'partial')
      const failed = listed.items.filter((item) => item.failure !== undefined).map((item) => [item.item, item.failure?.code])
      assert.deepEqual(failed, [
        ['broken', 'APPLICATION'],
        ['never-begun', 'ACCESS_DENIED'],
      ])
      await assertReadable(reader, listed, { whole: { 'a.bin': sampleBytes(1000) }, 'whole-too': { 'b.bin': sampleBytes(1000, 3) } })
      for (const item of await reader.inventory(listed)) if (item.failure !== undefined) assert.deepEqual(item.files ?? [], [])
      for (const name of ['half.bin', 'rest.bin'])
        await rejectsWith(() => collect(reader.open(listed, { item: 'broken', name })), 'NOT_FOUND', 'open of a failed item')
    },
  },
  {
    name: 'lists nothing when the capture fails',
    async run(harness) {
      const { repository } = harness
      const stage = createMemoryStage()
      const store = storeStage(repository, stage)
      store.catch(() => undefined)
      await fillItem(stage, 'shop', { 'a.bin': sampleBytes(100_000) })
      await pressFor(stage, 'shop', 'a.bin')
      stage.stopFilling(new BackupError('server went away', { code: 'APPLICATION', hint: 'Start the server.' }))
      const error = await rejectsWith(() => store, 'APPLICATION', 'store of a failed capture')
      assert.equal(error.message, 'server went away')
      await assertNoBackups(harness)
    },
  },
  {
    name: 'refuses a staged file that is not what it was, and lists nothing',
    async run(harness) {
      const { repository } = harness
      const changes: readonly ((bytes: Buffer) => Buffer)[] = [
        (bytes) => bytes.subarray(0, -1),
        (bytes) => Buffer.concat([bytes, Buffer.from('x')]),
        (bytes) => Buffer.from(bytes.map((byte, index) => (index === 500 ? byte ^ 1 : byte))),
      ]
      for (const [index, change] of changes.entries()) {
        const stage = await filledStage({ id: `damaged-${index}` }, { shop: { 'a.bin': sampleBytes(20_000) } })
        stage.damage('shop', 'a.bin', change)
        await rejectsWith(() => storeStage(repository, stage), 'CORRUPTED', 'store of a damaged stage')
        assert.deepEqual(stage.released, [], 'a file that could not be stored must not be freed')
      }
      await assertNoBackups(harness)
    },
  },
  {
    name: 'does nothing when it is aborted beforehand',
    async run(harness) {
      const { repository } = harness
      const stage = await filledStage()
      const options = { signal: AbortSignal.abort() }
      await rejectsWith(() => storeStage(repository, stage, options), 'ABORTED', 'store aborted beforehand')
      assert.deepEqual([stage.opened, stage.released], [[], []])
      await assertNoBackups(harness)
      const backup = await storeAll(repository)
      await rejectsWith(() => collect(repository.list({}, options)), 'ABORTED', 'list aborted beforehand')
      await rejectsWith(() => collect(repository.read(backup, () => true, options)), 'ABORTED', 'read aborted beforehand')
      const open = () => collect(repository.open(backup, { item: 'shop', name: 'data.sql' }, undefined, options))
      await rejectsWith(open, 'ABORTED', 'open aborted beforehand')
      await rejectsWith(() => repository.remove([backup], options), 'ABORTED', 'removal aborted beforehand')
      await rejectsWith(() => collect(repository.verify({}, options)), 'ABORTED', 'verification aborted beforehand')
      await assertReadable(repository, backup)
    },
  },
  {
    name: 'stops at once when it is aborted while the capture is stalled, and lists nothing',
    async run(harness) {
      const { repository } = harness
      const stage = createMemoryStage()
      await fillItem(stage, 'shop', { 'a.bin': sampleBytes(50_000) })
      const controller = new AbortController()
      const store = storeStage(repository, stage, { signal: controller.signal })
      store.catch(() => undefined)
      await eventually(() => stage.opened.length > 0, 'the repository begins to read')
      controller.abort()
      await rejectsWith(() => store, 'ABORTED', 'store aborted half-way')
      await assertNoBackups(harness)
    },
  },
  {
    name: 'is whole or absent when it is aborted at the last moment',
    async run(harness) {
      const { repository } = harness
      const stage = await filledStage()
      const controller = new AbortController()
      const contents = withDrain(stage.contents, async function* (options) {
        for await (const event of stage.contents.drain(options)) {
          if (event.type === 'sealed') controller.abort()
          yield event
        }
      })
      try {
        const backup = await within(storeStage(repository, stage, { contents, signal: controller.signal }), 'store')
        await assertReadable(repository, backup)
      } catch (error) {
        assert.ok(BackupError.is(error) && error.code === 'ABORTED', `must fail with ABORTED, failed with ${String(error)}`)
        await assertNoBackups(harness)
      }
    },
  },
  {
    name: 'goes on with a stage that was cut, from another process, and sends nothing twice',
    async run(harness) {
      const { repository, another } = harness
      const stage = await filledStage({ id: 'resumed' })
      const broken = new BackupError('connection lost', { code: 'UNREACHABLE', hint: 'Try again.' })
      const cut = withDrain(stage.contents, async function* (options) {
        let files = 0
        for await (const event of stage.contents.drain(options)) {
          if (event.type === 'file' && ++files === 5) throw broken
          yield event
        }
      })
      await rejectsWith(() => storeStage(repository, stage, { contents: cut }), 'UNREACHABLE', 'store that is cut')
      await assertNoBackups(harness)
      const releasedBefore = [...stage.released]
      const openedBefore = stage.opened.length
      const backup = await storeStage(await another(), stage)
      for (const label of stage.opened.slice(openedBefore)) assert.ok(!releasedBefore.includes(label), `${label} must not be sent again`)
      assert.equal(backup.status, 'complete')
      await assertReadable(repository, backup)
      assert.deepEqual(await idsOf(repository), ['resumed'])
    },
  },
  {
    name: 'finds that a run is already committed when its stage is sent again, and loses nothing',
    async run({ repository, another }) {
      const stage = await filledStage({ id: 'twice' })
      await storeStage(repository, stage)
      const again = await storeStage(await another(), stage)
      assert.equal(again.id, 'twice')
      const listed = await collect(repository.list())
      assert.equal(listed.length, 1, 'one run is one backup')
      for (const backup of [again, ...listed]) await assertReadable(repository, backup)
    },
  },
  {
    name: 'takes files that lie nowhere, several at once, and forgets one whose content breaks off, where it supports streams',
    async run({ repository, another }) {
      if (repository.supports.streams !== true) return
      const run = { job: 'shop', id: 'streamed', beganAt: '2026-01-01T00:00:00.000Z' }
      const staged = await createStreamStaging().begin(run)
      const store = repository.store({ run, agent }, staged.contents)
      store.catch(() => undefined)
      const contents = {
        shop: { 'a.bin': sampleBytes(300_000, 1), 'b.bin': sampleBytes(5, 2), empty: Buffer.alloc(0) },
        other: { 'c.bin': sampleBytes(70_000, 3) },
      }
      const brokenOff = async function* () {
        yield sampleBytes(20_000, 4)
        throw new BackupError('the source broke', { code: 'APPLICATION' })
      }
      await within(
        Promise.all([
          rejectsWith(
            () => staged.stage.write({ item: 'shop', name: 'broken.bin' }, brokenOff()),
            'APPLICATION',
            'write of a content that breaks off',
          ),
          ...Object.entries(contents).map(async ([item, files]) => {
            for (const [name, bytes] of Object.entries(files)) {
              const facts = await staged.stage.write({ item, name }, chunksOf(bytes, [7000]))
              assert.deepEqual({ ...facts }, { item, name, size: bytes.length, sha256: sha256Of(bytes) }, 'write must tell what was read')
            }
          }),
        ]),
        'writing streams',
      )
      for (const item of Object.keys(contents)) await staged.stage.sealItem({ item, facts: { kept: item } })
      await staged.stage.seal(captureFacts())
      const backup = await within(store, 'the store of streams')
      await staged[Symbol.asyncDispose]()
      assert.deepEqual(await idsOf(repository), ['streamed'])
      await assertReadable(await another(), backup, contents)
    },
  },
  {
    name: 'lets two stores work on one place at once',
    async run({ repository, another }) {
      const other = await another()
      const [first, second] = await within(
        Promise.all([storeAll(repository, { id: 'one', job: 'shop' }), storeAll(other, { id: 'two', job: 'shop' })]),
        'two stores at once',
        60_000,
      )
      assert.deepEqual((await idsOf(other)).sort(), ['one', 'two'])
      await assertReadable(other, first)
      await assertReadable(repository, second)
    },
  },
]

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}
