import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import type { RunStage, StageEvent } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { type ConformanceCheck, collect, rejectsWith, within } from './conformance-check.ts'
import { captureFacts, chunks, eventText, runOf } from './staging-actions.ts'
import type { StagingHarness } from './staging-harness.ts'

/** What a stage promises to who drains it while it is filled. */
export const stagingDrainChecks: readonly ConformanceCheck<StagingHarness>[] = [
  {
    name: 'what a failed item holds that nobody was given is never given, and its room is free',
    async run({ staging }) {
      await using both = await staging.begin(runOf('1'))
      const { largestFile } = both.stage
      const drain = both.contents.drain()[Symbol.asyncIterator]()
      await both.stage.write({ item: 'kept', name: 'file' }, chunks(1))
      assert.equal(await nextText(drain), 'file kept/file 1')
      // With the byte that is kept, one byte too much for another file as large as can be.
      await fillWith(both, 'broken', both.contents.budget - largestFile)
      const writing = both.stage.write({ item: 'other', name: 'file' }, chunks(largestFile))
      writing.catch(() => undefined)
      await within(both.stage.failItem('broken', { code: 'APPLICATION', message: 'it broke' }), 'failing an item')
      assert.equal(await nextText(drain), 'item-failed broken')
      assert.equal(await nextText(drain), `file other/file ${largestFile}`, 'a writer must get the room without pressing for it')
      await within(writing, 'the write that needs the room')
    },
  },
  {
    name: 'a second drainer at the same time is refused, and the first goes on',
    async run({ staging }) {
      await using both = await staging.begin(runOf('1'))
      const drain = both.contents.drain()[Symbol.asyncIterator]()
      await both.stage.write({ item: 'item', name: 'file' }, chunks(1))
      assert.equal(await nextText(drain), 'file item/file 1')
      await assert.rejects(within(both.contents.drain()[Symbol.asyncIterator]().next(), 'a second drain'), TypeError)
      await both.stage.sealItem({ item: 'item', facts: {} })
      await both.stage.seal(captureFacts)
      assert.deepEqual([await nextText(drain), await nextText(drain)], ['item item', 'sealed'])
    },
  },
  {
    name: 'after stopFilling the drain gives nothing of what was staged before',
    async run({ staging }) {
      await using both = await staging.begin(runOf('1'))
      const cause = new BackupError('the capture is lost', { code: 'INCONSISTENT' })
      const drain = both.contents.drain()[Symbol.asyncIterator]()
      for (const name of ['given', 'left']) await both.stage.write({ item: 'item', name }, chunks(1))
      assert.equal(await nextText(drain), 'file item/given 1')
      both.stopFilling(cause)
      await assert.rejects(within(drain.next(), 'the drain'), (error) => error === cause)
    },
  },
  {
    name: 'nobody is pressed for a writer that waits no more',
    async run({ staging }) {
      await using both = await staging.begin(runOf('1'))
      await within(fillWith(both, 'item', both.contents.budget), 'filling the budget')
      const controller = new AbortController()
      const asked = Promise.withResolvers<void>()
      const content = async function* () {
        asked.resolve()
        yield* chunks(1)
      }
      const late = both.stage.write({ item: 'item', name: 'late' }, content(), { signal: controller.signal })
      late.catch(() => undefined)
      await asked.promise
      // From the content to the budget there are only promises: after one turn of the event loop the writer waits for room.
      await setImmediate()
      controller.abort()
      await rejectsWith(() => late, 'ABORTED', 'a write that was aborted while it waited')
      await both.stage.sealItem({ item: 'item', facts: {} })
      await both.stage.seal(captureFacts)
      const types = (await within(collect(both.contents.drain()), 'the drain')).map(({ type }) => type)
      assert.ok(!types.includes('pressure'), `no writer waits, and the drain gave ${types.join(', ')}`)
      assert.equal(types.at(-1), 'sealed')
    },
  },
]

async function nextText(drain: AsyncIterator<StageEvent>): Promise<string> {
  const { value, done } = await within(drain.next(), 'the next event')
  return done === true ? 'the end' : eventText(value)
}

/** Stages so many bytes for an item, in files as large as can be. */
async function fillWith({ stage }: RunStage, item: string, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; left -= stage.largestFile)
    await stage.write({ item, name: `with ${left} left` }, chunks(Math.min(left, stage.largestFile)))
}
