import assert from 'node:assert/strict'
import type { StagedFile } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { type ConformanceCheck, collect, rejectsWith, within } from './conformance-check.ts'
import { captureFacts, chunks, eventText, fillAndSeal, resumedEvents, runOf, sealedStage } from './staging-actions.ts'
import type { StagingHarness } from './staging-harness.ts'

/** What a staging promises for whole runs: the budget, both sides failing, and crashes. */
export const stagingRunChecks: readonly ConformanceCheck<StagingHarness>[] = [
  {
    name: 'several writers at once get through with a drainer that lets go only when pressed, and the budget holds',
    async run({ staging }) {
      await using both = await staging.begin(runOf('1'))
      const { budget } = both.contents
      const size = Math.floor(both.stage.largestFile * 0.9)
      let held = 0
      const drained = (async () => {
        const files: StagedFile[] = []
        for await (const event of both.contents.drain()) {
          if (event.type === 'file') {
            files.push(event.file)
            held += event.file.size
            assert.ok(held <= budget, `${held} bytes are held with a budget of ${budget}`)
          } else if (event.type === 'pressure') {
            const file = files.shift()
            held -= file?.size ?? 0
            await file?.release()
          }
        }
      })()
      drained.catch(() => undefined)
      const writers = Array.from({ length: 4 }, async (_, writer) => {
        for (let number = 0; number < 4; number++)
          await both.stage.write({ item: `item${writer}`, name: `${number}` }, chunks(size, writer, 700))
        await both.stage.sealItem({ item: `item${writer}`, facts: {} })
      })
      await within(Promise.all(writers), 'four writers with a small budget')
      await both.stage.seal(captureFacts)
      await within(drained, 'the drain')
    },
  },
  {
    name: 'a job is followed by one at a time, and its runs are made beside that',
    async run({ staging }) {
      if (staging.follow === undefined) return
      const { job } = runOf('1')
      const claim = await staging.follow(job)
      await rejectsWith(async () => await staging.follow?.(job), 'CONFLICT', 'following a job that is followed')
      const other = await staging.follow(`${job} of another`)
      await (await staging.begin(runOf('1')))[Symbol.asyncDispose]()
      await claim[Symbol.asyncDispose]()
      await claim[Symbol.asyncDispose]()
      await (await staging.follow(job))[Symbol.asyncDispose]()
      await other[Symbol.asyncDispose]()
    },
  },
  {
    name: 'a file larger than largestFile is OUT_OF_SPACE',
    async run({ staging }) {
      await using both = await staging.begin(runOf('1'))
      assert.ok(both.stage.largestFile > 0 && both.stage.largestFile <= both.contents.budget)
      const write = () => both.stage.write({ item: 'item', name: 'file' }, chunks(both.stage.largestFile + 1))
      const error = await rejectsWith(write, 'OUT_OF_SPACE', 'a file that is too large')
      assert.ok(error.hint !== undefined, 'the error must say which setting to raise')
      await both.stage.write({ item: 'item', name: 'file' }, chunks(both.stage.largestFile))
    },
  },
  {
    name: 'after stopDraining a writer that has to wait fails with the cause, one that has room goes on',
    async run({ staging }) {
      await using both = await staging.begin(runOf('1'))
      const cause = new BackupError('the store is gone', { code: 'UNREACHABLE' })
      both.stopDraining(cause)
      await both.stage.write({ item: 'item', name: 'first' }, chunks(100))
      const fill = async () => {
        for (let number = 0; ; number++) await both.stage.write({ item: 'item', name: `${number}` }, chunks(both.stage.largestFile))
      }
      await assert.rejects(within(fill(), 'filling without a drainer'), (error) => error === cause)
      await both.stage.sealItem({ item: 'item', facts: {} })
      await both.stage.seal(captureFacts)
      assert.equal(both.sealed, true)
    },
  },
  {
    name: 'after stopFilling the drain throws the cause, and nothing can be sealed',
    async run({ staging }) {
      await using both = await staging.begin(runOf('1'))
      const cause = new BackupError('the capture is lost', { code: 'INCONSISTENT' })
      const drained = collect(both.contents.drain())
      drained.catch(() => undefined)
      both.stopFilling(cause)
      await assert.rejects(within(drained, 'the drain'), (error) => error === cause)
      await assert.rejects(within(both.stage.seal(captureFacts), 'sealing'))
      assert.equal(both.sealed, false)
    },
  },
  {
    name: 'a stage with an item that is neither sealed nor failed cannot be sealed',
    async run({ staging }) {
      await using both = await staging.begin(runOf('1'))
      await both.stage.write({ item: 'item', name: 'file' }, chunks(1))
      await assert.rejects(both.stage.seal(captureFacts))
      assert.equal(both.sealed, false)
    },
  },
  {
    name: 'a second run of the job is a CONFLICT until the first has let go',
    async run({ staging }) {
      const both = await staging.begin(runOf('1'))
      await rejectsWith(() => staging.begin(runOf('22')), 'CONFLICT', 'a second run')
      await both[Symbol.asyncDispose]()
      await (await staging.begin(runOf('22')))[Symbol.asyncDispose]()
    },
  },
  {
    name: 'a stage that is disposed unsealed is gone; a sealed one stays until it is removed',
    async run({ staging }) {
      await (await staging.begin(runOf('1')))[Symbol.asyncDispose]()
      assert.deepEqual(await resumedEvents(staging), [])
      await sealedStage(staging, '22', { a: [3] })
      assert.deepEqual(await resumedEvents(staging), [['file a/file0 3', 'item a', 'sealed']])
      for await (const both of staging.resumable(runOf('').job)) await both.remove()
      assert.deepEqual(await resumedEvents(staging), [])
    },
  },
  {
    name: 'sealed stages come oldest first',
    async run({ staging }) {
      for (const [id, size] of [
        ['1', 1],
        ['22', 2],
        ['333', 3],
      ] as const) {
        await sealedStage(staging, id, { a: [size] })
      }
      assert.deepEqual(
        (await resumedEvents(staging)).map(([file]) => file),
        ['file a/file0 1', 'file a/file0 2', 'file a/file0 3'],
      )
    },
  },
  {
    name: 'a crash before the seal leaves nothing to resume',
    async run({ staging, crash }) {
      await using both = await staging.begin(runOf('1'))
      await both.stage.write({ item: 'a', name: 'file' }, chunks(100))
      await both.stage.sealItem({ item: 'a', facts: {} })
      const after = await crash()
      assert.deepEqual(await resumedEvents(after), [])
      await using next = await after.begin(runOf('22'))
      await next.stage.write({ item: 'a', name: 'file' }, chunks(100))
    },
  },
  {
    name: 'a run that crashed half-filled is named by the next one of its job, once, and a sealed one never',
    async run({ staging, crash }) {
      await sealedStage(staging, '1', { a: [1] })
      await using both = await staging.begin(runOf('22'))
      assert.deepEqual(both.abandonedRuns, [], 'nothing was half-filled')
      await both.stage.write({ item: 'a', name: 'file' }, chunks(100))
      const after = await crash()
      const next = await after.begin(runOf('333'))
      await next[Symbol.asyncDispose]()
      assert.deepEqual(next.abandonedRuns, ['22'], 'the run that crashed can never commit')
      await using last = await after.begin(runOf('4444'))
      assert.deepEqual(last.abandonedRuns, [], 'what is removed is not half-filled any more')
    },
  },
  {
    name: 'a crash after the seal loses nothing: not what is left to send, and not what is sent already',
    async run({ staging, crash }) {
      await using both = await staging.begin(runOf('1'))
      const drain = both.contents.drain()[Symbol.asyncIterator]()
      await both.stage.failItem('broken', { code: 'APPLICATION', message: 'it broke' })
      await fillAndSeal(both, { a: [5, 6], b: [7] })
      for (let event = await drain.next(); ; event = await drain.next()) {
        if (event.value?.type !== 'file') continue
        await both.contents.note({ sent: event.value.file.name })
        await event.value.file.release()
        break
      }
      const after = await crash()
      for await (const resumed of after.resumable(runOf('').job)) {
        await using _ = resumed
        assert.deepEqual(resumed.contents.notes, [{ sent: 'file0' }])
        assert.deepEqual({ ...resumed.run }, runOf('1'))
        const events = await collect(resumed.contents.drain())
        assert.deepEqual(events.map(eventText), ['item-failed broken', 'file a/file1 6', 'item a', 'file b/file0 7', 'item b', 'sealed'])
        const last = events.at(-1)
        assert.deepEqual(last?.type === 'sealed' ? last.facts : undefined, captureFacts)
        return
      }
      assert.fail('the sealed stage must be resumable')
    },
  },
  {
    name: 'files of a failed item are not given to a resumed attempt',
    async run({ staging, crash }) {
      await using both = await staging.begin(runOf('1'))
      await both.stage.write({ item: 'broken', name: 'file' }, chunks(10))
      await both.stage.failItem('broken', { code: 'APPLICATION', message: 'it broke' })
      await fillAndSeal(both, { a: [5] })
      assert.deepEqual(await resumedEvents(await crash()), [['item-failed broken', 'file a/file0 5', 'item a', 'sealed']])
    },
  },
]
