import assert from 'node:assert/strict'
import type { Agent, Capture, OperationOptions, Progress } from '../contracts/index.ts'
import { type AgentHarness, type AgentServer, assertReleased, firstOf } from './agent-harness.ts'
import { assertContents, CaptureChain, contentsOf } from './agent-log-captures.ts'
import { type ConformanceCheck, rejectsWith, within } from './conformance-check.ts'

/** How a server is followed. */
export const agentFollowChecks: readonly ConformanceCheck<AgentHarness>[] = [
  {
    name: 'follows the server with logs that continue each other, and that restore to what it was',
    async run(harness) {
      const { source, items } = harness
      if (source.agent.follow === undefined) return
      const chain = await fullOf(source)
      const following = follow(source.agent, chain, { everySeconds: 0.05 })
      for (const item of [firstOf(items), items.at(-1) ?? firstOf(items)]) {
        await source.change(item)
        await storeNext(following, chain)
      }
      const expected = await contentsOf(source, items)
      await following.end()
      for (const [index, { kind, from }] of chain.backups.entries()) {
        if (index === 0) continue
        assert.equal(kind, 'log', 'what is yielded are logs')
        assert.deepEqual(from, chain.backups[index - 1]?.position, 'each log must continue the one before it')
      }
      await chain.restoreOnto(harness)
      await assertContents(harness.target, expected, 'when the last log was received')
      await assertReleased(source, 'following')
    },
  },
  {
    name: 'yields what has come as soon as it is as many bytes as asked for',
    async run({ source, items }) {
      if (source.agent.follow === undefined) return
      const chain = await fullOf(source)
      const following = follow(source.agent, chain, { everySeconds: 3600, everyBytes: 1 })
      await source.change(firstOf(items))
      await storeNext(following, chain)
      await following.end()
    },
  },
  {
    name: 'yields what has come when following is aborted, and ends without an error',
    async run(harness) {
      const { source, items } = harness
      if (source.agent.follow === undefined) return
      const chain = await fullOf(source)
      const following = follow(source.agent, chain, { everySeconds: 0.05 })
      await source.change(firstOf(items))
      await storeNext(following, chain)
      await source.change(firstOf(items))
      const expected = await contentsOf(source, items)
      await storeRest(following, chain)
      await chain.restoreOnto(harness)
      const [full, ...logs] = chain.backups
      assert.ok(full !== undefined && logs.length >= 1)
      await assertContents(harness.target, expected, 'when following was aborted')
      await assertReleased(source, 'following that was aborted')
    },
  },
  {
    name: 'says that it follows once the server sends, though nothing is changed',
    async run({ source }) {
      if (source.agent.follow === undefined) return
      const chain = await fullOf(source)
      const said = Promise.withResolvers<void>()
      const onProgress = ({ type }: Progress) => type === 'following' && said.resolve()
      const following = follow(source.agent, chain, { everySeconds: 0.05 }, onProgress)
      const ended = storeAll(following, chain)
      ended.catch(() => undefined)
      try {
        await within(said.promise, 'saying that it follows')
      } finally {
        following.abort()
        await ended
      }
      await assertReleased(source, 'following')
    },
  },
  {
    name: 'follows nothing when it is aborted beforehand',
    async run({ source, items }) {
      if (source.agent.follow === undefined) return
      const chain = await fullOf(source)
      await source.change(firstOf(items))
      const request = { job: 'conformance', chain: chain.backups, everySeconds: 0.05, everyBytes: 1 }
      const captures: Capture[] = []
      for await (const capture of source.agent.follow(request, { signal: AbortSignal.abort() })) captures.push(capture)
      assert.deepEqual(captures, [], 'nothing may be yielded')
      await assertReleased(source, 'following that was aborted beforehand')
    },
  },
  {
    name: 'yields what has come when the server goes away, and only then says that it did',
    async run(harness) {
      const { source, items } = harness
      if (source.agent.follow === undefined || source.breakOff === undefined) return
      const chain = await fullOf(source)
      const following = follow(source.agent, chain, { everySeconds: 0.05 })
      await source.change(firstOf(items))
      await storeNext(following, chain)
      const expected = await contentsOf(source, items)
      await source.breakOff()
      await rejectsWith(() => storeAll(following, chain), 'UNREACHABLE', 'following a server that went away')
      await chain.restoreOnto(harness)
      await assertContents(harness.target, expected, 'before the server went away')
      await assertReleased(source, 'following a server that went away')
    },
  },
  {
    name: 'refuses to follow with NOT_FOUND where the server no longer has what comes next',
    async run({ source, items }) {
      if (source.agent.follow === undefined || source.purgeLogs === undefined) return
      const chain = await fullOf(source)
      await source.change(firstOf(items))
      await source.purgeLogs()
      const following = follow(source.agent, chain, { everySeconds: 0.05 })
      await rejectsWith(() => storeAll(following, chain), 'NOT_FOUND', 'following from what is no longer there')
      assert.equal(chain.backups.length, 1, 'nothing may be yielded across a gap')
      await assertReleased(source, 'following that was refused')
    },
  },
]

interface Following {
  readonly captures: AsyncIterator<Capture, void, void>
  abort(): void
  /** Aborts, and disposes what comes then. */
  end(): Promise<void>
}

function follow(
  agent: Agent,
  chain: CaptureChain,
  every: { readonly everySeconds: number; readonly everyBytes?: number },
  onProgress?: OperationOptions['onProgress'],
): Following {
  assert.ok(agent.follow !== undefined)
  const controller = new AbortController()
  const request = { job: 'conformance', chain: [...chain.backups], everyBytes: 2 ** 30, ...every }
  const captures = agent.follow(request, { signal: controller.signal, onProgress })[Symbol.asyncIterator]() as AsyncIterator<
    Capture,
    void,
    void
  >
  return {
    captures,
    abort: () => controller.abort(new Error('operator pressed Ctrl-C')),
    async end() {
      controller.abort(new Error('operator pressed Ctrl-C'))
      for (let next = await captures.next(); next.done !== true; next = await captures.next()) await next.value[Symbol.asyncDispose]()
    },
  }
}

/** In the same job, as a full right before it. */
async function fullOf({ agent }: AgentServer): Promise<CaptureChain> {
  const chain = new CaptureChain(agent)
  await chain.capture('full')
  return chain
}

async function storeNext({ captures }: Following, chain: CaptureChain): Promise<void> {
  const next = await within(captures.next(), 'a capture of what has changed')
  assert.ok(next.done !== true, 'following must not end by itself')
  await chain.store(next.value)
}

/** Aborts, and stores what comes then. */
async function storeRest(following: Following, chain: CaptureChain): Promise<void> {
  const next = following.captures.next()
  next.catch(() => undefined)
  following.abort()
  for (let one = await within(next, 'the end of following'); one.done !== true; one = await within(following.captures.next(), 'the end')) {
    await chain.store(one.value)
  }
}

async function storeAll({ captures }: Following, chain: CaptureChain): Promise<void> {
  for (let one = await within(captures.next(), 'following'); one.done !== true; one = await within(captures.next(), 'following')) {
    await chain.store(one.value)
  }
}
