import assert from 'node:assert/strict'
import type { RestorePlan, RestoreReport, Scratch, ScratchRequest } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import {
  type AgentHarness,
  assertNoErrors,
  assertReleased,
  assertUnchanged,
  backUpOnce,
  type Captured,
  type ScratchHarness,
  stalledAtSecondFile,
  withFiles,
} from './agent-harness.ts'
import { type ConformanceCheck, rejectsWith } from './conformance-check.ts'

/** What a place promises in which restores are tried. */
export const agentScratchChecks: readonly ConformanceCheck<AgentHarness>[] = [
  {
    name: 'restores into a scratch place, says what is sound there, and leaves nothing of it',
    run: (harness) =>
      forEachPlace(harness, async (open, { place, remains }) => {
        const { source, target, items } = harness
        const captured = await backUpOnce(source.agent)
        const [before, data] = [await remains(), await target.observe()]
        const scratch = await open(captured)
        try {
          const report = await restoreInto(scratch, captured)
          for (const item of items) {
            const restored = report.items.find((candidate) => candidate.item === item)
            assert.ok(restored !== undefined && restored.failure === undefined, `${item} must be restored`)
            for (const check of restored.checks)
              assert.ok(check.passed, `check ${check.name} of ${item}: ${check.expected} and ${check.found}`)
            assert.equal(await target.content(item), undefined, `${item} must not come to the server itself under its own name`)
          }
          const said = await scratch.check(report)
          assert.ok(said.length > 0, 'something must be checked')
          for (const { name, expected, found, passed } of said) assert.ok(passed, `${name}: ${expected} and ${found}`)
          if (place === 'private') await assertUnchanged(target, data, 'a restore into a private place')
        } finally {
          await scratch[Symbol.asyncDispose]()
        }
        await scratch[Symbol.asyncDispose]()
        await assertReleased(target, 'a scratch place')
        assert.deepEqual(await remains(), before, 'nothing may be left of a scratch place')
      }),
  },
  {
    name: 'says of a scratch place that what should be there is missing',
    run: (harness) =>
      forEachPlace(harness, async (open) => {
        const captured = await backUpOnce(harness.source.agent)
        const scratch = await open(captured)
        try {
          const plan = await planInto(scratch, captured)
          const items = plan.items.map(({ item, to }) => ({ item, to, checks: [], facts: {} }))
          // An application that does not start has said it, too.
          const said = await scratch.check({ items, problems: [] }).catch(() => undefined)
          assert.ok(said?.every(({ passed }) => passed) !== true, 'a place in which nothing was restored must not be called sound')
        } finally {
          await scratch[Symbol.asyncDispose]()
        }
      }),
  },
  {
    name: 'leaves nothing of a scratch place when it is aborted',
    run: (harness) =>
      forEachPlace(harness, async (open, { remains }) => {
        const { source, target } = harness
        const captured = await backUpOnce(source.agent)
        const before = await remains()
        await rejectsWith(() => open(captured, {}, AbortSignal.abort()), 'ABORTED', 'opening a scratch place, aborted beforehand')
        assert.deepEqual(await remains(), before, 'opening that is aborted beforehand must leave nothing')
        const controller = new AbortController()
        const scratch = await open(captured)
        try {
          const plan = await planInto(scratch, captured)
          await withFiles(captured, [captured.backup], async (files) => {
            const cut = stalledAtSecondFile(files, () => controller.abort(new Error('operator pressed Ctrl-C')))
            await rejectsWith(() => scratch.agent.restore(plan, cut, { signal: controller.signal }), 'ABORTED', 'restore aborted half-way')
          })
          const report = { items: [], problems: [] }
          await rejectsWith(() => scratch.check(report, { signal: AbortSignal.abort() }), 'ABORTED', 'check aborted beforehand')
        } finally {
          await scratch[Symbol.asyncDispose]()
        }
        await assertReleased(target, 'an aborted scratch place')
        assert.deepEqual(await remains(), before, 'nothing may be left of a scratch place that was aborted')
      }),
  },
  {
    name: 'says of a scratch place what stays of it and how to remove that, and removes all else',
    run: (harness) =>
      forEachPlace(harness, async (open, { place, remains }) => {
        const { hinder } = harness.scratch ?? {}
        if (hinder === undefined || place !== 'server') return
        const captured = await backUpOnce(harness.source.agent)
        const before = await remains()
        const scratch = await open(captured)
        await restoreInto(scratch, captured)
        {
          await using _ = await hinder(scratch)
          const said: unknown = await scratch[Symbol.asyncDispose]().then(
            () => undefined,
            (error: unknown) => error,
          )
          assert.ok(BackupError.is(said), 'disposing of a place of which something stays must throw what it is')
          assert.ok(said.hint !== undefined && said.hint !== '', 'it must be said how to remove what stays')
        }
        assert.deepEqual(await remains(), before, 'all else of the place must be gone')
      }),
  },
  {
    name: 'keeps two scratch places apart',
    run: (harness) =>
      forEachPlace(harness, async (open, { remains }) => {
        const captured = await backUpOnce(harness.source.agent)
        const before = await remains()
        const first = await open(captured)
        try {
          const second = await open(captured)
          try {
            const report = await restoreInto(first, captured)
            await restoreInto(second, captured)
            await second[Symbol.asyncDispose]()
            const said = await first.check(report)
            assert.ok(said.length > 0 && said.every(({ passed }) => passed), 'a place must be sound after another one was removed')
          } finally {
            await second[Symbol.asyncDispose]()
          }
        } finally {
          await first[Symbol.asyncDispose]()
        }
        assert.deepEqual(await remains(), before, 'nothing may be left of two scratch places')
      }),
  },
  {
    name: 'refuses scratch options that it does not know',
    run: (harness) =>
      forEachPlace(harness, async (open, { remains }) => {
        const captured = await backUpOnce(harness.source.agent)
        const before = await remains()
        await rejectsWith(
          () => open(captured, { options: { noSuchOption: true } }),
          ['INVALID_SETTINGS', 'INVALID_INPUT'],
          'a scratch place with an unknown option',
        )
        assert.deepEqual(await remains(), before, 'a scratch place that is refused must leave nothing')
      }),
  },
]

interface Place extends Pick<ScratchHarness, 'remains'> {
  readonly place: ScratchRequest['place']
}

type Open = (captured: Captured, more?: Pick<ScratchRequest, 'options'>, signal?: AbortSignal) => Promise<Scratch>

/** Each of the places in turn, opened by the agent of the target; nothing to do for an agent without any. */
async function forEachPlace(harness: AgentHarness, act: (open: Open, place: Place) => Promise<void>): Promise<void> {
  const { agent } = harness.target
  if (agent.openScratch === undefined) return
  assert.ok(harness.scratch !== undefined, 'an agent that opens scratch places needs "scratch" in its harness')
  const { places, directory, remains } = harness.scratch
  for (const place of places) {
    const open: Open = async ({ backup }, more = {}, signal) => {
      assert.ok(agent.openScratch !== undefined)
      const where = directory === undefined ? {} : { directory }
      return await agent.openScratch({ backups: [backup], place, ...where, ...more }, { signal })
    }
    await act(open, { place, remains })
  }
}

async function planInto(scratch: Scratch, { backup }: Captured): Promise<RestorePlan> {
  const plan = await scratch.agent.planRestore({ backups: [backup], target: scratch.target })
  assertNoErrors(plan.problems, 'nothing stands against a restore into a scratch place')
  return plan
}

async function restoreInto(scratch: Scratch, captured: Captured): Promise<RestoreReport> {
  const plan = await planInto(scratch, captured)
  return await withFiles(captured, [captured.backup], (files) => scratch.agent.restore(plan, files))
}
