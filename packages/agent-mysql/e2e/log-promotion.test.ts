import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { agentFor } from './capture-fixture.ts'
import { binlogsIn, LogChain } from './log-fixture.ts'

let server: ThrowawayMariadb
let chain: LogChain
beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client('CREATE DATABASE shop; CREATE TABLE shop.line (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(200))')
})
afterAll(() => server?.stop())
beforeEach(() => {
  chain = new LogChain(server)
})
afterEach(() => chain[Symbol.asyncDispose]())

const write = (target = server) => target.client("INSERT INTO shop.line (note) VALUES ('written')")
const rotate = (times: number) => server.client('FLUSH BINARY LOGS;'.repeat(times))
const position = (): string | undefined => chain.backups.at(-1)?.position?.value.file

async function fullAndLog(): Promise<string> {
  await chain.backUp('full')
  await write()
  expect((await chain.backUp('log')).backup.kind).toBe('log')
  return chain.backups.at(-1)?.position?.chain ?? ''
}

/** What is asked for is a log; what is made is a full, and the next log continues it. */
async function expectPromotion(reason: string, expectedChain: string): Promise<void> {
  const planned = await chain.agent.plan(chain.request('log'))
  expect(planned).toMatchObject({ kind: 'full', reason: expect.stringContaining(reason) })
  const { backup, capture } = await chain.backUp('log')
  expect(backup.kind).toBe('full')
  expect(capture.facts.reason).toContain(reason)
  expect(backup.position?.chain).toBe(expectedChain)
  await write()
  const log = await chain.backUp('log')
  expect(log.backup).toMatchObject({ kind: 'log', from: backup.position, position: { chain: expectedChain } })
}

describe('a log becomes a full, with the reason', () => {
  it('where there is no full yet', async () => {
    const { backup, capture } = await chain.backUp('log')
    expect(backup.kind).toBe('full')
    expect(capture.facts.reason).toContain('no full backup yet')
  })

  it('where what follows the last backup was purged', async () => {
    const identity = await fullAndLog()
    await write()
    await rotate(2)
    const [newest = ''] = (await server.client('SHOW MASTER STATUS')).split('\t')
    // The server keeps what a session reads that it has not noticed to be gone.
    await expect
      .poll(() => server.client(`PURGE BINARY LOGS TO '${newest}'; SHOW BINARY LOGS`), { timeout: 60_000, interval: 200 })
      .toMatch(new RegExp(`^${newest}`))
    await expectPromotion('was purged', identity)
  })

  it('where a binlog in the middle is missing, and nothing is stored of those around it', async () => {
    const identity = await fullAndLog()
    await write()
    await rotate(1)
    const [middle = ''] = (await server.client('SHOW MASTER STATUS')).split('\t')
    await write()
    await rotate(1)
    await rm(join(server.directory, 'data', middle))
    await expectPromotion('was purged', identity)
  })

  it('where the binlog in which the last backup ends is gone from the disk', async () => {
    const identity = await fullAndLog()
    const ends = position() ?? ''
    await write()
    await rotate(1)
    await rm(join(server.directory, 'data', ends))
    await expectPromotion('was purged', identity)
  })

  it('after RESET MASTER, whether the numbers have come as far again or not', async () => {
    const identity = await fullAndLog()
    await server.client('RESET MASTER')
    await expectPromotion('the server is only at', `${identity}~2`)
    const reached = Number(position()?.split('.')[1])
    await server.client('RESET MASTER')
    await rotate(reached + 2)
    await expectPromotion('has another beginning', `${identity}~3`)
    expect((await chain.backUp('full')).backup.position?.chain).toBe(`${identity}~3`)
  })

  it('after RESET MASTER behind a full by an account that may not read binlogs', async () => {
    await server.client(
      "CREATE OR REPLACE USER 'plain'@'%' IDENTIFIED BY 'plain'; GRANT SELECT, RELOAD, PROCESS, LOCK TABLES, SHOW VIEW, EVENT, TRIGGER, BINLOG MONITOR ON *.* TO 'plain'@'%'",
    )
    const plain = agentFor(server, { threads: 1, users: false, user: 'plain', password: 'plain' })
    const full = async () => (await chain.backUp('full', {}, plain)).backup
    const { position: first, facts } = await full()
    expect(facts.binlog).not.toHaveProperty('identity')
    await write()
    expect((await chain.backUp('log')).backup).toMatchObject({ kind: 'log', from: first })

    chain.backups.length = 0
    await server.client('RESET MASTER')
    const identity = (await full()).position?.chain
    await server.client('RESET MASTER')
    await write()
    await rotate(1)
    await write()
    await expectPromotion('cannot be shown to be the same one', `${identity}~2`)
  })

  it('where the files of the server were set back to an earlier copy', async () => {
    const copy = await mkdtemp(join(tmpdir(), 'bp-set-back-'))
    try {
      await server.kill()
      await cp(join(server.directory, 'data'), copy, { recursive: true, preserveTimestamps: true })
      await server.restart()
      const identity = await fullAndLog()
      await server.kill()
      await rm(join(server.directory, 'data'), { recursive: true })
      await cp(copy, join(server.directory, 'data'), { recursive: true, preserveTimestamps: true })
      await server.restart()
      // As many files as there were before.
      while ((await server.client('SHOW MASTER STATUS')).split('\t')[0] !== position()) await rotate(1)
      await rotate(1)
      await expectPromotion('has another beginning', `${identity}~2`)
    } finally {
      await rm(copy, { recursive: true, force: true })
    }
  })

  it('where another server answers, with a copy of the files of the first', async () => {
    const identity = await fullAndLog()
    const directory = await mkdtemp(join(tmpdir(), 'bp-other-server-'))
    try {
      await server.kill()
      await cp(join(server.directory, 'data'), join(directory, 'data'), { recursive: true })
      await cp(join(server.directory, 'tmp'), join(directory, 'tmp'), { recursive: true })
      await server.restart()
      await using other = await startThrowawayMariadb({ directory })
      const agent = agentFor(other, { threads: 1 })
      const { backup, capture } = await chain.backUp('log', {}, agent)
      expect(backup.kind).toBe('full')
      expect(capture.facts.reason).toContain(`the last backup is of the history ${identity}`)
      expect(backup.position?.chain).not.toBe(identity)
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })

  it('where the server has no binlog any more', async () => {
    await fullAndLog()
    await server.restart({ serverOptions: ['--skip-log-bin'] })
    try {
      const { backup, capture } = await chain.backUp('log')
      expect(backup.kind).toBe('full')
      expect(capture.facts.reason).toContain('keeps no logs')
      const problems = await chain.agent.check(chain.request('log'))
      expect(problems).toContainEqual(expect.objectContaining({ message: expect.stringContaining('writes no binlog') }))
      const following = chain.agent.follow?.({ job: 'test', chain: chain.backups, everySeconds: 1, everyBytes: 1 })
      await expect(following?.[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'UNSUPPORTED', retryable: false })
    } finally {
      await server.restart({ serverOptions: [] })
    }
  })
})

describe('a log goes on', () => {
  it('after an orderly restart of the server, and after a crash, with all files between', async () => {
    await fullAndLog()
    await write()
    await server.restart()
    await write()
    await server.kill()
    await server.restart()
    const { backup, ...log } = await chain.backUp('log')
    expect(backup.kind).toBe('log')
    expect(await binlogsIn({ backup, ...log })).toHaveLength(3)
    expect(backup.items[0]?.facts.binlogs).toMatchObject([{ ends: 'stop' }, { ends: 'open' }, { ends: 'rotate' }])
  })

  it('where a full was made in between, from where logs ended', async () => {
    await fullAndLog()
    const ended = chain.backups.at(-1)?.position
    await write()
    await chain.backUp('full')
    await write()
    expect((await chain.backUp('log')).backup).toMatchObject({ kind: 'log', from: ended })
  })

  it('where a full was made while the binlog was rotated under it', async () => {
    let rotated = 0
    const { backup } = await chain.backUp('full', {
      onProgress: (progress) => {
        if (progress.type === 'step' && rotated++ < 20) void rotate(1).then(() => write())
      },
    })
    await write()
    const log = await chain.backUp('log')
    expect(log.backup).toMatchObject({ kind: 'log', from: backup.position })
    expect((await binlogsIn(log)).length).toBeGreaterThan(1)
  })
})
