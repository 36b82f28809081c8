import assert from 'node:assert/strict'
import type { OperationOptions, Reopenable, Uploader } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { chunksOf, reopenable, sampleBytes } from '../testing/chunks-of.ts'
import { type ConformanceCheck, collect, rejectsWith, within } from './conformance-check.ts'
import { endsEarly, goesOn, pausesHalfWay, throwsHalfWay, wrongHash } from './lying-content.ts'
import { assertAbsent, assertHolds, assertNothingElse, get, keysOf, otherOf, put, type UploaderHarness } from './uploader-harness.ts'

const bytes = sampleBytes(200_000, 11)
const old = sampleBytes(1234, 12)

/** What failures, aborts and races leave: the old object or the new one, whole, or none. */
export const uploaderFailureChecks: readonly ConformanceCheck<UploaderHarness>[] = [
  ...[
    { lie: 'ends early', make: () => endsEarly(bytes) },
    { lie: 'is longer than announced', make: () => goesOn(bytes) },
    { lie: 'has another hash than announced', make: () => wrongHash(bytes) },
    { lie: 'is announced as empty and is not', make: (): Reopenable => ({ size: 0, open: () => chunksOf(bytes, [1000]) }) },
    { lie: 'is empty and announced as not', make: (): Reopenable => ({ size: 5, open: () => chunksOf(Buffer.alloc(0), [1]) }) },
  ].map(({ lie, make }) => ({
    name: `refuses content that ${lie}, and leaves nothing or the old object`,
    async run(harness: UploaderHarness) {
      const { uploader } = harness
      await rejectsWith(() => uploader.upload('lies/new', make()), 'CORRUPTED', `upload of content that ${lie}`)
      await assertAbsent(harness, 'lies/new')
      await put(uploader, 'lies/old', old)
      await rejectsWith(() => uploader.upload('lies/old', make()), 'CORRUPTED', `replacement by content that ${lie}`)
      await assertOldOrNone(harness, 'lies/old')
    },
  })),
  {
    name: 'passes on the failure of the content, and leaves nothing or the old object',
    async run(harness) {
      const { uploader } = harness
      const failure = new BackupError('staging disk broke', { code: 'APPLICATION', hint: 'Replace the disk.' })
      const error = await rejectsWith(
        () => uploader.upload('broken/new', throwsHalfWay(bytes, failure)),
        'APPLICATION',
        'upload of broken content',
      )
      assert.equal(error.message, failure.message, 'the failure of the content must pass through as it is')
      await assertAbsent(harness, 'broken/new')
      await put(uploader, 'broken/old', old)
      await rejectsWith(() => uploader.upload('broken/old', throwsHalfWay(bytes, failure)), 'APPLICATION', 'replacement by broken content')
      await assertOldOrNone(harness, 'broken/old')
    },
  },
  {
    name: 'closes the content it does not read to its end',
    async run({ uploader }) {
      let closed = 0
      const content: Reopenable = {
        size: 10,
        async *open() {
          try {
            yield* chunksOf(bytes, [1000])
          } finally {
            closed++
          }
        },
      }
      await rejectsWith(() => uploader.upload('closed', content), 'CORRUPTED', 'upload of content longer than announced')
      assert.ok(closed >= 1, 'the stream of the content must be closed')
    },
  },
  {
    name: 'does nothing at all when it is aborted beforehand',
    async run(harness) {
      const { uploader } = harness
      await put(uploader, 'kept', old)
      const options: OperationOptions = { signal: AbortSignal.abort(new Error('stop')) }
      let opened = 0
      const content: Reopenable = {
        ...reopenable(bytes),
        open() {
          opened++
          return chunksOf(bytes, [1000])
        },
      }
      await rejectsWith(() => uploader.upload('kept', content, options), 'ABORTED', 'upload aborted beforehand')
      await rejectsWith(() => uploader.upload('new', content, options), 'ABORTED', 'upload aborted beforehand')
      await rejectsWith(() => collect(uploader.download('kept', undefined, options)), 'ABORTED', 'download aborted beforehand')
      await rejectsWith(() => uploader.stat('kept', options), 'ABORTED', 'stat aborted beforehand')
      await rejectsWith(() => collect(uploader.list('', options)), 'ABORTED', 'list aborted beforehand')
      await rejectsWith(() => uploader.remove('kept', options), 'ABORTED', 'removal aborted beforehand')
      const removeAll = uploader.removeAll?.bind(uploader)
      if (removeAll !== undefined) await rejectsWith(() => removeAll(['kept'], options), 'ABORTED', 'removal of several aborted beforehand')
      assert.equal(opened, 0, 'the content must not be opened')
      await assertHolds(uploader, 'kept', old)
      await assertNothingElse(harness, ['kept'])
    },
  },
  {
    name: 'stops an upload half-way at once, even while its content is stalled, and leaves nothing or the old object',
    async run(harness) {
      const { uploader } = harness
      await abortHalfWay(uploader, 'aborted/new')
      await assertAbsent(harness, 'aborted/new')
      await put(uploader, 'aborted/old', old)
      await abortHalfWay(uploader, 'aborted/old')
      await assertOldOrNone(harness, 'aborted/old')
      await put(uploader, 'aborted/old', bytes)
      await assertHolds(uploader, 'aborted/old', bytes)
      await assertNothingElse(harness, ['aborted/old'])
    },
  },
  {
    name: 'is whole or absent when it is aborted at the last chunk',
    async run(harness) {
      const { uploader } = harness
      const controller = new AbortController()
      const content: Reopenable = {
        ...reopenable(bytes),
        async *open() {
          yield* chunksOf(bytes, [50_000])
          controller.abort(new Error('at the last chunk'))
        },
      }
      const outcome = await within(
        uploader.upload('last', content, { signal: controller.signal }).then(
          () => undefined,
          (error: unknown) => error,
        ),
        'upload aborted at its last chunk',
      )
      if (outcome === undefined) return await assertHolds(uploader, 'last', bytes)
      assert.ok(BackupError.is(outcome) && outcome.code === 'ABORTED', `must fail with ABORTED, failed with ${String(outcome)}`)
      await assertAbsent(harness, 'last')
    },
  },
  {
    name: 'stops a download and a list half-way',
    async run({ uploader }) {
      for (const index of [1, 2, 3]) await put(uploader, `half/${index}`, bytes)
      const large = sampleBytes(4 * 1024 * 1024, 13)
      await put(uploader, 'half/large', large)
      const download = new AbortController()
      await rejectsWith(
        async () => {
          for await (const _ of uploader.download('half/large', undefined, { signal: download.signal })) download.abort()
        },
        'ABORTED',
        'download aborted half-way',
      )
      const list = new AbortController()
      await rejectsWith(
        async () => {
          for await (const _ of uploader.list('half/', { signal: list.signal })) list.abort()
        },
        'ABORTED',
        'list aborted half-way',
      )
    },
  },
  {
    name: 'shows nothing of an upload before it resolves',
    async run(harness) {
      const { uploader } = harness
      const other = await otherOf(harness)
      await put(uploader, 'during/old', old)
      for (const key of ['during/new', 'during/old']) {
        const gate = openGate()
        let reached: () => void = () => undefined
        const half = new Promise<void>((resolve) => {
          reached = resolve
        })
        const upload = uploader.upload(key, pausesHalfWay(bytes, reached, gate.passed))
        upload.catch(() => undefined)
        await within(half, `first half of the upload of ${key}`)
        try {
          for (const reader of [uploader, other]) {
            const sizes = (await collect(reader.list('during/'))).filter((object) => object.key === key).map((object) => object.size)
            const found = await reader.stat(key)
            if (key === 'during/new') {
              assert.equal(found, undefined, 'stat must not see an upload that has not resolved')
              assert.deepEqual(sizes, [], 'list must not see an upload that has not resolved')
              await rejectsWith(() => get(reader, key), 'NOT_FOUND', 'download of an upload that has not resolved')
            } else if (uploader.supports.atomicReplace) {
              assert.deepEqual(sizes, [old.byteLength], 'list must show the old object while it is being replaced')
              await assertHolds(reader, key, old)
            } else {
              assert.ok(
                [undefined, old.byteLength].includes(found?.size),
                'stat must show the old object or none while it is being replaced',
              )
              assert.ok(
                sizes.every((size) => size === old.byteLength),
                'list must show the old object or none while it is being replaced',
              )
            }
          }
        } finally {
          gate.open()
        }
        await within(upload, `upload of ${key}`)
        await assertHolds(other, key, bytes)
      }
    },
  },
  {
    name: 'lets two uploads race for one key, and one of them win whole',
    async run(harness) {
      const { uploader } = harness
      const other = await otherOf(harness)
      const rivals = [sampleBytes(150_000, 21), sampleBytes(90_000, 22)] as const
      for (let round = 0; round < 5; round++) {
        const outcomes = await within(
          Promise.allSettled([
            uploader.upload('race/key', reopenable(rivals[0], [1000])),
            other.upload('race/key', reopenable(rivals[1], [700])),
          ]),
          'two uploads on one key',
        )
        const won = outcomes.flatMap((outcome, index) => (outcome.status === 'fulfilled' ? [rivals[index] ?? Buffer.alloc(0)] : []))
        for (const outcome of outcomes) {
          if (outcome.status === 'fulfilled') continue
          assert.ok(
            BackupError.is(outcome.reason) && outcome.reason.code === 'CONFLICT',
            `a loser fails with CONFLICT, not ${String(outcome.reason)}`,
          )
        }
        assert.ok(won.length > 0, 'one of two uploads on one key must succeed')
        const found = await get(other, 'race/key')
        assert.ok(
          won.some((rival) => rival.equals(found)),
          'the object must be one of the two, whole',
        )
      }
      await assertNothingElse(harness, ['race/key'])
    },
  },
  {
    name: 'uploads and removes side by side in the same folders',
    async run(harness) {
      const { uploader } = harness
      const other = await otherOf(harness)
      const width = Math.min(8, Math.max(2, uploader.supports.concurrency * 2))
      await within(
        Promise.all(
          Array.from({ length: width }, async (_, worker) => {
            const mine = worker % 2 === 0 ? uploader : other
            for (let round = 0; round < 6; round++) {
              const key = `side/by/side/${worker}`
              await put(mine, key, `${worker}-${round}`)
              await assertHolds(mine, key, `${worker}-${round}`)
              await mine.remove(key)
              assert.equal(await mine.stat(key), undefined, 'a removed object must be gone')
            }
          }),
        ),
        'uploads and removals side by side',
        30_000,
      )
      await assertNothingElse(harness, [])
    },
  },
  {
    name: 'lists what stays while other objects come and go',
    async run(harness) {
      const { uploader } = harness
      const other = await otherOf(harness)
      const staying = Array.from({ length: 12 }, (_, index) => `list/stays-${index}`)
      for (const key of staying) await put(uploader, key, old)
      let stop = false
      const churn = (async () => {
        for (let round = 0; !stop; round++) {
          await put(other, `list/comes-${round % 4}`, bytes)
          await other.remove(`list/comes-${(round + 2) % 4}`)
        }
      })()
      churn.catch(() => undefined)
      try {
        for (let round = 0; round < 8; round++) {
          const listed = await collect(uploader.list('list/'))
          const keys = new Set(listed.map((object) => object.key))
          for (const key of staying) assert.ok(keys.has(key), `list must give ${key}, which was there all the time`)
          for (const object of listed) {
            assert.ok(
              [old.byteLength, bytes.byteLength].includes(object.size),
              `list must not show half of ${object.key}: ${object.size} bytes`,
            )
            assert.match(object.key, /^list\/(stays|comes)-\d+$/, 'list must show objects only')
          }
        }
      } finally {
        stop = true
      }
      await within(churn, 'uploads beside a list')
      assert.equal((await keysOf(uploader, 'list/stays-')).length, staying.length)
    },
  },
]

async function abortHalfWay(uploader: Uploader, key: string): Promise<void> {
  const controller = new AbortController()
  const content = pausesHalfWay(bytes, () => setImmediate(() => controller.abort(new Error('half-way'))))
  await rejectsWith(() => uploader.upload(key, content, { signal: controller.signal }), 'ABORTED', `upload of ${key} aborted half-way`)
}

/** The old object must be there, whole; where a replacement is not atomic it may also be gone, never half. */
async function assertOldOrNone(harness: UploaderHarness, key: string): Promise<void> {
  const { uploader } = harness
  if (uploader.supports.atomicReplace || (await uploader.stat(key)) !== undefined) {
    await assertHolds(uploader, key, old)
    await assertNothingElse(harness, [key])
  } else await assertNothingElse(harness, [])
}

function openGate(): { readonly passed: Promise<void>; open(): void } {
  let open: () => void = () => undefined
  const passed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { passed, open: () => open() }
}
