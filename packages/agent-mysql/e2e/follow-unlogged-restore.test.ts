import type { Capture, Progress } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { connect } from '../src/mysql-connection.ts'
import { noteUnloggedBegin, noteUnloggedEnd } from '../src/unlogged-restore.ts'
import { resolvedSettings, until } from './capture-fixture.ts'
import { LogChain } from './log-fixture.ts'

let server: ThrowawayMariadb
let chain: LogChain
beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client('CREATE DATABASE shop; CREATE TABLE shop.line (id INT AUTO_INCREMENT PRIMARY KEY, note TEXT)')
})
afterAll(() => server?.stop())
beforeEach(() => {
  chain = new LogChain(server)
})
afterEach(() => chain[Symbol.asyncDispose]())

const write = (note: string) => server.client(`INSERT INTO shop.line (note) VALUES ('${note}')`)

/** As a restore with `binlog: false` does it. */
async function restoreWithoutBinlog({ ends = true } = {}): Promise<void> {
  await using session = await connect(resolvedSettings(server), { setup: ['SET SESSION sql_log_bin = 0'] })
  await noteUnloggedBegin(session)
  await session.run("UPDATE shop.line SET note = 'restored'")
  if (ends) await noteUnloggedEnd(session)
}

async function follow(everySeconds: number): Promise<{ readonly failure: Promise<unknown>; readonly dumps: () => Promise<number> }> {
  const said = Promise.withResolvers<void>()
  const onProgress = ({ type }: Progress) => type === 'following' && said.resolve()
  const captures = chain.agent.follow?.(
    { job: 'test', chain: chain.backups, everySeconds, everyBytes: 1e6 },
    { onProgress },
  ) as AsyncIterable<Capture>
  const failure = (async () => {
    for await (const capture of captures) await chain.store(capture)
  })().catch((error: unknown) => error)
  const dumps = async () => Number(await server.client("SELECT COUNT(*) FROM information_schema.processlist WHERE command = 'Binlog Dump'"))
  await Promise.race([said.promise, failure.then((error) => Promise.reject(error))])
  expect(await dumps()).toBe(1)
  return { failure, dumps }
}

it('stops at a restore that the binlogs do not hold, though it goes on, and asks for a full', async () => {
  await chain.backUp('full')
  const { failure, dumps } = await follow(0.2)
  await write('before')
  await until('it was yielded', async () => (chain.backups.length === 2 ? true : undefined))
  await restoreWithoutBinlog({ ends: false })
  await write('behind')
  expect(await failure).toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('a restore that') })
  expect(chain.backups.map(({ kind }) => kind)).toEqual(['full', 'log'])
  await until('nothing is left on the server', async () => ((await dumps()) === 0 ? true : undefined))
  const { backup } = await chain.backUp('log')
  expect(backup).toMatchObject({ kind: 'full', position: { chain: `${chain.backups[0]?.position?.chain}~2` } })
  await server.client('SET sql_log_bin = 0; DROP DATABASE backup_planet_unlogged')
})

it('hands over what was written well before the restore, and nothing that was written after it', async () => {
  await chain.backUp('full')
  const { failure } = await follow(4)
  await write('well before')
  const [written] = (await server.client('SELECT UNIX_TIMESTAMP()')).split('\n')
  await until('that second is over', async () =>
    Number(await server.client('SELECT UNIX_TIMESTAMP()')) > Number(written) ? true : undefined,
  )
  await restoreWithoutBinlog()
  expect(await failure).toMatchObject({ code: 'NOT_FOUND' })
  expect(chain.backups.map(({ kind }) => kind)).toEqual(['full', 'log'])
})

it('notices a restore into a server that nobody writes to', async () => {
  await chain.backUp('full')
  const { failure } = await follow(0.2)
  await restoreWithoutBinlog()
  expect(await failure).toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('a restore that was not written') })
})
