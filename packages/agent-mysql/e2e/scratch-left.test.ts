import { execFile, spawn } from 'node:child_process'
import { chmod, copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Agent, BackupError, type Scratch, type ScratchRequest } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ScratchDirectory } from '../src/scratch/scratch-directory.ts'
import { agentFor, until } from './capture-fixture.ts'
import { BackupShelf, filesBelow } from './physical-fixture.ts'
import { schemaRemains } from './scratch-fixture.ts'

const run = promisify(execFile)

async function rejectionOf(disposed: PromiseLike<void>): Promise<BackupError> {
  try {
    await disposed
  } catch (error) {
    if (BackupError.is(error)) return error
    throw error
  }
  throw new Error('it said that nothing stays')
}

describe.skipIf(process.platform !== 'linux')('a private place', () => {
  let parent: string
  beforeAll(async () => {
    parent = await mkdtemp(join(tmpdir(), 'bp-left-'))
    await chmod(parent, 0o711)
  })
  afterAll(() => rm(parent, { recursive: true, force: true }))

  it('of which files cannot be removed says which directory stays, and how to remove it', async () => {
    const directory = await ScratchDirectory.create(parent, false)
    const held = join(directory.path, 'held')
    await mkdir(held)
    // Root may remove everything but what is mounted; nobody else what lies in a directory that may not be changed.
    const asRoot = process.getuid?.() === 0
    if (asRoot) await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', held])
    else await chmod(parent, 0o511)
    try {
      const error = await rejectionOf(directory[Symbol.asyncDispose]())
      expect(error).toMatchObject({ code: asRoot ? 'CONFLICT' : 'ACCESS_DENIED', message: expect.stringContaining(directory.path) })
      expect(error.hint).toContain(`rm -rf '${directory.path}'`)
    } finally {
      await (asRoot ? run('umount', [held]) : chmod(parent, 0o711))
    }
    await directory[Symbol.asyncDispose]()
    expect(await readdir(parent)).toEqual([])
  })

  it('in which a server still runs says which process, and one without stays silent about who looks into it', async () => {
    const directory = await ScratchDirectory.create(parent, false)
    await mkdir(directory.data)
    const program = join(parent, 'mariadbd')
    await copyFile('/bin/sleep', program)
    const server = spawn(program, ['1000'], { cwd: directory.data })
    try {
      await until('the process is there', async () => ((await readdir('/proc')).includes(String(server.pid)) ? true : undefined))
      const error = await rejectionOf(directory[Symbol.asyncDispose]())
      expect(error).toMatchObject({
        message: expect.stringContaining(`process ${server.pid} still runs`),
        hint: expect.stringContaining(`kill -9 ${server.pid};`),
      })
    } finally {
      server.kill('SIGKILL')
      await rm(program)
    }
    const looked = await ScratchDirectory.create(parent, false)
    const person = spawn('sleep', ['1000'], { cwd: looked.path })
    await looked[Symbol.asyncDispose]()
    person.kill('SIGKILL')
    expect(await readdir(parent)).toEqual([])
  })
})

describe('schemas on a server', () => {
  let server: ThrowawayMariadb
  let shelf: BackupShelf
  beforeAll(async () => {
    server = await startThrowawayMariadb()
    shelf = await BackupShelf.create()
    await server.client(`CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY); INSERT INTO shop.orders VALUES (1);
      CREATE DATABASE stock; CREATE TABLE stock.parts (id INT PRIMARY KEY);`)
    await shelf.backUp(agentFor(server), 'full')
    await server.client(
      "CREATE USER driller@'127.0.0.1' IDENTIFIED BY 'driller'; GRANT ALL ON *.* TO driller@'127.0.0.1' WITH GRANT OPTION",
    )
  })
  afterAll(async () => {
    await server?.stop()
    await shelf?.[Symbol.asyncDispose]()
  })

  async function restored(): Promise<Scratch> {
    const agent: Agent = agentFor(server, { user: 'driller', password: 'driller' })
    const request: ScratchRequest = { backups: shelf.backups, place: 'server', items: ['shop', 'stock'] }
    const scratch = (await agent.openScratch?.(request)) as Scratch
    const plan = await scratch.agent.planRestore({ backups: shelf.backups, target: scratch.target, items: ['shop', 'stock'] })
    const report = await scratch.agent.restore(plan, filesBelow(shelf.directory, shelf.backups))
    expect(report.items.map(({ failure }) => failure)).toEqual([undefined, undefined])
    return scratch
  }

  it('that cannot be removed are named, each of them, with the statements that remove them', async () => {
    const scratch = await restored()
    const made = (await schemaRemains(server)).filter((name) => name.startsWith('bp_drill_'))
    expect(made).toHaveLength(2)
    await server.client("REVOKE DROP ON *.* FROM driller@'127.0.0.1'")
    const error = await rejectionOf(scratch[Symbol.asyncDispose]())
    expect(error.code).toBe('ACCESS_DENIED')
    for (const name of made) {
      expect(error.message).toContain(name)
      expect(error.hint).toContain(`DROP DATABASE IF EXISTS \`${name}\`;`)
    }
    await server.client("GRANT DROP ON *.* TO driller@'127.0.0.1'")
    await server.client(made.map((name) => `DROP DATABASE \`${name}\``).join(';'))
  })

  it('that nobody can come to any more may stay, and are named by how they begin', async () => {
    const scratch = await restored()
    const [made = ''] = (await schemaRemains(server)).filter((name) => name.startsWith('bp_drill_'))
    await server.client("ALTER USER driller@'127.0.0.1' IDENTIFIED BY 'another'")
    const error = await rejectionOf(scratch[Symbol.asyncDispose]())
    expect(error).toMatchObject({ code: 'WRONG_CREDENTIALS', message: expect.stringContaining(`schemas ${made.slice(0, 20)}`) })
  })
})
