import { readdir, readFile } from 'node:fs/promises'
import { BackupError } from '@backup-planet/core'
import { createMemoryUploader } from '@backup-planet/core/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { stageOf, storeStage } from './__fixtures__/test-stage.ts'
import { createArchiveRepository } from './archive-repository.ts'
import { inProcess } from './passphrase-process-start.ts'
import { type PassphraseTask, parsePassphraseAnswer, parsePassphraseTask } from './passphrase-task.ts'

const bytes = new TextEncoder().encode('secret text')
const encrypting = (passphrase: string, workFactor: number): PassphraseTask => ({ task: 'encrypt', passphrase, workFactor, bytes })

/** Takes a second at least, so that there is time to look at it. */
const slow = encrypting('correct horse', 18)

const execPath = process.execPath
afterEach(() => {
  process.execPath = execPath
})

describe('what the process cannot do comes back as an error that says what to do', () => {
  it('when it cannot be started', async () => {
    process.execPath = '/nowhere/node'
    const error = await inProcess(encrypting('correct horse', 8), {}).catch((failure: unknown) => failure)
    expect(error).toMatchObject({ code: 'UNKNOWN', message: expect.stringContaining('/nowhere/node'), hint: expect.any(String) })
    expect(BackupError.is(error)).toBe(true)
  })

  it.runIf(process.platform !== 'win32')('when it ends without an answer', async () => {
    process.execPath = '/bin/true'
    await expect(inProcess(encrypting('correct horse', 8), {})).rejects.toMatchObject({ code: 'UNKNOWN' })
    process.execPath = '/bin/cat'
    await expect(inProcess(encrypting('correct horse', 8), {})).rejects.toMatchObject({
      code: 'UNKNOWN',
      message: expect.not.stringContaining('correct horse'),
    })
  })

  it.runIf(process.platform === 'linux')('when the system kills it', async () => {
    const answer = inProcess(slow, {})
    answer.catch(() => undefined)
    process.kill(await theProcess(), 'SIGKILL')
    await expect(answer).rejects.toMatchObject({ code: 'OVERLOADED', retryable: true, hint: expect.stringContaining('memory') })
  })

  it.each(['', '{', 'null', '{}', '{"bytes":5}', '{"bytes":"?"}', '{"failure":"x","bytes":""}'])('when it answers %j', (text) => {
    expect(parsePassphraseAnswer(text)).toBeUndefined()
  })

  it.each(['', '{}', '{"task":"remove","passphrase":"x","bytes":""}'])('and refuses %j as a task', (text) => {
    expect(() => parsePassphraseTask(text)).toThrow()
  })
})

it.each(['YWdl', 'ünïcode \u{1f511}', '"\n\u0000\\'])('encrypts and decrypts with %j, also where base64 holds it', async (passphrase) => {
  const encrypted = await inProcess(encrypting(passphrase, 8), {})
  if ('failure' in encrypted) throw new Error(encrypted.failure)
  expect(new TextDecoder().decode(encrypted.bytes)).toMatch(/^age-encryption\.org\/v1\n-> scrypt \S+ 8\n/)
  const task = { task: 'decrypt', workFactor: undefined, bytes: encrypted.bytes } as const
  expect(await inProcess({ ...task, passphrase }, {})).toEqual({ bytes })
  expect(await inProcess({ ...task, passphrase: `${passphrase}?` }, {})).toEqual({
    failure: expect.stringContaining('no identity matched'),
  })
})

describe.runIf(process.platform === 'linux')('the process', () => {
  it('is aborted, and gone when the caller hears of it; its passphrase is in no argument and no variable', async () => {
    const abort = new AbortController()
    const answer = inProcess(slow, { signal: abort.signal })
    answer.catch(() => undefined)
    const pid = await theProcess()
    const shown = await Promise.all(['cmdline', 'environ'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8')))
    expect(shown.join()).not.toContain('correct horse')
    expect(shown[1]).not.toContain('NODE_OPTIONS')
    abort.abort()
    await expect(answer).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await processes()).toEqual([])
  })

  it('of an aborted store is gone too, and who waits for the same key opens it alone', async () => {
    const uploader = createMemoryUploader()
    const encryption = { passphrase: 'correct horse', workFactor: 18 }
    await storeStage(createArchiveRepository({ uploader, encryption }), stageOf([]))
    const repository = createArchiveRepository({ uploader, encryption })
    const abort = new AbortController()
    const run = { job: 'shop', beganAt: '2026-11-23T08:00:00.000Z', kind: 'full' } as const
    const aborted = storeStage(repository, stageOf([]), { ...run, id: 'run-2' }, abort.signal)
    aborted.catch(() => undefined)
    const first = await theProcess()
    const waiting = storeStage(repository, stageOf([]), { ...run, id: 'run-3' })
    abort.abort()
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await processes()).not.toContain(first)
    expect(await waiting).toMatchObject({ id: 'run-3', status: 'complete' })
  })
})

it('leaves the event loop alone while it is turned into a key', async () => {
  const repository = createArchiveRepository({ uploader: createMemoryUploader(), encryption: { passphrase: 'right', workFactor: 17 } })
  let ticks = 0
  const timer = setInterval(() => ticks++, 2)
  await storeStage(repository, stageOf([]))
  clearInterval(timer)
  expect(ticks).toBeGreaterThan(20)
})

/** Those that this process has started for a passphrase. */
async function processes(): Promise<readonly number[]> {
  const found: number[] = []
  for (const thread of await readdir('/proc/self/task')) {
    const children = await readFile(`/proc/self/task/${thread}/children`, 'utf8').catch(() => '')
    for (const pid of children.split(' ').filter((text) => text !== '')) {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      if (command.includes('passphrase-process')) found.push(Number(pid))
    }
  }
  return found
}

async function theProcess(): Promise<number> {
  const deadline = Date.now() + 20_000
  while (Date.now() < deadline) {
    const [pid] = await processes()
    if (pid !== undefined) return pid
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('no process was started for the passphrase')
}
