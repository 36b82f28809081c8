import assert from 'node:assert/strict'
import { isFailureCode } from '../errors/backup-error.ts'
import { chunksOf, reopenable, sampleBytes, sha256Of } from '../testing/chunks-of.ts'
import { type ConformanceCheck, collect, rejectsWith } from './conformance-check.ts'
import { oddNames } from './odd-names.ts'
import { assertHolds, assertNothingElse, get, keysOf, otherOf, put, type UploaderHarness } from './uploader-harness.ts'

/** What objects are: stored, read, listed, replaced and removed under their keys. */
export const uploaderObjectChecks: readonly ConformanceCheck<UploaderHarness>[] = [
  {
    name: 'declares its contract, a printable destination and what it supports',
    async run({ uploader }) {
      assert.equal(uploader.contract, 'uploader/1')
      assert.match(uploader.destination, /^[a-z][a-z0-9+.-]*:/i, 'destination must be a URL')
      assert.doesNotMatch(uploader.destination, /\/\/[^/@]*:[^/@]*@/, 'destination must not hold a password')
      assert.ok(Number.isSafeInteger(uploader.supports.concurrency) && uploader.supports.concurrency >= 1, 'concurrency must be at least 1')
      for (const flag of ['atomicReplace', 'rangeRead', 'resume'] as const) assert.equal(typeof uploader.supports[flag], 'boolean', flag)
    },
  },
  {
    name: 'gives back what was uploaded, with true facts, at once',
    async run(harness) {
      const { uploader } = harness
      const bytes = sampleBytes(70_001)
      const before = Date.now()
      const object = await uploader.upload('folder/object', reopenable(bytes, [1, 5, 70_000]))
      assert.equal(object.key, 'folder/object')
      assert.equal(object.size, bytes.byteLength)
      assert.match(object.modifiedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/, 'modifiedAt must be ISO 8601 in UTC')
      assert.ok(Math.abs(Date.parse(object.modifiedAt) - before) < 86_400_000, 'modifiedAt must be about now')
      const listed = await collect(uploader.list(''))
      assert.equal(listed.length, 1, 'list must give one object')
      for (const seen of [object, await uploader.stat('folder/object'), listed[0]]) {
        assert.equal(seen?.key, 'folder/object')
        assert.equal(seen.size, bytes.byteLength)
        if (seen.sha256 !== undefined) assert.equal(seen.sha256, sha256Of(bytes), 'sha256 must be of the content')
      }
      for (const reader of [uploader, await otherOf(harness)]) await assertHolds(reader, 'folder/object', bytes)
    },
  },
  {
    name: 'stores content that announces neither size nor hash',
    async run({ uploader }) {
      const bytes = sampleBytes(10_000, 2)
      await uploader.upload('unannounced', { open: () => chunksOf(bytes, [4096]) })
      await assertHolds(uploader, 'unannounced', bytes)
    },
  },
  {
    name: 'stores an empty object',
    async run({ uploader }) {
      await put(uploader, 'empty', '')
      await uploader.upload('empty-unannounced', {
        async *open() {
          yield new Uint8Array(0)
        },
      })
      await assertHolds(uploader, 'empty', '')
      await assertHolds(uploader, 'empty-unannounced', '')
      assert.deepEqual(await keysOf(uploader), ['empty', 'empty-unannounced'])
    },
  },
  {
    name: 'stores an object of many pieces, in chunks of any size',
    async run({ uploader }) {
      const bytes = sampleBytes(3 * 1024 * 1024 + 17, 3)
      await uploader.upload('large', reopenable(bytes, [1, 1024 * 1024, 7, 65_537]))
      await assertHolds(uploader, 'large', bytes)
    },
  },
  {
    name: 'holds nothing of what was uploaded: its memory is used again',
    async run({ uploader }) {
      const bytes = sampleBytes(300_000, 5)
      for (const [key, unchanging] of [
        ['reused', false],
        ['reused-unchanging', true],
      ] as const) {
        const memory = Buffer.from(bytes)
        const open = async function* () {
          for (let at = 0; at < memory.byteLength; at += 65_536) yield memory.subarray(at, at + 65_536)
        }
        await uploader.upload(key, { size: memory.byteLength, sha256: sha256Of(memory), unchanging, open })
        memory.fill(0xff)
        await assertHolds(uploader, key, bytes)
      }
    },
  },
  {
    name: 'gives each chunk of a download for keeps, never one buffer twice',
    async run({ uploader }) {
      const bytes = sampleBytes(1024 * 1024 + 3, 4)
      await put(uploader, 'kept', bytes)
      const chunks = await collect(uploader.download('kept'))
      assert.ok(bytes.equals(Buffer.concat(chunks)), 'a chunk changed after it was given')
      for (const chunk of chunks) chunk.fill(0)
      await assertHolds(uploader, 'kept', bytes)
    },
  },
  {
    name: 'replaces an object, by a shorter, a longer and an empty one',
    async run(harness) {
      const { uploader } = harness
      for (const bytes of [sampleBytes(5000), sampleBytes(10, 2), sampleBytes(20_000, 3), Buffer.alloc(0), Buffer.from('last')]) {
        await put(uploader, 'replaced/object', bytes)
        await assertHolds(uploader, 'replaced/object', bytes)
      }
      await assertNothingElse(harness, ['replaced/object'])
    },
  },
  {
    name: 'says that a missing object is missing, on the first read of a download',
    async run({ uploader }) {
      await put(uploader, 'there/object', 'x')
      for (const key of ['missing', 'there/missing', 'there', 'missing/folder/object', 'there/object/below']) {
        assert.equal(await uploader.stat(key), undefined, `stat of ${key} must be undefined`)
        const download = uploader.download(key)
        const error = await rejectsWith(() => collect(download), 'NOT_FOUND', `download of ${key}`)
        assert.equal(uploader.classify(error), 'NOT_FOUND')
        if (uploader.supports.rangeRead) {
          await rejectsWith(() => collect(uploader.download(key, { begin: 0, end: 0 })), 'NOT_FOUND', `empty range of ${key}`)
        }
        await uploader.remove(key)
      }
      await assertHolds(uploader, 'there/object', 'x')
    },
  },
  {
    name: 'removes an object and nothing else, and succeeds when there is none',
    async run(harness) {
      const { uploader } = harness
      for (const key of ['a/b/one', 'a/b/one-more', 'a/b2/one', 'a/one']) await put(uploader, key, key)
      await uploader.remove('a/b/one')
      await uploader.remove('a/b/one')
      assert.equal(await uploader.stat('a/b/one'), undefined)
      await rejectsWith(() => get(uploader, 'a/b/one'), 'NOT_FOUND', 'download of a removed object')
      await assertNothingElse(harness, ['a/b/one-more', 'a/b2/one', 'a/one'])
      for (const key of ['a/b/one-more', 'a/b2/one', 'a/one']) await uploader.remove(key)
      await assertNothingElse(harness, [])
      await put(uploader, 'a/b/one', 'again')
      await assertHolds(uploader, 'a/b/one', 'again')
    },
  },
  {
    name: 'removes several objects at once, where it can, and nothing else',
    async run(harness) {
      const { uploader } = harness
      const removeAll = uploader.removeAll?.bind(uploader)
      if (removeAll === undefined) return
      const odd = oddNames.map((name) => `odd/${name}`)
      const gone = ['a/one', 'a/b/one', 'b', ...odd]
      const kept = ['a/one-more', 'a/b/one-more', 'bb']
      for (const key of [...gone, ...kept]) await put(uploader, key, key)
      assert.deepEqual(await removeAll([]), [], 'nothing was to be removed')
      for (let time = 0; time < 2; time++) assert.deepEqual(await removeAll([...gone, 'never/there']), [], 'nothing here is locked')
      for (const key of gone) assert.equal(await uploader.stat(key), undefined, `${key} must be gone`)
      await assertNothingElse(harness, kept)
    },
  },
  {
    name: 'keeps odd names as they are, as objects and as folders',
    async run(harness) {
      const { uploader } = harness
      const stored: string[] = []
      for (const name of oddNames) {
        for (const key of [`names/${name}`, `folders/${name}/object`]) {
          if (harness.refusesKey?.(key)) {
            await rejectsWith(() => put(uploader, key, key), 'INVALID_INPUT', `upload of ${JSON.stringify(key)}`)
            continue
          }
          await put(uploader, key, key)
          stored.push(key)
        }
      }
      assert.ok(stored.length > 0, 'an uploader that refuses every odd name is of no use')
      for (const key of stored) await assertHolds(uploader, key, key)
      assert.deepEqual(await keysOf(uploader), [...stored].sort(), 'list must give every odd name as it is')
      for (const key of stored) {
        assert.ok((await keysOf(uploader, key)).includes(key), `list by ${JSON.stringify(key)} must find it`)
        await uploader.remove(key)
        assert.equal(await uploader.stat(key), undefined, `${JSON.stringify(key)} must be removed`)
      }
      await assertNothingElse(harness, [])
    },
  },
  {
    name: 'keeps keys apart that some encoding would make equal',
    async run({ uploader, refusesKey }) {
      const keys = ['a b', 'a+b', 'a%20b', 'a%2520b', 'a/b', 'a%2Fb', 'a%2fb', '\u00e9', 'e\u0301'].filter((key) => !refusesKey?.(key))
      for (const key of keys) await put(uploader, `apart/${key}`, key)
      for (const key of keys) await assertHolds(uploader, `apart/${key}`, key)
      assert.equal((await keysOf(uploader, 'apart/')).length, keys.length)
    },
  },
  {
    name: 'refuses keys that are none, without a trace',
    async run(harness) {
      const { uploader } = harness
      for (const key of ['', '/', '/absolute', 'folder/', 'a//b', '.', '..', './a', '../a', 'a/../b', 'a/..', 'a/./b', 'nul\0byte']) {
        const what = `of ${JSON.stringify(key)}`
        await rejectsWith(() => put(uploader, key, 'x'), 'INVALID_INPUT', `upload ${what}`)
        await rejectsWith(() => get(uploader, key), 'INVALID_INPUT', `download ${what}`)
        await rejectsWith(() => uploader.stat(key), 'INVALID_INPUT', `stat ${what}`)
        await rejectsWith(() => uploader.remove(key), 'INVALID_INPUT', `remove ${what}`)
      }
      await assertNothingElse(harness, [])
    },
  },
  {
    name: 'lists by prefix as plain text, nothing more and nothing less',
    async run({ uploader }) {
      const keys = ['ab', 'abc', 'ab-c/d', 'ac', 'b/ab', 'b/ab/', '100%/x', 'star*x', 'starxx'].filter((key) => !key.endsWith('/'))
      for (const key of [...keys, 'abd/e/f', 'abd/e/g']) await put(uploader, key, key)
      const all = [...keys, 'abd/e/f', 'abd/e/g']
      for (const prefix of [
        '',
        'a',
        'ab',
        'abd',
        'abd/',
        'abd/e',
        'abd/e/',
        'abd/e/f',
        'abd/e/f/',
        'b',
        'b/a',
        'none',
        'no/ne/',
        '100%',
        'star*',
        '/',
        '..',
        'A',
      ]) {
        assert.deepEqual(
          await keysOf(uploader, prefix),
          all.filter((key) => key.startsWith(prefix)).sort(),
          `list of ${JSON.stringify(prefix)}`,
        )
      }
    },
  },
  {
    name: 'lists more objects than fit one page, each once, and may be stopped early',
    async run({ uploader }) {
      const keys = Array.from({ length: 60 }, (_, index) => `many/${index % 3}/${String(index).padStart(4, '0')}`)
      for (const key of keys) await put(uploader, key, key)
      assert.deepEqual(await keysOf(uploader, 'many/'), [...keys].sort())
      for await (const object of uploader.list('many/')) {
        assert.ok(keys.includes(object.key))
        break
      }
    },
  },
  {
    name: 'reads ranges to the byte',
    async run({ uploader }) {
      const bytes = sampleBytes(300_000, 5)
      await put(uploader, 'ranged', bytes)
      await put(uploader, 'ranged-empty', '')
      if (!uploader.supports.rangeRead) {
        await rejectsWith(() => collect(uploader.download('ranged', { begin: 1 })), 'UNSUPPORTED', 'a range where none is supported')
        return
      }
      const size = bytes.byteLength
      const ranges = [
        { begin: 0 },
        { begin: 0, end: 1 },
        { begin: size - 1 },
        { begin: size - 1, end: size },
        { begin: 1, end: size - 1 },
        { begin: 12_345, end: 290_001 },
        { begin: 65_536, end: 131_072 },
        { begin: 100, end: 100 },
        { begin: 0, end: 0 },
        { begin: size },
        { begin: size, end: size + 10 },
        { begin: size + 10 },
        { begin: size + 10, end: size + 20 },
        { begin: size - 5, end: size + 5 },
      ]
      for (const range of ranges) {
        const found = Buffer.concat(await collect(uploader.download('ranged', range)))
        assert.ok(
          bytes.subarray(range.begin, range.end).equals(found),
          `range ${JSON.stringify(range)} of ${size} bytes gave ${found.length}`,
        )
      }
      for (const range of [{ begin: 0 }, { begin: 0, end: 1 }, { begin: 5 }]) {
        assert.equal(
          Buffer.concat(await collect(uploader.download('ranged-empty', range))).length,
          0,
          'ranges of an empty object are empty',
        )
      }
    },
  },
  {
    name: 'classifies any error with a code, and throws on none',
    async run({ uploader }) {
      const odd = [undefined, null, 'text', 7, {}, new TypeError('bug'), new Error('plain'), Object.assign(new Error('x'), { code: 5 }), []]
      for (const error of odd) assert.ok(isFailureCode(uploader.classify(error)), `classify of ${String(error)} must be a failure code`)
      assert.equal(uploader.classify(new TypeError('bug')), 'UNKNOWN', 'a mistake of the programmer has no better code')
    },
  },
  {
    name: 'can be disposed twice',
    async run({ uploader }) {
      await put(uploader, 'disposed', 'x')
      await uploader[Symbol.asyncDispose]()
      await uploader[Symbol.asyncDispose]()
    },
  },
]
