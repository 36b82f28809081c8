import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { appendFile, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { BackupError } from '../errors/backup-error.ts'
import { bytesOf } from '../testing/chunks-of.ts'
import { type ConformanceCheck, collect, rejectsWith, within } from './conformance-check.ts'
import { captureFacts, chunks, eventText, fillAndSeal, runOf } from './staging-actions.ts'
import type { StagingHarness } from './staging-harness.ts'

const first = (item = 'item', name = 'file') => ({ item, name })

/** What a stage promises for one file after the other. */
export const stagingFileChecks: readonly ConformanceCheck<StagingHarness>[] = [
  {
    name: 'a written file has the size and SHA-256 of its content, and is read back as it is, often and in ranges',
    async run({ staging }) {
      await using both = await staging.begin(runOf('1'))
      const facts = await both.stage.write(first('odd / item', 'folder/file'), chunks(1500, 7, 100))
      const sha256 = createHash('sha256').update(Buffer.alloc(1500, 7)).digest('hex')
      assert.deepEqual({ ...facts }, { item: 'odd / item', name: 'folder/file', size: 1500, sha256 })
      const { value } = await within(both.contents.drain()[Symbol.asyncIterator]().next(), 'the first event')
      assert.ok(value?.type === 'file', 'the first event must be the file')
      for (let time = 0; time < 2; time++) assert.deepEqual(await bytesOf(value.file.open()), Buffer.alloc(1500, 7))
      assert.equal((await bytesOf(value.file.open({ begin: 10, end: 30 }))).length, 20)
    },
  },
  {
    name: 'a file that can be read into memory of the drainer fills the room it is given, and no more',
    async run({ staging }) {
      await using both = await staging.begin(runOf('1'))
      await both.stage.write(first(), chunks(1500, 7, 100))
      const { value } = await within(both.contents.drain()[Symbol.asyncIterator]().next(), 'the first event')
      assert.ok(value?.type === 'file', 'the first event must be the file')
      const memory = new Uint8Array(new SharedArrayBuffer(2000))
      let filled = 0
      for await (const bytes of value.file.readInto?.(async () => memory.subarray(filled, filled + 400)) ?? []) {
        assert.ok(bytes > 0 && bytes <= 400, `${bytes} bytes are not what there was room for`)
        filled += bytes
      }
      if (value.file.readInto === undefined) return
      assert.equal(filled, 1500, 'the whole content must be read')
      assert.ok(
        Buffer.from(memory).equals(Buffer.concat([Buffer.alloc(1500, 7), Buffer.alloc(500)])),
        'readInto must give the content as it is',
      )
    },
  },
  {
    name: 'everything comes in order, and the drain ends after sealed',
    async run({ staging }) {
      await using both = await staging.begin(runOf('1'))
      const drained = collect(both.contents.drain())
      drained.catch(() => undefined)
      await fillAndSeal(both, { b: [1, 0], a: [2] })
      assert.deepEqual((await within(drained, 'the drain')).map(eventText), [
        'file b/file0 1',
        'file b/file1 0',
        'item b',
        'file a/file0 2',
        'item a',
        'sealed',
      ])
      assert.equal(both.sealed, true)
    },
  },
  {
    name: 'a name that could leave the item is refused',
    async run({ staging }) {
      await using both = await staging.begin(runOf('1'))
      for (const name of ['', '.', '..', '../file', 'a/../../file', '/file', 'a//b', 'a\\b', 'C:file', 'a\0b']) {
        await rejectsWith(() => both.stage.write(first('item', name), chunks(1)), 'INVALID_INPUT', `writing ${JSON.stringify(name)}`)
        await rejectsWith(() => both.stage.adopt(first('item', name)), 'INVALID_INPUT', `adopting ${JSON.stringify(name)}`)
      }
    },
  },
  {
    name: 'nothing is left of a file whose content throws, and its name is free again',
    async run({ staging }) {
      await using both = await staging.begin(runOf('1'))
      const failure = new BackupError('the source broke', { code: 'APPLICATION' })
      const failing = async function* () {
        yield* chunks(1000)
        throw failure
      }
      await assert.rejects(
        both.stage.write(first(), failing()),
        (error) => error === failure,
        'the failure of the content must come through',
      )
      await both.stage.write(first(), chunks(10))
      await both.stage.sealItem({ item: 'item', facts: {} })
      await both.stage.seal(captureFacts)
      assert.deepEqual((await collect(both.contents.drain())).map(eventText), ['file item/file 10', 'item item', 'sealed'])
    },
  },
  {
    name: 'an abort ends a write whose content hangs, and nothing is left of it',
    async run({ staging }) {
      await using both = await staging.begin(runOf('1'))
      const controller = new AbortController()
      const hanging = async function* () {
        yield* chunks(1000)
        setImmediate(() => controller.abort())
        await new Promise(() => undefined)
      }
      await rejectsWith(() => both.stage.write(first(), hanging(), { signal: controller.signal }), 'ABORTED', 'an aborted write')
      await both.stage.write(first(), chunks(10))
    },
  },
  {
    name: 'a signal that is aborted beforehand has no effect',
    async run({ staging }) {
      const signal = AbortSignal.abort()
      await rejectsWith(() => staging.begin(runOf('1'), { signal }), 'ABORTED', 'an aborted begin')
      await using both = await staging.begin(runOf('1'))
      let read = false
      const watched = async function* () {
        read = true
        yield* chunks(1)
      }
      await rejectsWith(() => both.stage.write(first(), watched(), { signal }), 'ABORTED', 'an aborted write')
      assert.equal(read, false, 'the content must not be read')
    },
  },
  {
    name: 'a name is taken only once',
    async run({ staging }) {
      await using both = await staging.begin(runOf('1'))
      await both.stage.write(first(), chunks(5))
      await rejectsWith(() => both.stage.write(first(), chunks(6)), 'ALREADY_EXISTS', 'the same name again')
    },
  },
  {
    name: 'a file that the application wrote is adopted; links, folders and nothing are refused',
    async run({ staging }) {
      await using both = await staging.begin(runOf('1'))
      const folder = await both.stage.folder('item')
      assert.ok(folder.startsWith(both.stage.directory), 'the folder of an item must lie in the directory of the stage')
      await writeFile(path.join(folder, 'backup'), 'content')
      const sha256 = createHash('sha256').update('content').digest('hex')
      assert.deepEqual({ ...(await both.stage.adopt(first('item', 'backup'))) }, { item: 'item', name: 'backup', size: 7, sha256 })
      await symlink(path.join(folder, 'backup'), path.join(folder, 'link'))
      await rejectsWith(() => both.stage.adopt(first('item', 'link')), 'INVALID_INPUT', 'adopting a link')
      await rejectsWith(() => both.stage.adopt(first('item', 'none')), 'NOT_FOUND', 'adopting nothing')
    },
  },
  {
    name: 'a staged file that was changed is CORRUPTED, not read',
    async run({ staging }) {
      await using both = await staging.begin(runOf('1'))
      const file = path.join(await both.stage.folder('item'), 'backup')
      await writeFile(file, 'content')
      await both.stage.adopt(first('item', 'backup'))
      const { value } = await within(both.contents.drain()[Symbol.asyncIterator]().next(), 'the first event')
      assert.ok(value?.type === 'file')
      await writeFile(file, 'CONTENT')
      await rejectsWith(() => bytesOf(value.file.open()), 'CORRUPTED', 'reading a changed file')
      await appendFile(file, 'more')
      await rejectsWith(() => bytesOf(value.file.open()), 'CORRUPTED', 'reading a longer file')
    },
  },
]
