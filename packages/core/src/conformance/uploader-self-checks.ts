import assert from 'node:assert/strict'
import { type ConformanceCheck, rejectsWith, within } from './conformance-check.ts'
import { assertHolds, assertNothingElse, put, type UploaderHarness } from './uploader-harness.ts'

/** A check may ask a far store a dozen things. */
const patienceMs = 30_000

/** What an uploader that checks its store by itself promises; one that leaves `check` out promises nothing here. */
export const uploaderSelfChecks: readonly ConformanceCheck<UploaderHarness>[] = [
  {
    name: 'checks a good store, where it can, without finding an error, and leaves everything as it was',
    async run(harness) {
      const { uploader } = harness
      await put(uploader, 'there/object', 'there')
      for (let time = 0; time < 2; time++) {
        const problems = (await within(uploader.check?.() ?? Promise.resolve([]), 'check', patienceMs)) ?? []
        assert.deepEqual(
          problems.filter(({ severity }) => severity === 'error'),
          [],
          'a store on which every other promise is kept has no error',
        )
        for (const { hint, message } of problems) assert.ok(hint !== '' && message !== '', 'a problem has a message and a hint')
      }
      await assertHolds(uploader, 'there/object', 'there')
      await assertNothingElse(harness, ['there/object'])
    },
  },
  {
    name: 'does not check when it was aborted before',
    async run(harness) {
      const { uploader } = harness
      const { check } = uploader
      if (check === undefined) return
      await rejectsWith(() => check.call(uploader, { signal: AbortSignal.abort() }), 'ABORTED', 'check aborted beforehand')
      await assertNothingElse(harness, [])
    },
  },
]
