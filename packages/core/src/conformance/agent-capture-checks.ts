import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import type { Stage } from '../contracts/index.ts'
import { assertSafePath } from '../naming/safe-path.ts'
import { stall } from '../testing/faults.ts'
import {
  type AgentHarness,
  assertNoErrors,
  assertNumbered,
  assertReleased,
  assertUnchanged,
  backUpOnce,
  firstOf,
  fullRequest,
  planOnto,
  restoreOnto,
  withStage,
} from './agent-harness.ts'
import { type ConformanceCheck, collect, eventually, rejectsWith, within } from './conformance-check.ts'

/** How an application is looked at and copied, and what is left on its server. */
export const agentCaptureChecks: readonly ConformanceCheck<AgentHarness>[] = [
  {
    name: 'declares its contract, its application and what it supports',
    async run({ source: { agent } }) {
      assert.equal(agent.contract, 'agent/1')
      assert.match(agent.application, /^[a-z][a-z0-9]*$/, 'application must be one lower-case word')
      assert.notEqual(agent.version, '')
      assert.ok(agent.supports.kinds.includes('full'), 'every agent can make a full')
      for (const flag of ['pointInTime', 'rename'] as const) assert.equal(typeof agent.supports[flag], 'boolean', flag)
    },
  },
  {
    name: 'discovers every item, always the same source, and changes nothing',
    async run({ source, items }) {
      const before = await source.observe()
      const sources = await collect(source.agent.discover())
      const found = sources.flatMap((one) => one.items.map((item) => item.name))
      for (const item of items) assert.ok(found.includes(item), `discover must find ${item}, found ${found.join(', ')}`)
      const again = await collect(source.agent.discover())
      assert.deepEqual(
        again.map((one) => one.id),
        sources.map((one) => one.id),
        'the identity of a source must not change',
      )
      await assertUnchanged(source, before, 'discover')
      await assertReleased(source, 'discover')
    },
  },
  {
    name: 'checks and plans without changing anything, in words for the operator',
    async run({ source, items, secrets = [] }) {
      const before = await source.observe()
      const problems = await source.agent.check(fullRequest())
      assertNoErrors(problems, 'a capture that works has no errors beforehand')
      for (const problem of problems) assert.ok(problem.hint !== '' && problem.message !== '', 'every problem has a message and a hint')
      const plan = await source.agent.plan(fullRequest())
      assert.equal(plan.application, source.agent.application)
      assert.equal(plan.kind, 'full')
      assert.ok(plan.steps.length > 0, 'a plan has steps')
      assertNumbered(plan.steps)
      for (const item of items)
        assert.ok(
          plan.items.some((planned) => planned.name === item),
          `the plan must name ${item}`,
        )
      assertNoSecrets({ problems, plan }, secrets)
      await assertUnchanged(source, before, 'check and plan')
      await assertReleased(source, 'check and plan')
    },
  },
  {
    name: 'refuses a kind that it does not support',
    async run({ source }) {
      const before = await source.observe()
      for (const kind of ['full', 'differential', 'log'] as const) {
        if (source.agent.supports.kinds.includes(kind)) continue
        await rejectsWith(
          () => source.agent.beginCapture(fullRequest({ kind })),
          ['UNSUPPORTED', 'INVALID_INPUT'],
          `capture of kind ${kind}`,
        )
      }
      await assertUnchanged(source, before, 'a capture that was refused')
      await assertReleased(source, 'a capture that was refused')
    },
  },
  {
    name: 'refuses an item that does not exist',
    async run({ source, items }) {
      const request = fullRequest({ items: [firstOf(items), 'no-such-item-anywhere'] })
      const act = async () => {
        const capture = await source.agent.beginCapture(request)
        await capture[Symbol.asyncDispose]()
      }
      await rejectsWith(act, ['NOT_FOUND', 'INVALID_INPUT'], 'capture of an item that does not exist')
      await assertReleased(source, 'a capture that was refused')
    },
  },
  {
    name: 'captures every item whole, with facts that JSON keeps and no secret in them',
    async run({ source, items, secrets = [] }) {
      const { stage, backup } = await backUpOnce(source.agent)
      const facts = stage.facts
      assert.ok(facts !== undefined)
      assert.deepEqual(JSON.parse(JSON.stringify(facts)), facts, 'facts must be plain JSON')
      assert.equal(facts.application, source.agent.application)
      assert.equal(facts.kind, 'full')
      assert.ok(Math.abs(Date.parse(facts.consistentAt) - Date.now()) < 86_400_000, 'consistentAt must be about now')
      assert.ok(facts.restoreGuide.trim().length > 20, 'the restore guide must say how to bring the files back')
      assert.deepEqual([...stage.failedItems], [], 'no item may fail')
      for (const item of items) assert.ok(stage.sealedItems.has(item), `${item} must be sealed`)
      for (const item of backup.items) for (const file of item.files ?? []) assertSafePath(file.name, 'file name')
      assertNoSecrets({ facts, items: [...stage.sealedItems.values()] }, secrets)
      await assertReleased(source, 'a capture')
    },
  },
  {
    name: 'orders its positions as they came, those of one chain only, and takes any text for one',
    async run({ source: { agent } }) {
      const order = agent.comparePositions
      if (order === undefined) return
      const [first, second] = [await backUpOnce(agent), await backUpOnce(agent)].map(({ backup }) => backup.position)
      if (first === undefined || second === undefined) return
      assert.equal(order(first, { ...first, value: { ...first.value } }), 0, 'a position must be the same as itself')
      assert.ok([-1, 0].includes(order(first, second) ?? 1), 'a later capture must not be before an earlier one')
      assert.equal(order(second, first), -(order(first, second) ?? 1) + 0, 'the order must be the same from both sides')
      assert.equal(order(first, { ...second, chain: `${second.chain} of another server` }), undefined, 'two chains must not compare')
      for (const value of [
        {},
        { ...first.value, another: 'field' },
        ...Object.keys(first.value).map((field) => ({ ...first.value, [field]: 'no such thing' })),
      ]) {
        assert.ok([-1, 0, 1, undefined].includes(order(first, { chain: first.chain, value })), 'any text must be taken')
      }
    },
  },
  {
    name: 'captures only the items that are asked for',
    async run({ source, items }) {
      const first = firstOf(items)
      const { stage } = await backUpOnce(source.agent, fullRequest({ items: [first] }))
      assert.deepEqual([...stage.sealedItems.keys()], [first])
    },
  },
  {
    name: 'releases everything and truncates nothing when a capture is disposed without being confirmed',
    async run({ source }) {
      const before = await source.observe()
      const untouched = await source.agent.beginCapture(fullRequest())
      await untouched[Symbol.asyncDispose]()
      await assertReleased(source, 'a capture that copied nothing')
      await withStage(async (stage) => {
        const capture = await source.agent.beginCapture(fullRequest())
        await capture.copyTo(stage.stage)
        await stage.stage.seal(capture.facts)
        await capture[Symbol.asyncDispose]()
        await capture[Symbol.asyncDispose]()
      })
      await assertReleased(source, 'a capture without confirmation')
      await assertUnchanged(source, before, 'a capture without confirmation')
    },
  },
  {
    name: 'tells the application nothing before it is confirmed, and confirms at most once',
    async run({ source }) {
      const before = await source.observe()
      let after: unknown
      await backUpOnce(source.agent, fullRequest(), {
        beforeConfirm: async (capture) => {
          await assertUnchanged(source, before, 'a capture that is not yet confirmed')
          const { confirm } = capture
          capture.confirm = async (options) => {
            await confirm.call(capture, options)
            after = await source.observe()
            await confirm.call(capture, options).catch(() => undefined)
            assert.deepEqual(await source.observe(), after, 'a second confirmation must change nothing')
          }
        },
      })
      await assertUnchanged(source, after, 'disposing a confirmed capture')
      await assertReleased(source, 'a confirmed capture')
    },
  },
  {
    name: 'keeps to one point in time while the data goes on changing',
    async run(harness) {
      const { source, items } = harness
      const last = items.at(-1)
      assert.ok(last !== undefined)
      const before = await source.content(last)
      const captured = await backUpOnce(source.agent, fullRequest(), {
        afterBegin: () => within(source.change(last), 'a change by a user during a capture'),
      })
      await restoreOnto(harness, captured, await planOnto(harness, captured, { overwrite: false }))
      const found = await harness.target.content(last)
      const whole = [before, await source.content(last)].some((moment) => isDeepStrictEqual(found, moment))
      assert.ok(whole, `${last} must be as it was at one moment, before or after the change, and never mixed`)
      await assertReleased(source, 'a capture')
    },
  },
  {
    name: 'does nothing when it is aborted beforehand',
    async run({ source }) {
      const before = await source.observe()
      const options = { signal: AbortSignal.abort() }
      const { agent } = source
      await rejectsWith(() => agent.beginCapture(fullRequest(), options), 'ABORTED', 'capture aborted beforehand')
      await rejectsWith(() => agent.check(fullRequest(), options), 'ABORTED', 'check aborted beforehand')
      await rejectsWith(() => agent.plan(fullRequest(), options), 'ABORTED', 'plan aborted beforehand')
      await rejectsWith(() => collect(agent.discover(options)), 'ABORTED', 'discover aborted beforehand')
      await assertReleased(source, 'operations aborted beforehand')
      await assertUnchanged(source, before, 'operations aborted beforehand')
    },
  },
  {
    name: 'stops the work on the server when it is aborted while the stage is full',
    async run({ source }) {
      const before = await source.observe()
      await withStage(async (stage) => {
        const controller = new AbortController()
        const { signal } = controller
        const capture = await source.agent.beginCapture(fullRequest(), { signal })
        let writing = false
        const full: Stage = {
          ...stage.stage,
          write: (file, content, options) =>
            stage.stage.write(
              file,
              stalledAfterOne(content, () => (writing = true)),
              options,
            ),
          adopt: (_file, options) => {
            writing = true
            return stall('staging', options?.signal)
          },
        }
        const copy = capture.copyTo(full, { signal })
        copy.catch(() => undefined)
        await eventually(() => writing, 'the capture writes to the stage')
        controller.abort(new Error('operator pressed Ctrl-C'))
        await rejectsWith(() => copy, 'ABORTED', 'copy aborted while the stage is full')
        await within(Promise.resolve(capture[Symbol.asyncDispose]()), 'disposing an aborted capture')
      })
      await assertReleased(source, 'an aborted capture')
      await assertUnchanged(source, before, 'an aborted capture')
    },
  },
  {
    name: 'fails one item and goes on with the others',
    async run({ source, items, failItem }) {
      if (failItem === undefined) return
      const first = firstOf(items)
      await failItem(first)
      const { stage, backup } = await backUpOnce(source.agent)
      assert.deepEqual([...stage.failedItems], [first], `exactly ${first} must fail`)
      for (const item of items.slice(1)) assert.ok(stage.sealedItems.has(item), `${item} must be sealed although ${first} failed`)
      assert.equal(backup.status, 'partial')
      const failure = backup.items.find((item) => item.item === first)?.failure
      assert.ok(failure !== undefined && failure.message !== '', 'the failure must say what happened')
      await assertReleased(source, 'a capture with a failed item')
    },
  },
  {
    name: 'can be disposed twice',
    async run({ source, target }) {
      for (const { agent } of [source, target]) {
        await agent[Symbol.asyncDispose]()
        await agent[Symbol.asyncDispose]()
      }
    },
  },
]

/** Takes one chunk and then no more, as a stage without room does. */
async function* stalledAfterOne(content: AsyncIterable<Uint8Array>, reached: () => void): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of content) {
    yield chunk
    reached()
    await new Promise<void>(() => undefined)
  }
}

function assertNoSecrets(value: unknown, secrets: readonly string[]): void {
  const text = JSON.stringify(value)
  for (const secret of secrets) assert.ok(!text.includes(secret), 'a secret came out')
}
