import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ScriptedChannel, scriptedChannel } from './__fixtures__/scripted-channel.ts'
import { createNotifier, type NotifierSettings, type TaskOutcome } from './index.ts'

let directory: string
let number = 0
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'notifier-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

const began = Date.parse('2026-07-24T00:00:00.000Z')
const minute = 60_000

/** A machine whose clock is set by hand, and whose processes end and begin again. */
function machine(channels: readonly ScriptedChannel[], more: Partial<NotifierSettings> = {}) {
  const file = join(directory, String(number++), 'state.json')
  const clock = { now: began }
  const warnings: string[] = []
  const settings = {
    channels,
    jobs: { shop: {} },
    file,
    host: 'db1',
    now: () => clock.now,
    random: () => 0,
    warn: (text: string) => warnings.push(text),
    ...more,
  }
  return {
    file,
    clock,
    warnings,
    /** One process, from its start to its end. */
    async process(...outcomes: readonly TaskOutcome[]): Promise<void> {
      await using notifier = createNotifier(settings)
      for (const outcome of outcomes) notifier.observe(outcome)
    },
    settings,
  }
}

function run(code?: string, more: Partial<TaskOutcome> = {}): TaskOutcome {
  const ended = { job: 'shop', task: 'log', at: new Date(began).toISOString(), ...more }
  return code === undefined
    ? { ...ended, outcome: 'done' }
    : { ...ended, outcome: 'failed', failure: { code, message: 'nobody answers' }, ...more }
}

const types = (channel: ScriptedChannel) => channel.sent.map(({ type }) => type)

describe('a channel that does not work', () => {
  it('keeps its messages over restarts, in order, and neither loses nor doubles one', async () => {
    const channel = scriptedChannel('chat')
    const { process, clock } = machine([channel])
    channel.fault = 'UNREACHABLE'
    await process(run('UNREACHABLE'))
    await process(run())
    channel.fault = undefined
    await process()
    expect(types(channel)).toEqual([])
    clock.now += 60_000
    await process()
    expect(types(channel)).toEqual(['failed', 'recovered'])
    clock.now += 3_600_000
    await process(run())
    expect(types(channel)).toEqual(['failed', 'recovered'])
  })

  it('is tried with growing pauses, or after those it asks for, for a day, and what is given up is said', async () => {
    const channel = scriptedChannel('chat')
    const { process, clock, warnings } = machine([channel])
    channel.fault = 'OVERLOADED'
    await process(run('UNREACHABLE'))
    const tried: number[] = []
    for (; clock.now < began + 25 * 60 * minute; clock.now += clock.now < began + 124 * minute ? 30_000 : 30 * minute) {
      const before = channel.attempts.length
      await process()
      if (channel.attempts.length > before) tried.push((clock.now - began) / minute)
    }
    expect(tried.slice(0, 8)).toEqual([0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5, 123.5])
    expect(tried.every((time) => time <= 24 * 60)).toBe(true)
    expect(warnings.at(-1)).toBe('channel chat: "shop: log backup failed (UNREACHABLE)" is given up, after it was tried for 24 hours')
    channel.fault = undefined
    clock.now += 3 * 60 * minute
    await process(run())
    expect(channel.sent[0]?.body).toMatch(/\n\n1 earlier message for this channel could not be sent, and was given up\.$/)

    channel.fault = 'OVERLOADED'
    channel.retryAfterMs = 10 * minute
    const at = clock.now
    await process(run('X'))
    channel.fault = undefined
    for (; types(channel).length === 1; clock.now += minute) await process()
    expect((clock.now - minute - at) / minute).toBe(10)
  }, 60_000)

  it('hears of what fails with its next failure when it gave up the message, and nobody else does', async () => {
    const [mail, chat] = [scriptedChannel('mail'), scriptedChannel('chat')]
    const { process, clock } = machine([mail, chat], { jobs: { shop: { windowLimitMs: 45 * minute } } })
    const at = () => new Date(clock.now).toISOString()
    chat.fault = 'UNREACHABLE'
    await process(run(undefined, { windowEnd: at() }), run('X'))
    for (let hours = 0; hours < 27; hours++) {
      clock.now += 60 * minute
      await process(run('X', { at: at() }))
    }
    chat.fault = undefined
    clock.now += 60 * minute
    await process(run('X', { at: at() }), run('X', { at: at() }))
    const told = (channel: ScriptedChannel) => types(channel).filter((type) => !type.startsWith('channel-'))
    expect(told(mail)).toEqual(['failed', 'window-stopped-growing'])
    expect(told(chat).toSorted()).toEqual(['failed', 'window-stopped-growing'])
    expect(chat.sent.find(({ type }) => type === 'failed')?.body).toContain('an earlier message of it could not be sent')
    await process(run(undefined, { at: at(), windowEnd: at() }))
    expect(told(chat).slice(-2)).toEqual(['recovered', 'window-grows-again'])
  })

  it('is told through the others again when they gave up that word too', async () => {
    const [mail, chat] = [scriptedChannel('mail'), scriptedChannel('chat', () => false)]
    const { process, clock } = machine([mail, chat])
    for (const channel of [mail, chat]) channel.fault = 'WRONG_CREDENTIALS'
    await process(run('X'))
    clock.now += 25 * 60 * minute
    await process(run('Y'))
    chat.fault = undefined
    clock.now += 60 * minute
    await process()
    expect(types(chat)).toEqual(['channel-broken'])
  })

  it('is told through the others once, and once that it works again', async () => {
    const [mail, chat, silent] = [scriptedChannel('mail'), scriptedChannel('chat', () => false), scriptedChannel('silent', () => false)]
    const { process, clock } = machine([mail, chat, { ...silent, kind: 'ping' }])
    mail.fault = 'WRONG_CREDENTIALS'
    await process(run('UNREACHABLE'))
    for (let times = 0; times < 5; times++) {
      clock.now += 3_600_000
      await process(run(times % 2 === 0 ? undefined : 'X'))
    }
    expect(types(chat)).toEqual(['channel-broken'])
    expect(chat.sent[0]?.subject).toBe('channel mail does not work (WRONG_CREDENTIALS)')
    expect(chat.sent[0]?.body).toContain('  shop: log backup failed (UNREACHABLE)\n')
    mail.fault = undefined
    clock.now += 3_600_000
    await process()
    expect(types(chat)).toEqual(['channel-broken', 'channel-repaired'])
    expect(chat.sent[1]?.answers).toBe(chat.sent[0]?.id)
    expect(types(mail)[0]).toBe('failed')
    expect(silent.sent).toEqual([])
  })

  it('that may heal by itself is told of after its third failure', async () => {
    const [mail, chat] = [scriptedChannel('mail'), scriptedChannel('chat', () => false)]
    const { process, clock } = machine([mail, chat])
    mail.fault = 'UNREACHABLE'
    for (const expected of [0, 0, 1, 1]) {
      await process(...(mail.attempts.length === 0 ? [run('X')] : []))
      expect(chat.sent).toHaveLength(expected)
      clock.now += 3_600_000
    }
  })

  it('is told through the others without what its errors show of secrets', async () => {
    const [mail, chat] = [scriptedChannel('mail'), scriptedChannel('chat', () => false)]
    const { process, warnings } = machine([mail, chat], { hide: (text) => text.replaceAll('said no', '***') })
    mail.fault = 'WRONG_CREDENTIALS'
    await process(run('X'))
    expect(chat.sent).toMatchObject([{ type: 'channel-broken', message: 'mail ***', hint: 'Repair it.' }])
    expect(JSON.stringify([chat.sent, warnings])).not.toContain('said no')
  })

  it('or that refuses a message does not hold up the others', async () => {
    const [mail, chat] = [scriptedChannel('mail'), scriptedChannel('chat', () => false)]
    const { process, clock } = machine([mail, chat])
    mail.fault = 'INVALID_INPUT'
    await process(run('X'))
    mail.fault = undefined
    await process(run())
    expect(types(mail)).toEqual(['recovered'])
    expect(chat.sent.map(({ subject }) => subject)).toEqual(['channel mail refuses a message (INVALID_INPUT)'])
    clock.now += 3_600_000
    await process()
    expect(types(mail)).toEqual(['recovered', 'failed'])
    expect(chat.sent).toHaveLength(1)
  })

  it('beside another that refuses everything too does not make them tell of each other without end', async () => {
    const channels = [scriptedChannel('mail'), scriptedChannel('chat')]
    const { process } = machine(channels)
    for (const channel of channels) channel.fault = 'INVALID_INPUT'
    await process(run('X'))
    for (const { attempts } of channels) expect(attempts.length).toBeLessThanOrEqual(2)
  })

  it('does not keep more than a hundred messages: the oldest digests go first', async () => {
    const channel = scriptedChannel('chat')
    const { process, clock, warnings } = machine([channel], { digest: { every: 'daily', at: '07:00', day: 'mon', timezone: 'UTC' } })
    channel.fault = 'UNREACHABLE'
    await process()
    clock.now += 24 * 60 * minute
    const many = Array.from({ length: 110 }, (_, index) => run('X', { job: `job${index}` }))
    await process(...many.slice(0, 10))
    await process(...many.slice(10))
    const given = warnings.filter((text) => text.includes('is given up, because 100 messages wait already'))
    expect(given[0]).toContain('"backups of db1: all well"')
    expect(given.slice(1)).toHaveLength(10)
    expect(given[1]).toContain('"job0: log backup failed (X)"')
    channel.fault = undefined
    clock.now += 3_600_000
    await process()
    expect(channel.sent).toHaveLength(100)
    expect(channel.sent[0]?.body).toContain('11 earlier messages for this channel could not be sent')
  })

  it('does not block a run, and is left at the end after the time that is allowed', async () => {
    const [stuck, chat] = [scriptedChannel('stuck'), scriptedChannel('chat')]
    stuck.fault = 'hangs'
    const { process, settings } = machine([stuck, chat], { flushMs: 500 })
    const before = performance.now()
    const notifier = createNotifier(settings)
    notifier.observe(run('X'))
    expect(performance.now() - before).toBeLessThan(200)
    await notifier[Symbol.asyncDispose]()
    expect(performance.now() - before).toBeLessThan(5000)
    expect(types(chat)).toEqual(['failed'])
    stuck.fault = undefined
    await process()
    expect(types(stuck)).toEqual(['failed'])
  })
})

describe('what is noted', () => {
  it('lies in one file of mode 0600 that may be deleted, holds no secret, and nothing else stays beside it', async () => {
    const channel = scriptedChannel('chat')
    const hide = (text: string) => text.replaceAll('sw0rdfish', '***')
    const { process, file } = machine([channel], { hide })
    channel.fault = 'UNREACHABLE'
    const failure = { code: 'X', message: 'login of root:sw0rdfish refused', hint: 'sw0rdfish' }
    await process(run('X', { failure, problems: [{ severity: 'error', code: 'UNKNOWN', message: 'sw0rdfish', hint: 'sw0rdfish' }] }))
    expect(await readdir(join(file, '..'))).toEqual(['state.json'])
    if (globalThis.process.platform !== 'win32') expect((await stat(file)).mode & 0o777).toBe(0o600)
    const text = await readFile(file, 'utf8')
    expect(text).toContain('login of root:*** refused')
    expect(text).not.toContain('sw0rdfish')
    await rm(file)
    channel.fault = undefined
    await process(run('X'))
    expect(types(channel)).toEqual(['failed'])
  })

  it('that is damaged is begun anew, with a word', async () => {
    const channel = scriptedChannel('chat')
    const { process, file, warnings } = machine([channel])
    await process(run('X'))
    for (const content of ['{"version":1', '{"version":2}', '\0'.repeat(100)]) {
      await writeFile(file, content)
      await process(run('X'))
    }
    expect(types(channel)).toEqual(Array(4).fill('failed'))
    expect(warnings).toHaveLength(3)
    expect(warnings[0]).toContain('is damaged or of another release')
  })

  it('where nothing can be written is kept in memory, with a word', async () => {
    const channel = scriptedChannel('chat')
    await writeFile(join(directory, 'a-file'), '')
    const { process, warnings } = machine([channel], { file: join(directory, 'a-file', 'state.json') })
    await process(run('X'), run('X'), run())
    expect(types(channel)).toEqual(['failed', 'recovered'])
    expect(warnings).toEqual([expect.stringMatching(/cannot be noted in .*state\.json \((ENOTDIR|EEXIST)\)/)])
  })

  it('where nothing can be written for a while loses nothing of what was there', async () => {
    const channel = scriptedChannel('chat')
    const { file, settings, process, warnings } = machine([channel])
    channel.fault = 'UNREACHABLE'
    await process(run('X'))
    {
      await using notifier = createNotifier({ ...settings, flushMs: 0 })
      // A folder in the place of the file that is renamed over it.
      await mkdir(`${file}.next`)
      notifier.observe(run('X', { job: 'second' }))
      await expect.poll(() => warnings.join()).toContain('cannot be noted')
      await rm(`${file}.next`, { recursive: true })
      notifier.observe(run('X', { job: 'third' }))
      await expect.poll(() => readFile(file, 'utf8')).toContain('third')
    }
    const text = await readFile(file, 'utf8')
    expect(['shop', 'second', 'third'].filter((job) => text.includes(`"job":"${job}"`))).toEqual(['shop', 'second', 'third'])
  })

  it('is shared by processes that run at once: every message is sent once', async () => {
    const channel = scriptedChannel('chat')
    const { process } = machine([channel])
    const jobs = Array.from({ length: 6 }, (_, index) => `job${index}`)
    await Promise.all(jobs.map((job) => process(run('X', { job }), run('X', { job }), run(undefined, { job }))))
    await process()
    const told = channel.sent.map(({ type, job }) => `${job} ${type}`)
    expect(told.toSorted()).toEqual(jobs.flatMap((job) => [`${job} failed`, `${job} recovered`]))
  })
})

describe('time', () => {
  it('that passes brings digests and windows that stand still, without any run', async () => {
    const channel = scriptedChannel('chat')
    const { process, clock } = machine([channel], {
      jobs: { shop: { windowLimitMs: 45 * minute } },
      digest: { every: 'daily', at: '07:00', day: 'mon', timezone: 'UTC' },
    })
    await process(run(undefined, { windowEnd: new Date(began).toISOString() }))
    for (; clock.now < began + 8 * 60 * minute; clock.now += 15 * minute) await process()
    expect(types(channel)).toEqual(['window-stopped-growing', 'digest'])
    expect(channel.sent[1]?.body).toContain('shop (failing)')
  })

  it('that brings a digest has the windows of the jobs looked up once, and not without end', async () => {
    const channel = scriptedChannel('chat')
    const digest = { every: 'daily', at: '07:00', day: 'mon', timezone: 'UTC' } as const
    const looks: number[] = []
    const until = '2026-07-24T06:30:00.000Z'
    const windows = async () => {
      looks.push(clock.now)
      return { shop: { until, problem: { code: 'UNREACHABLE', message: 'far: sw0rdfish' } } }
    }
    const { settings, process, clock, warnings } = machine([channel], {
      digest,
      windows,
      hide: (text) => text.replaceAll('sw0rdfish', '***'),
    })
    await process()
    clock.now += 7 * 60 * minute
    await process()
    await process()
    expect(looks).toEqual([clock.now])
    expect(channel.sent[0]?.body).toContain('  restorable until 2026-07-24 06:30:00 UTC, 30m before\n  not all of its')
    expect(channel.sent[0]?.body).toContain('UNREACHABLE far: ***')

    clock.now += 24 * 60 * minute
    const hanging = () => new Promise<never>(() => undefined)
    {
      await using _notifier = createNotifier({ ...settings, windows: hanging, flushMs: 100 })
    }
    expect(types(channel)).toEqual(['digest', 'digest'])
    expect(warnings).toEqual([expect.stringContaining('what can be restored could not be looked up for the digest')])
  })

  it('is looked at by itself while the process runs', async () => {
    const channel = scriptedChannel('chat')
    const { settings, clock } = machine([channel], { jobs: { shop: { windowLimitMs: 45 * minute } }, lookEveryMs: 20 })
    await using notifier = createNotifier(settings)
    notifier.observe(run(undefined, { windowEnd: new Date(began).toISOString() }))
    clock.now += 46 * minute
    await expect.poll(() => types(channel), { timeout: 10_000 }).toEqual(['window-stopped-growing'])
  })
})

it('single runs are told to who asks for them, and only the latest of those that could not be sent', async () => {
  const channel = scriptedChannel('check', ({ type }) => type.startsWith('run-'))
  const { settings, process, clock } = machine([channel])
  channel.fault = 'UNREACHABLE'
  await process(run(), run('X'))
  channel.fault = undefined
  clock.now += minute
  await using notifier = createNotifier(settings)
  notifier.started({ job: 'crm', task: 'full', at: new Date(clock.now).toISOString() })
  await expect
    .poll(() => channel.sent.map(({ type, job }) => `${job} ${type}`), { timeout: 10_000 })
    .toEqual(['shop run-failed', 'crm run-started'])
})
