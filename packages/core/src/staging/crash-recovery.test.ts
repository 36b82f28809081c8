import { fork } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CaptureFacts, Json, RunStage, StagedFile, StageEvent } from '../contracts/index.ts'
import { createDirectoryStaging } from './directory-staging.ts'
import { currentOwner, ownedName } from './process-owner.ts'

const facts: CaptureFacts = {
  application: 'test',
  source: { id: 's', name: 's', version: '1' },
  kind: 'full',
  consistentAt: '2026-11-22T08:00:00Z',
  facts: {},
  restoreGuide: '',
}

let root: string
let copies = 0
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'crash-test-'))
})
afterEach(async () => {
  await rm(root, { recursive: true, force: true })
})

const stagingIn = (directory: string) => createDirectoryStaging({ directory, budgetBytes: 10_000, minimumFreeBytes: 0 })

/** The disk as a killed process leaves it: a copy of this moment, with the lock of a process that is dead. */
async function crash(directory: string): Promise<string> {
  const copy = path.join(root, `copy-${++copies}`)
  await cp(directory, copy, { recursive: true, preserveTimestamps: true })
  const job = path.join(copy, 'shop')
  for (const name of await readdir(job)) if (name.startsWith('lock~')) await rm(path.join(job, name))
  await writeFile(path.join(job, ownedName('lock', { ...(await currentOwner()), pid: 2 ** 22 + 1 })), '')
  return copy
}

type Step =
  | { readonly do: 'write'; readonly item: number; readonly size: number }
  | { readonly do: 'sealItem' | 'failItem'; readonly item: number }
  | { readonly do: 'drain' | 'release' | 'note' | 'seal' | 'crash' }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('write' as const), item: fc.nat(2), size: fc.nat(300) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('sealItem' as const, 'failItem' as const), item: fc.nat(2) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('drain' as const, 'release' as const, 'note' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('seal' as const, 'crash' as const) }) },
)

/** What must still be there after a crash, kept beside the real thing. */
interface Model {
  readonly files: Map<string, string>
  readonly order: string[]
  readonly items: Map<number, 'open' | 'ended' | 'failed'>
  readonly notes: Json[]
  sealed: boolean
}

class Session {
  readonly model: Model = { files: new Map(), order: [], items: new Map(), notes: [], sealed: false }
  #next = 0
  #offered: StagedFile[] = []
  #drain: AsyncIterator<StageEvent> | undefined
  readonly both: RunStage

  constructor(both: RunStage) {
    this.both = both
  }

  async apply(what: Step): Promise<void> {
    const { both, model } = this
    const open = 'item' in what && !model.sealed && (model.items.get(what.item) ?? 'open') === 'open'
    if (what.do === 'write' && open) {
      const name = `f${this.#next++}`
      const content = name.padEnd(what.size + name.length, '.')
      await both.stage.write({ item: `i${what.item}`, name }, bytes(content))
      model.items.set(what.item, 'open')
      model.files.set(`i${what.item}/${name}`, content)
      model.order.push(`i${what.item}/${name}`)
    } else if (what.do === 'sealItem' && open) {
      await both.stage.sealItem({ item: `i${what.item}`, facts: {} })
      model.items.set(what.item, 'ended')
    } else if (what.do === 'failItem' && open) {
      await both.stage.failItem(`i${what.item}`, { code: 'APPLICATION', message: 'broken' })
      model.items.set(what.item, 'failed')
      for (const key of [...model.files.keys()]) if (key.startsWith(`i${what.item}/`)) model.files.delete(key)
    } else if (what.do === 'drain') {
      this.#drain ??= both.contents.drain()[Symbol.asyncIterator]()
      // Never waits: only what is there already is taken.
      const result = await Promise.race([this.#drain.next(), new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 3))])
      if (result === undefined) this.#drain = { next: () => new Promise(() => undefined) }
      else if (result.value?.type === 'file') this.#offered.push(result.value.file)
    } else if (what.do === 'release') {
      const file = this.#offered.shift()
      if (file === undefined) return
      await file.release()
      model.files.delete(`${file.item}/${file.name}`)
    } else if (what.do === 'note') {
      await both.contents.note({ note: model.notes.length })
      model.notes.push({ note: model.notes.length })
    } else if (what.do === 'seal' && !model.sealed) {
      for (const [item, state] of model.items) if (state === 'open') await this.apply({ do: 'sealItem', item })
      await both.stage.seal(facts)
      model.sealed = true
    }
  }
}

async function assertRecovered(directory: string, model: Model): Promise<void> {
  let offered = 0
  for await (const stage of stagingIn(directory).resumable('shop')) {
    offered++
    expect(model.sealed).toBe(true)
    expect(stage.sealed).toBe(true)
    expect(stage.contents.notes).toEqual(model.notes)
    const contents = new Map<string, string>()
    const order: string[] = []
    const events: string[] = []
    for await (const event of stage.contents.drain()) {
      if (event.type === 'pressure' || event.type === 'stream') continue
      if (event.type !== 'file') {
        events.push(event.type === 'sealed' ? 'sealed' : `${event.type} ${typeof event.item === 'string' ? event.item : event.item.item}`)
        continue
      }
      order.push(`${event.file.item}/${event.file.name}`)
      contents.set(`${event.file.item}/${event.file.name}`, await text(event.file.open()))
    }
    expect(contents).toEqual(model.files)
    expect(order).toEqual(model.order.filter((key) => model.files.has(key)))
    const ended = [...model.items].map(([item, state]) => `${state === 'failed' ? 'item-failed' : 'item'} i${item}`)
    expect(new Set(events)).toEqual(new Set([...ended, 'sealed']))
    expect(events.at(-1)).toBe('sealed')
    await stage[Symbol.asyncDispose]()
  }
  expect(offered).toBe(model.sealed ? 1 : 0)
  const next = await stagingIn(directory).begin({ job: 'shop', id: 'next', beganAt: '2026-11-23T00:00:00Z' })
  const left = (await readdir(path.join(directory, 'shop'))).filter((name) => !name.startsWith('lock~'))
  expect(left.sort()).toEqual(model.sealed ? ['next', 'r1'] : ['next'])
  await next[Symbol.asyncDispose]()
}

async function* bytes(content: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(content)
}

async function text(content: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of content) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

const tail = fc.oneof(
  fc.constant(undefined),
  fc.uint8Array({ maxLength: 40 }).map((garbage) => Buffer.from(garbage)),
  fc.constant(Buffer.alloc(512)),
  fc
    .constantFrom('{"type":"sealed","fac', '{"type":"released","item":"i0","name":"f0"}', '{"type":"released"}\n')
    .map((line) => Buffer.from(line)),
)

describe('a crash at any moment', () => {
  test('never leaves half a stage, and a sealed one is whole', async () => {
    // The last history goes on when the time is up, and counts.
    let last = Promise.resolve()
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), tail, (steps, torn) => {
        last = history(steps, torn)
        return last
      }),
      { numRuns: 60, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: false },
    )
    await last

    async function history(steps: readonly Step[], torn: Uint8Array | undefined): Promise<void> {
      const directory = path.join(root, `run-${++copies}`)
      const session = new Session(await stagingIn(directory).begin({ job: 'shop', id: 'r1', beganAt: '2026-11-22T00:00:00Z' }))
      for (const what of [...steps, { do: 'crash' } as const]) {
        if (what.do !== 'crash') {
          await session.apply(what)
          continue
        }
        const copy = await crash(directory)
        if (torn !== undefined) await appendFile(path.join(copy, 'shop', 'r1', 'stage.journal'), torn)
        await assertRecovered(copy, session.model)
        await rm(copy, { recursive: true })
      }
      await session.both.remove()
      expect(await readdir(path.join(directory, 'shop'))).toEqual([])
      await rm(directory, { recursive: true })
    }
  })

  test('a seal that did not get to the disk whole is no seal', async () => {
    const directory = path.join(root, 'cut')
    const session = new Session(await stagingIn(directory).begin({ job: 'shop', id: 'r1', beganAt: '2026-11-22T00:00:00Z' }))
    await session.apply({ do: 'write', item: 0, size: 10 })
    await session.apply({ do: 'seal' })
    const journal = await readFile(path.join(directory, 'shop', 'r1', 'stage.journal'))
    const sealBegins = journal.lastIndexOf('\n', journal.length - 2) + 1
    for (const length of [sealBegins, sealBegins + 1, journal.length - 2, journal.length - 1]) {
      const copy = await crash(directory)
      await truncate(path.join(copy, 'shop', 'r1', 'stage.journal'), length)
      await assertRecovered(copy, { ...session.model, sealed: false })
    }
    await session.both[Symbol.asyncDispose]()
  })

  test('what a resumed attempt released and noted is remembered after the next crash', async () => {
    const directory = path.join(root, 'twice')
    const session = new Session(await stagingIn(directory).begin({ job: 'shop', id: 'r1', beganAt: '2026-11-22T00:00:00Z' }))
    for (const size of [1, 2, 3]) await session.apply({ do: 'write', item: 0, size })
    await session.apply({ do: 'seal' })
    const copy = await crash(directory)
    await appendFile(path.join(copy, 'shop', 'r1', 'stage.journal'), '{"torn')
    for await (const stage of stagingIn(copy).resumable('shop')) {
      const drain = stage.contents.drain()[Symbol.asyncIterator]()
      const { value } = await drain.next()
      if (value?.type !== 'file') throw new Error('no file')
      await stage.contents.note('sent f0')
      await value.file.release()
      await value.file.release()
      const again = await crash(copy)
      session.model.files.delete('i0/f0')
      session.model.notes.push('sent f0')
      await assertRecovered(again, session.model)
      await stage[Symbol.asyncDispose]()
    }
    await session.both[Symbol.asyncDispose]()
  })

  test('a torn tail is gone for good: what is appended later cannot bring it back to life', async () => {
    const directory = path.join(root, 'tail')
    const session = new Session(await stagingIn(directory).begin({ job: 'shop', id: 'r1', beganAt: '2026-11-22T00:00:00Z' }))
    for (const size of [1, 2]) await session.apply({ do: 'write', item: 0, size })
    await session.apply({ do: 'seal' })
    const copy = await crash(directory)
    // The next note will be exactly as long as the broken line, so that the line after it would begin in the right place.
    const broken = 'x'.repeat(JSON.stringify({ type: 'note', note: 'sent' }).length)
    await appendFile(path.join(copy, 'shop', 'r1', 'stage.journal'), `${broken}\n{"type":"released","item":"i0","name":"f1"}\n`)
    for await (const stage of stagingIn(copy).resumable('shop')) {
      await stage.contents.note('sent')
      await stage[Symbol.asyncDispose]()
    }
    session.model.notes.push('sent')
    await assertRecovered(await crash(copy), session.model)
    await session.both[Symbol.asyncDispose]()
  })

  test('a line that names a file outside of its item voids the journal from there on, and stands in the way of nobody', async () => {
    const directory = path.join(root, 'tampered')
    const session = new Session(await stagingIn(directory).begin({ job: 'shop', id: 'r1', beganAt: '2026-11-22T00:00:00Z' }))
    await session.apply({ do: 'write', item: 0, size: 1 })
    await session.apply({ do: 'seal' })
    const copy = await crash(directory)
    const journal = path.join(copy, 'shop', 'r1', 'stage.journal')
    await writeFile(journal, (await readFile(journal, 'utf8')).replaceAll('"name":"f0"', '"name":"../f0"'))
    await assertRecovered(copy, { ...session.model, sealed: false })
    await session.both[Symbol.asyncDispose]()
  })

  test('files of a failed item are not given again, not even those that the drainer held', async () => {
    const directory = path.join(root, 'failed')
    const session = new Session(await stagingIn(directory).begin({ job: 'shop', id: 'r1', beganAt: '2026-11-22T00:00:00Z' }))
    const drain = session.both.contents.drain()[Symbol.asyncIterator]()
    await session.apply({ do: 'write', item: 0, size: 1 })
    await session.apply({ do: 'write', item: 1, size: 1 })
    expect(await drain.next()).toMatchObject({ value: { type: 'file', file: { item: 'i0' } } })
    await session.apply({ do: 'failItem', item: 0 })
    await session.apply({ do: 'seal' })
    await assertRecovered(await crash(directory), session.model)
    await session.both[Symbol.asyncDispose]()
  })

  test('a removal that was cut leaves nothing that is offered', async () => {
    const directory = path.join(root, 'removal')
    const session = new Session(await stagingIn(directory).begin({ job: 'shop', id: 'r1', beganAt: '2026-11-22T00:00:00Z' }))
    await session.apply({ do: 'write', item: 0, size: 10 })
    await session.apply({ do: 'seal' })
    const copy = await crash(directory)
    await cp(path.join(copy, 'shop', 'r1'), path.join(copy, 'shop', 'removed~1'), { recursive: true })
    await rm(path.join(copy, 'shop', 'r1'), { recursive: true })
    await assertRecovered(copy, { ...session.model, sealed: false })
    await session.both[Symbol.asyncDispose]()
  })
})

describe('a process that is killed', () => {
  const program = `
    const { createDirectoryStaging } = await import(process.argv[2])
    const staging = createDirectoryStaging({ directory: process.argv[3], budgetBytes: 10000, minimumFreeBytes: 0 })
    const both = await staging.begin({ job: 'shop', id: 'r1', beganAt: '2026-11-22T00:00:00Z' })
    await both.stage.write({ item: 'i0', name: 'f0' }, (async function* () { yield Buffer.from('content') })())
    if (process.argv[4] === 'seal') {
      await both.stage.sealItem({ item: 'i0', facts: {} })
      await both.stage.seal(${JSON.stringify(facts)})
    }
    process.send('ready')
    setInterval(() => undefined, 1000)
  `

  test.each(['seal', 'fill'])('holds its job while it lives, and not a moment longer (%s)', async (how) => {
    const directory = path.join(root, 'killed')
    const file = path.join(root, 'program.mjs')
    await writeFile(file, program)
    const child = fork(file, [new URL('./directory-staging.ts', import.meta.url).href, directory, how], {
      execArgv: ['--conditions=@backup-planet/source', '--no-warnings'],
    })
    try {
      await once(child, 'message')
      const begin = () => stagingIn(directory).begin({ job: 'shop', id: 'r2', beganAt: '2026-11-23T00:00:00Z' })
      await expect(begin()).rejects.toThrow(`job "shop" is being backed up by process ${child.pid}`)
    } finally {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    const seen: string[] = []
    for await (const stage of stagingIn(directory).resumable('shop')) {
      for await (const event of stage.contents.drain()) seen.push(event.type === 'file' ? await text(event.file.open()) : event.type)
      await stage.remove()
    }
    expect(seen).toEqual(how === 'seal' ? ['content', 'item', 'sealed'] : [])
    const next = await stagingIn(directory).begin({ job: 'shop', id: 'r2', beganAt: '2026-11-23T00:00:00Z' })
    await next.remove()
    expect(await readdir(path.join(directory, 'shop'))).toEqual([])
  })
})
