import assert from 'node:assert/strict'
import {
  type AgentHarness,
  assertNoErrors,
  assertNumbered,
  assertReleased,
  assertUnchanged,
  backUpOnce,
  firstOf,
  planOnto,
  restoreOnto,
  stalledAtSecondFile,
  withFiles,
} from './agent-harness.ts'
import { type ConformanceCheck, rejectsWith } from './conformance-check.ts'

/** How a capture comes back, and what a restore refuses to do. */
export const agentRestoreChecks: readonly ConformanceCheck<AgentHarness>[] = [
  {
    name: 'plans a restore without changing anything',
    async run(harness) {
      const { source, target, items } = harness
      const captured = await backUpOnce(source.agent)
      const before = await target.observe()
      const plan = await planOnto(harness, captured, { overwrite: false })
      assert.equal(plan.contract, 'restore-plan/1')
      assert.equal(plan.application, target.agent.application)
      assert.deepEqual(plan.backups, [captured.backup.id])
      assert.deepEqual(plan.items.map((item) => item.item).sort(), captured.backup.items.map((item) => item.item).sort())
      for (const item of items)
        assert.deepEqual(plan.items.find((planned) => planned.item === item)?.overwrites, [], `nothing of ${item} is overwritten`)
      assertNoErrors(plan.problems, 'nothing stands against a restore to an empty target')
      assertNumbered(plan.steps)
      await assertUnchanged(target, before, 'planning a restore')
      await assertReleased(target, 'planning a restore')
    },
  },
  {
    name: 'brings every item back as it was',
    async run(harness) {
      const { source, target, items } = harness
      const expected = await Promise.all(items.map((item) => source.content(item)))
      const captured = await backUpOnce(source.agent)
      const plan = await planOnto(harness, captured, { overwrite: false })
      const report = await restoreOnto(harness, captured, plan)
      for (const [index, item] of items.entries()) {
        const restored = report.items.find((candidate) => candidate.item === item)
        assert.ok(restored !== undefined, `the report must name ${item}`)
        assert.equal(restored.failure, undefined, `${item} must be restored`)
        for (const check of restored.checks) assert.ok(check.passed, `check ${check.name} of ${item}: ${check.expected} and ${check.found}`)
        assert.notEqual(expected[index], undefined)
        assert.deepEqual(await target.content(item), expected[index], `${item} must come back as it was`)
      }
      await assertReleased(target, 'a restore')
    },
  },
  {
    name: 'restores only the items that are asked for',
    async run(harness) {
      const { source, target, items } = harness
      const first = firstOf(items)
      const captured = await backUpOnce(source.agent)
      const plan = await planOnto(harness, captured, { overwrite: false }, [first])
      await restoreOnto(harness, captured, plan)
      assert.deepEqual(await target.content(first), await source.content(first))
      for (const item of items.slice(1)) assert.equal(await target.content(item), undefined, `${item} was not asked for`)
    },
  },
  {
    name: 'restores under another name, where it can',
    async run(harness) {
      const { source, target, items } = harness
      if (!target.agent.supports.rename) return
      const first = firstOf(items)
      const captured = await backUpOnce(source.agent)
      const plan = await planOnto(harness, captured, { overwrite: false, rename: { [first]: 'renamed' } }, [first])
      await restoreOnto(harness, captured, plan)
      assert.deepEqual(await target.content('renamed'), await source.content(first))
      assert.equal(await target.content(first), undefined, 'nothing may be restored under the old name')
    },
  },
  {
    name: 'refuses with CONFLICT when the target changed after the plan, before it changes anything',
    async run(harness) {
      const { source, target, items } = harness
      const first = firstOf(items)
      const captured = await backUpOnce(source.agent)
      const plan = await planOnto(harness, captured, { overwrite: true })
      await target.change(first)
      const before = await target.observe()
      await rejectsWith(() => restoreOnto(harness, captured, plan), 'CONFLICT', 'restore onto a changed target')
      await assertUnchanged(target, before, 'a restore that was refused')
      await assertReleased(target, 'a restore that was refused')
    },
  },
  {
    name: 'refuses with ALREADY_EXISTS to overwrite when nobody allowed it',
    async run(harness) {
      const { source, target, items } = harness
      const first = firstOf(items)
      const captured = await backUpOnce(source.agent)
      await target.change(first)
      const before = await target.observe()
      const plan = await planOnto(harness, captured, { overwrite: false })
      const problem = plan.problems.find((found) => found.severity === 'error' && found.code === 'ALREADY_EXISTS')
      assert.ok(problem !== undefined, 'the plan must say that something exists')
      assert.notEqual(problem.hint, '')
      await rejectsWith(() => restoreOnto(harness, captured, plan), 'ALREADY_EXISTS', 'restore over what exists')
      await assertUnchanged(target, before, 'a restore that was refused')
    },
  },
  {
    name: 'says what it overwrites when that is allowed, and does it',
    async run(harness) {
      const { source, target, items } = harness
      const first = firstOf(items)
      const captured = await backUpOnce(source.agent)
      await target.change(first)
      const plan = await planOnto(harness, captured, { overwrite: true }, [first])
      assert.ok((plan.items[0]?.overwrites.length ?? 0) > 0, 'the plan must say what is overwritten')
      await restoreOnto(harness, captured, plan)
      assert.deepEqual(await target.content(first), await source.content(first))
    },
  },
  {
    name: 'refuses items and restore options that it does not know',
    async run(harness) {
      const { source, target } = harness
      const captured = await backUpOnce(source.agent)
      const before = await target.observe()
      await rejectsUnknown(
        () => planOnto(harness, captured, { overwrite: false }, ['no-such-item-anywhere']),
        'plan for an item that is not in the backup',
      )
      await rejectsUnknown(
        () => planOnto(harness, captured, { overwrite: false, options: { noSuchOption: true } }),
        'plan with an unknown option',
      )
      await rejectsWith(
        () => target.agent.planRestore({ backups: [], target: { overwrite: false } }),
        ['INVALID_INPUT', 'NOT_FOUND'],
        'plan without backups',
      )
      await assertUnchanged(target, before, 'a plan that was refused')
    },
  },
  {
    name: 'does nothing when a restore is aborted beforehand, and can be cut and called again with the same plan',
    async run(harness) {
      const { source, target, items } = harness
      const captured = await backUpOnce(source.agent)
      const before = await target.observe()
      const plan = await planOnto(harness, captured, { overwrite: false })
      await withFiles(captured, [captured.backup], async (files) => {
        const beforehand = { signal: AbortSignal.abort() }
        await rejectsWith(() => target.agent.restore(plan, files, beforehand), 'ABORTED', 'restore aborted beforehand')
        await assertUnchanged(target, before, 'a restore aborted beforehand')
        const controller = new AbortController()
        const cut = stalledAtSecondFile(files, () => controller.abort(new Error('operator pressed Ctrl-C')))
        await rejectsWith(() => target.agent.restore(plan, cut, { signal: controller.signal }), 'ABORTED', 'restore aborted half-way')
        await assertReleased(target, 'an aborted restore')
        await target.agent.restore(plan, files)
      })
      for (const item of items)
        assert.deepEqual(await target.content(item), await source.content(item), `${item} must come back after a cut`)
      await assertReleased(target, 'a restore that was called again')
    },
  },
]

async function rejectsUnknown(
  plan: () => Promise<{ readonly problems: readonly { readonly severity: string }[] }>,
  what: string,
): Promise<void> {
  const outcome = await plan().then(
    (made) => made.problems.some((problem) => problem.severity === 'error'),
    () => undefined,
  )
  if (outcome === true) return
  await rejectsWith(plan, ['NOT_FOUND', 'INVALID_INPUT', 'INVALID_SETTINGS', 'UNSUPPORTED'], what)
}
