import { readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Backup, BackupError, type Problem } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { agentFor, until } from './capture-fixture.ts'
import { binlogOf, binlogsIn, LogChain, storedBinlog } from './log-fixture.ts'

let server: ThrowawayMariadb
let chain: LogChain
beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client('CREATE DATABASE shop; CREATE TABLE shop.line (id INT AUTO_INCREMENT PRIMARY KEY, note LONGTEXT)')
})
afterAll(() => server?.stop())
beforeEach(() => {
  chain = new LogChain(server)
})
afterEach(() => chain[Symbol.asyncDispose]())

const write = (note = 'written') => server.client(`INSERT INTO shop.line (note) VALUES ('${note}')`)
const active = async () => (await server.client('SHOW MASTER STATUS')).split('\t')[0] ?? ''
const pathOf = (binlog: string) => join(server.directory, 'data', binlog)

/** What a capture failed with, after it was seen that it stored nothing as a backup. */
async function failure(kind: 'log' | 'full' = 'log', agent = chain.agent): Promise<BackupError> {
  const before = chain.backups.length
  const error: unknown = await chain.backUp(kind, {}, agent).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(chain.backups).toHaveLength(before)
  if (!BackupError.is(error)) throw error ?? new Error('it did not fail')
  return error
}

describe('a log backup fails as a whole', () => {
  it('where a binlog is damaged, and names it and the place', async () => {
    await chain.backUp('full')
    await write()
    await chain.backUp('log')
    await write('x'.repeat(1000))
    const binlog = await active()
    await server.client('FLUSH BINARY LOGS')
    await write()
    const content = await readFile(pathOf(binlog))
    const at = content.lastIndexOf('xxxx')
    const damaged = Buffer.from(content)
    damaged[at] = 0x79
    await writeFile(pathOf(binlog), damaged)
    for (const binlogFetch of ['dump', 'copy'] as const) {
      const { code, message, hint } = await failure('log', agentFor(server, { threads: 1, binlogFetch }))
      expect(code).toBe('CORRUPTED')
      expect(message).toContain(binlog)
      expect(message).toMatch(/damaged at offset \d+/)
      expect(hint).toContain('PURGE BINARY LOGS TO')
    }
    // What the hint says leads past it.
    await chain.backUp('full')
    expect((await failure()).code).toBe('CORRUPTED')
    await server.client(`PURGE BINARY LOGS TO '${chain.backups.at(-1)?.position?.value.file}'`)
    await write()
    const log = await chain.backUp('log')
    expect(log.backup).toMatchObject({ kind: 'log', from: chain.backups.at(-2)?.position })
  })

  it('where a binlog was cut between two events, which only its GTIDs tell', async () => {
    await chain.backUp('full')
    const binlog = await active()
    await write('first')
    const { size } = await stat(pathOf(binlog))
    await write('second')
    await server.client('FLUSH BINARY LOGS')
    const content = await readFile(pathOf(binlog))
    await truncate(pathOf(binlog), size)
    const { code, message } = await failure()
    expect(code).toBe('INCONSISTENT')
    expect(message).toContain(`does not continue ${binlog}`)
    await writeFile(pathOf(binlog), content)
    expect((await chain.backUp('log')).backup.kind).toBe('log')
  })

  it('where it is aborted while it copies, and nothing of it goes on on the server', async () => {
    await chain.backUp('full')
    await server.client("INSERT INTO shop.line (note) VALUES (REPEAT('z', 1000000))")
    const stop = new AbortController()
    const capture = await chain.agent.beginCapture(chain.request('log'), stop)
    const storing = chain.store(capture, {
      signal: stop.signal,
      onProgress: ({ type }) => {
        if (type === 'bytes') stop.abort()
      },
    })
    await expect(storing).rejects.toMatchObject({ code: 'ABORTED' })
    const others = "SELECT COUNT(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user = 'root'"
    await until('the server is left alone', async () => ((await server.client(others)).trim() === '0' ? true : undefined))
    await expect(chain.agent.beginCapture(chain.request('log'), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('where it is asked for some items only', async () => {
    await chain.backUp('full')
    const limited = { ...chain.request('log'), items: ['shop'] }
    await expect(chain.agent.beginCapture(limited)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(chain.agent.plan(limited)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })
})

describe('a log backup holds', () => {
  it('a binlog of which a crash has cut the last event, up to the one before it', async () => {
    await chain.backUp('full')
    await write('whole')
    const binlog = await active()
    const { size } = await stat(pathOf(binlog))
    await write('cut')
    await server.kill()
    const content = await readFile(pathOf(binlog))
    await truncate(pathOf(binlog), content.length - 20)
    // The mark of a binlog that is being written, which the server takes away when it comes up.
    content[21] = (content[21] ?? 0) & ~1
    await server.restart()
    await write('later')
    for (const binlogFetch of ['dump', 'copy'] as const) {
      const log = await chain.backUp('log', {}, agentFor(server, { threads: 1, binlogFetch }))
      chain.backups.pop()
      expect(log.backup.kind).toBe('log')
      const stored = await storedBinlog(log, binlog)
      expect(stored.length).toBeGreaterThanOrEqual(size)
      expect(stored.equals(content.subarray(0, stored.length))).toBe(true)
      expect(log.backup.items[0]?.facts).toMatchObject({ transactions: 2 })
    }
  })

  it('the same whichever way binlogs are fetched, from files only where they are the files of the server', async () => {
    await chain.backUp('full')
    await write()
    for (const binlogFetch of ['auto', 'dump', 'copy'] as const) {
      const steps: string[] = []
      const agent = agentFor(server, { threads: 1, binlogFetch })
      const capture = await agent.beginCapture(chain.request('log'), {
        onProgress: (progress) => progress.type === 'step' && steps.push(progress.text),
      })
      const log = await chain.store(capture)
      chain.backups.pop()
      expect(steps.at(-1)).toContain(binlogFetch === 'dump' ? 'as a replica reads them' : 'as files of this machine')
      const [first = ''] = await binlogsIn(log)
      expect((await storedBinlog(log, first)).equals(await binlogOf(server, first))).toBe(true)
    }
  })

  it('everything that writers committed, while they write and the log goes on', async () => {
    await chain.backUp('full')
    const each = 200
    const writers = [1, 2, 3].map((writer) =>
      server.client(
        Array.from({ length: each }, (_, index) => `INSERT INTO shop.line (note) VALUES ('${writer}-${index}'); DO SLEEP(0.01)`).join('; '),
      ),
    )
    const written = 3 * each
    for (let index = 0; index < 3; index++) await chain.backUp('log')
    await Promise.all(writers)
    await chain.backUp('log')
    const logs = chain.backups.filter(({ kind }) => kind === 'log')
    // A log takes the binlog whole in which the one before it ended, which here is always its beginning.
    expect(logs.reduce((sum, { items }) => sum + Number(items[0]?.facts.transactions), 0)).toBe(written)
    expect(logs.filter(({ items }) => Number(items[0]?.facts.transactions) > 0).length).toBeGreaterThan(1)
    for (const [index, log] of logs.entries()) if (index > 0) expect(log.from).toEqual(logs[index - 1]?.position)
  })
})

describe('a clock that is set back', () => {
  it('is told by the stretches that the log covers', async () => {
    await chain.backUp('full')
    await server.client(
      Array.from(
        { length: 12 },
        (_, index) => `SET TIMESTAMP = UNIX_TIMESTAMP() - 7200 + ${index * 10}; INSERT INTO shop.line (note) VALUES ('x')`,
      ).join('; '),
    )
    const { backup } = await chain.backUp('log')
    expect(backup.covers).toHaveLength(1)
    const later: Backup = { ...(chain.backups.at(-1) as Backup), consistentAt: new Date(Date.now() + 3_600_000).toISOString() }
    chain.backups.splice(-1, 1, later)
    await write()
    const { covers, consistentAt } = (await chain.backUp('log')).backup
    expect(covers).toHaveLength(2)
    expect(covers?.[0]?.from).toBe(later.consistentAt)
    expect(covers?.[1]?.to).toBe(consistentAt)
  })
})

describe('rights', () => {
  const messages = (problems: readonly Problem[]) => problems.map(({ severity, message }) => `${severity}: ${message}`)

  it('are named with the statement that grants them, and suffice', async () => {
    await server.client("CREATE OR REPLACE USER logs@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT SELECT ON shop.* TO logs@'127.0.0.1'")
    const agent = agentFor(server, { threads: 1, user: 'logs', password: 'secret' })
    await chain.backUp('full')
    await write()
    const problems = await agent.check(chain.request('log'))
    expect(messages(problems)).toEqual(
      [
        expect.stringContaining('error: logs@127.0.0.1 lacks BINLOG MONITOR'),
        expect.stringContaining('error: logs@127.0.0.1 lacks REPLICATION SLAVE'),
        expect.stringContaining('error: logs@127.0.0.1 lacks RELOAD'),
        expect.stringContaining('warning: the server deletes binlogs after') as unknown as string,
      ].slice(0, problems.length),
    )
    const grant = /all at once: (GRANT .*)$/.exec(problems[0]?.hint ?? '')?.[1] ?? ''
    expect(grant).toBe("GRANT BINLOG MONITOR, REPLICATION SLAVE, RELOAD ON *.* TO 'logs'@'127.0.0.1'")
    expect((await failure('log', agent)).code).toBe('ACCESS_DENIED')
    await server.client(grant)
    expect((await agent.check(chain.request('log'))).filter(({ severity }) => severity === 'error')).toEqual([])
    expect((await chain.backUp('log', {}, agent)).backup.kind).toBe('log')
  })

  it('to read binlogs are not needed for a full, whose log then compares positions only', async () => {
    await server.client(
      "CREATE OR REPLACE USER fulls@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, RELOAD, PROCESS, BINLOG MONITOR ON *.* TO fulls@'127.0.0.1'",
    )
    const agent = agentFor(server, { threads: 1, user: 'fulls', password: 'secret' })
    const { backup } = await chain.backUp('full', {}, agent)
    expect(backup.facts.binlog).not.toHaveProperty('identity')
    await write()
    expect((await chain.backUp('log')).backup).toMatchObject({ kind: 'log', from: backup.position })
  })
})

describe('purging', () => {
  it('is done only when it is set, after the commit, and never of what is not backed up', async () => {
    const purging = agentFor(server, { threads: 1, purgeBinlogs: { keepHours: 0 } })
    const kept = agentFor(server, { threads: 1, purgeBinlogs: { keepHours: 1 } })
    const listed = async () => (await server.client('SHOW BINARY LOGS')).trim().split('\n').length
    await chain.backUp('full')
    await write()
    await chain.backUp('log', {}, kept)
    expect(await listed()).toBeGreaterThan(1)
    await write()
    const capture = await purging.beginCapture(chain.request('log'))
    const before = await listed()
    await server.client('FLUSH BINARY LOGS')
    await write()
    // A binlog is known to have ended once the second is over in which the next one began.
    const second = Number(await server.client('SELECT UNIX_TIMESTAMP()'))
    await until('the second is over', async () => (Number(await server.client('SELECT UNIX_TIMESTAMP()')) > second + 1 ? true : undefined))
    await chain.store(capture)
    expect(before).toBeGreaterThan(2)
    const names = (await server.client('SHOW BINARY LOGS'))
      .trim()
      .split('\n')
      .map((line) => line.split('\t')[0])
    expect(names).toEqual([capture.facts.position?.value.file, await active()])
    expect((await chain.backUp('log')).backup.kind).toBe('log')
  })
})

describe('encrypted binlogs', () => {
  it('are stored decrypted, and their files are not copied', async () => {
    const keys = join(server.directory, 'keys.txt')
    await writeFile(keys, '1;770A8A65DA156D24EE2A093277530142\n', { mode: 0o600 })
    await server.restart({
      serverOptions: ['--plugin-load-add=file_key_management', `--file-key-management-filename=${keys}`, '--encrypt-binlog=ON'],
    })
    try {
      await chain.backUp('full')
      await write('a secret that is readable')
      const log = await chain.backUp('log')
      const [binlog = ''] = await binlogsIn(log)
      expect((await binlogOf(server, binlog)).includes('a secret that is readable')).toBe(false)
      expect((await storedBinlog(log, binlog)).includes('a secret that is readable')).toBe(true)
      expect((await chain.backUp('log')).backup.kind).toBe('log')
      const problems = await chain.agent.check(chain.request('log'))
      expect(messagesOf(problems)).toContain(
        'warning: binlogs are encrypted on the server (encrypt_binlog), which decrypts them for a log backup',
      )
      await write()
      const copying = agentFor(server, { threads: 1, binlogFetch: 'copy' })
      expect((await failure('log', copying)).code).toBe('UNSUPPORTED')
      expect(messagesOf(await copying.check(chain.request('log')))).toContainEqual(expect.stringContaining('files cannot be copied'))
    } finally {
      await server.restart({ serverOptions: [] })
    }
  })
})

function messagesOf(problems: readonly Problem[]): readonly string[] {
  return problems.map(({ severity, message }) => `${severity}: ${message}`)
}
