import { setTimeout as delay } from 'node:timers/promises'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect } from '../src/mysql-connection.ts'
import { runMysqlRestore } from '../src/restore/index.ts'
import { agentFor, dump, resolvedSettings } from './capture-fixture.ts'
import { backUpToFolder, FolderFiles } from './folder-backup.ts'
import { planFor, resolved } from './restore-round-trip.ts'

/** Less than the time after which connecting fails by itself. */
const longest = 8000
const settings = { connectTimeoutSeconds: 60, threads: 2 } as const

let server: ThrowawayMariadb

beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client(
    "CREATE DATABASE calm; USE calm; CREATE TABLE t (id INT PRIMARY KEY, v TEXT); INSERT INTO t SELECT seq, REPEAT('v', 2000) FROM seq_1_to_5000",
  )
})

afterAll(() => server?.stop())

/** A machine that stands still, or a network that loses everything: connections stay and say nothing. */
async function whileSilent(abort: AbortController, work: Promise<unknown>): Promise<void> {
  process.kill(server.pid, 'SIGSTOP')
  try {
    const outcome = work.then(
      () => 'ended',
      (error: { readonly code?: string }) => error.code,
    )
    await delay(200)
    abort.abort()
    expect(await Promise.race([outcome, delay(longest, 'still waiting')])).toBe('ABORTED')
  } finally {
    process.kill(server.pid, 'SIGCONT')
  }
}

describe('an abort ends at once although the server says nothing', () => {
  it('to a statement', async () => {
    const abort = new AbortController()
    await using connection = await connect(resolvedSettings(server, settings), { signal: abort.signal })
    await whileSilent(abort, connection.rows('SELECT SLEEP(30)'))
  })

  it.each(['read the definitions', 'connect 2 readers', 'take BACKUP STAGE', 'copy the rows'])('in the step: %s', async (step) => {
    const abort = new AbortController()
    const reached = Promise.withResolvers<void>()
    const onProgress = (event: { readonly type: string; readonly text?: string }) => {
      if (event.text?.startsWith(step)) reached.resolve()
    }
    const work = dump(agentFor(server, settings), {}, { signal: abort.signal, onProgress })
    work.catch(() => undefined)
    await reached.promise
    await whileSilent(abort, work)
  })

  it('in the rows of a restore', async () => {
    await using folder = await backUpToFolder(server, { users: false, chunkBytes: 100_000 })
    const abort = new AbortController()
    const reached = Promise.withResolvers<void>()
    const files = new FolderFiles(folder.directory, folder.backup)
    let given = 0
    files.onFile = (file) => {
      if (file.name.endsWith('.dat.zst') && ++given === 9) reached.resolve()
    }
    const plan = await planFor(server, folder, { rename: { calm: 'again' } })
    const work = runMysqlRestore({ ...resolved(server), ...settings }, plan, files, { signal: abort.signal })
    work.catch(() => undefined)
    await reached.promise
    await whileSilent(abort, work)
    expect(files.held).toBe(0)
  })
})
