import assert from 'node:assert/strict'
import type { Backup, Position, RestoreStop } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { type AgentHarness, assertReleased, assertUnchanged, firstOf } from './agent-harness.ts'
import { assertContents, CaptureChain, changeApart, contentsOf, nowOf } from './agent-log-captures.ts'
import { type ConformanceCheck, rejectsWith } from './conformance-check.ts'

/** Where a restore stops inside a log. */
export const agentStopChecks: readonly ConformanceCheck<AgentHarness>[] = [
  {
    name: 'stops a restore exactly where it is told: by time, right after a position, right before the change at one',
    async run(harness) {
      const { source, items } = harness
      if (!source.agent.supports.pointInTime) return
      const history = await changedTwice(harness)
      const { chain, atFull, afterFirst, afterSecond, between, firstEnds, secondEnds } = history
      const cases: readonly (readonly [RestoreStop | undefined, ReadonlyMap<string, unknown>, string])[] = [
        [undefined, afterSecond, 'at the end'],
        [{ before: between }, afterFirst, 'between two changes, by time'],
        [{ position: firstEnds }, afterFirst, 'right after the first change'],
        [{ beforePosition: secondEnds }, afterFirst, 'right before the second change'],
        [{ beforePosition: firstEnds }, atFull, 'right before the first change'],
        [{ position: secondEnds }, afterSecond, 'right after the second change'],
      ]
      for (const [stop, expected, what] of cases) {
        await chain.restoreOnto(harness, stop)
        await assertContents(harness.target, expected, what)
      }
      assert.ok(items.length > 0)
      await assertReleased(harness.target, 'restores that stopped')
    },
  },
  {
    name: 'leaves out of a log, for all items alike, what comes after the first change that is left out',
    async run(harness) {
      const { source, items, clockMilliseconds = 1 } = harness
      if (!source.agent.supports.pointInTime) return
      const [first, second] = [firstOf(items), items.at(-1) ?? firstOf(items)]
      const chain = new CaptureChain(source.agent)
      await chain.capture('full')
      await changeApart(source, first, clockMilliseconds)
      const expected = await contentsOf(source, items)
      const stop = await nowOf(source)
      await changeApart(source, second, clockMilliseconds)
      await changeApart(source, first, clockMilliseconds)
      await logOf(chain)
      await chain.restoreOnto(harness, { before: stop })
      await assertContents(harness.target, expected, 'before the first change that is left out')
    },
  },
  {
    name: 'applies of a log that begins before its full only what the full does not hold',
    async run(harness) {
      const { source, items } = harness
      if (!source.agent.supports.pointInTime) return
      const chain = new CaptureChain(source.agent)
      await chain.capture('full')
      await source.change(firstOf(items))
      await logOf(chain)
      await source.change(firstOf(items))
      // What is not confirmed leaves the logs as they are, so the next one goes on where the last one ended.
      const full = await chain.capture('full', { confirmed: false })
      await source.change(firstOf(items))
      const expected = await contentsOf(source, items)
      const log = await logOf(chain)
      await chain.restoreOnto(harness, undefined, [full, log])
      await assertContents(harness.target, expected, 'at the end of the log, each change applied once')
      await assertReleased(harness.target, 'a restore')
    },
  },
  {
    name: 'refuses a stop that it cannot honour, before it changes anything',
    async run(harness) {
      const { source, target } = harness
      if (source.agent.supports.pointInTime) {
        const { chain, full } = await changedTwice(harness)
        await refuses(harness, chain, { beforePosition: positionOf(full) }, 'a change that is in the full')
      } else {
        const chain = new CaptureChain(source.agent)
        await chain.capture('full')
        await refuses(harness, chain, { before: await nowOf(source) }, 'a moment, by an agent that supports none')
      }
      await assertReleased(target, 'a restore that was refused')
    },
  },
  {
    name: 'reads positions as operators write them, and refuses other texts with a hint',
    async run({ source: { agent } }) {
      if (agent.parsePosition === undefined) return
      for (const text of ['', ' ', 'no position at all, nor anything like it', '\u0000', ':', '-1', `${'9'.repeat(400)}:x`]) {
        const error = await rejectsWith(async () => agent.parsePosition?.(text), 'INVALID_INPUT', `the position ${JSON.stringify(text)}`)
        assert.ok(error.hint !== undefined && error.hint !== '', 'the hint must say how a position is written')
      }
    },
  },
]

interface ChangedTwice {
  /** A full, and one log with two changes. */
  readonly chain: CaptureChain
  readonly full: Backup
  readonly atFull: ReadonlyMap<string, unknown>
  readonly afterFirst: ReadonlyMap<string, unknown>
  readonly afterSecond: ReadonlyMap<string, unknown>
  /** A moment between the two. */
  readonly between: string
  readonly firstEnds: Position
  readonly secondEnds: Position
}

async function changedTwice({ source, items, clockMilliseconds = 1 }: AgentHarness): Promise<ChangedTwice> {
  const item = firstOf(items)
  assert.ok(source.position !== undefined, 'the harness of an agent that restores to any moment must say where its server is')
  const chain = new CaptureChain(source.agent)
  const full = await chain.capture('full')
  const atFull = await contentsOf(source, items)
  await changeApart(source, item, clockMilliseconds)
  const [afterFirst, between, firstEnds] = [await contentsOf(source, items), await nowOf(source), await source.position()]
  await changeApart(source, item, clockMilliseconds)
  const [afterSecond, secondEnds] = [await contentsOf(source, items), await source.position()]
  const { chain: name } = positionOf(await logOf(chain))
  const named = (position: Position) => ({ ...position, chain: name })
  return { chain, full, atFull, afterFirst, afterSecond, between, firstEnds: named(firstEnds), secondEnds: named(secondEnds) }
}

async function logOf(chain: CaptureChain): Promise<Backup> {
  const log = await chain.capture('log')
  assert.equal(log.kind, 'log', 'a log must follow a full that was just made')
  return log
}

function positionOf({ position, kind }: Backup): Position {
  assert.ok(position !== undefined, `a ${kind} of an agent that restores to any moment must have a position`)
  return position
}

async function refuses(harness: AgentHarness, chain: CaptureChain, stop: RestoreStop, what: string): Promise<void> {
  const { target } = harness
  const before = await target.observe()
  const restoring = async () => {
    try {
      await chain.restoreOnto(harness, stop)
    } catch (error) {
      // A problem of the plan is as good as one that is thrown.
      if (error instanceof assert.AssertionError) throw new BackupError(error.message, { code: 'INVALID_INPUT' })
      throw error
    }
  }
  await rejectsWith(restoring, ['INVALID_INPUT', 'NOT_FOUND', 'UNSUPPORTED'], `a restore that stops at ${what}`)
  await assertUnchanged(target, before, `a restore that stops at ${what}`)
}
