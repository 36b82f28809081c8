import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  type Backup,
  backUp,
  chooseChain,
  createDirectoryStaging,
  extractFiles,
  followLogs,
  type Repository,
  type RestoreGoal,
} from '@backup-planet/core'
import { createMemoryRepository } from '@backup-planet/core/testing'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { agentFor, until } from './capture-fixture.ts'
import { emptyServer } from './replay-fixture.ts'

let source: ThrowawayMariadb
let target: ThrowawayMariadb
let directory: string
let repository: Repository
beforeAll(async () => {
  ;[source, target] = await Promise.all([startThrowawayMariadb(), startThrowawayMariadb()])
  directory = await mkdtemp(join(tmpdir(), 'bp-by-hand-'))
  // The option file of whoever types the commands.
  const login = `[client]\nuser=${target.user}\npassword="${target.rootPassword}"\nsocket="${target.socketPath}"\n`
  await writeFile(join(directory, '.my.cnf'), login, { mode: 0o600 })
})
afterAll(async () => {
  await Promise.all([source?.stop(), target?.stop()])
  await rm(directory, { recursive: true, force: true })
})
beforeEach(async () => {
  repository = createMemoryRepository()
  await source.client(
    'DROP DATABASE IF EXISTS shop; CREATE DATABASE shop; CREATE TABLE shop.line (note VARCHAR(20)); CREATE TABLE shop.filler (note LONGTEXT)',
  )
})

const write = (...notes: readonly string[]) =>
  source.client(notes.map((note) => `INSERT INTO shop.line (note) VALUES ('${note}')`).join('; '))

/** Without a key in the table, a change that is applied twice shows in nothing but its rows. */
async function notesOn(server: ThrowawayMariadb): Promise<readonly string[]> {
  return (await server.client('SELECT note FROM shop.line ORDER BY note')).trim().split('\n')
}

async function listed(): Promise<readonly Backup[]> {
  const backups: Backup[] = []
  for await (const backup of repository.list({ job: 'shop' })) backups.push(backup)
  return backups.sort((a, b) => (a.id < b.id ? -1 : 1))
}

const staging = () => createDirectoryStaging({ directory: join(directory, 'staging') })

function agent() {
  return agentFor(source, { threads: 1, users: false, binlogRotate: false })
}

async function run(kind: 'full' | 'log'): Promise<Backup> {
  const { backup } = await backUp({ agent: agent(), repository, staging: staging(), request: { job: 'shop', kind } })
  expect(backup.kind).toBe(kind)
  return backup
}

/** Writes while the server is followed. It is stored when there are so many bytes, and no sooner: the last writing here makes it so many. */
async function followed(during: () => Promise<unknown>): Promise<void> {
  const stop = new AbortController()
  const parts = { agent: agent(), repository, staging: staging(), job: 'shop', everySeconds: 3600, everyBytes: 100_000 }
  const following = followLogs(parts, { signal: stop.signal })
  const dumps = () => source.client("SELECT COUNT(*) FROM information_schema.processlist WHERE command = 'Binlog Dump'")
  await until('it follows', async () => ((await dumps()).trim() === '1' ? true : undefined), 60_000)
  await during()
  const filler = "INSERT INTO shop.filler (note) VALUES (REPEAT('x', 60000))"
  await source.client(`${filler}; ${filler}`)
  const gtid = (await source.client('SELECT @@gtid_binlog_pos')).trim()
  await until('all is stored', async () => ((await listed()).at(-1)?.position?.value.gtid === gtid ? true : undefined), 60_000)
  stop.abort()
  await following
}

async function unpack(name: string, to: RestoreGoal) {
  const backups = await listed()
  const one = agent()
  const chain = chooseChain({ agent: one, job: 'shop', listed: [{ name: 'memory', repository, backups }], to })
  const unpacked = join(directory, name)
  await extractFiles({ chain, agent: one, directory: unpacked })
  const folders = chain.chosen.map(({ backup }, index) => `${String(index + 1).padStart(2, '0')}-${backup.kind}-${backup.id}`)
  return { unpacked, folders, backups: chain.chosen.map(({ backup }) => backup) }
}

/** The commands of a guide, as somebody types them in a folder. */
async function typed(shell: 'sh' | 'bash', commands: string, cwd: string): Promise<void> {
  const { stderr } = await promisify(execFile)(shell, ['-c', commands], { cwd, env: { PATH: process.env.PATH, HOME: directory } })
  expect(stderr).toBe('')
}

async function commandsOf(folder: string, shell: 'sh' | 'bash'): Promise<string> {
  const [, commands = ''] = new RegExp(`\`\`\`${shell}\\n([\\s\\S]*?)\`\`\``).exec(await readFile(join(folder, 'RESTORE.md'), 'utf8')) ?? []
  expect(commands).not.toBe('')
  return commands
}

/** The files of a full stay decompressed: its commands can be typed again. */
async function typeFull(folder: string): Promise<void> {
  await emptyServer(target)
  await typed('sh', await commandsOf(folder, 'sh'), join(folder, 'shop'))
}

/** A log alone, for a state that ends elsewhere than the log begins, by the rule of its guide. */
async function typeByRule(folder: string, state: Backup): Promise<void> {
  const { file = '', offset = '' } = state.position?.value ?? {}
  const guide = await readFile(join(folder, 'RESTORE.md'), 'utf8')
  const rows = [...guide.matchAll(/^\| `([^`]+)` \| `([^`]+)` \| (\d+) \| (\d+) \| (\d+) \|$/gm)].map(
    ([, name = '', binlog = '', ...numbers]) => {
      const [begins, ends, less] = numbers.map(Number)
      return { name, binlog, begins: begins ?? 0, ends: ends ?? 0, less: less ?? 0 }
    },
  )
  const left = rows.filter(({ binlog, ends }) => binlog > file || (binlog === file && ends > Number(offset)))
  expect(rows.some(({ binlog }) => binlog === file)).toBe(true)
  const [first] = left
  const start = first?.binlog === file && first.begins < Number(offset) ? Number(offset) - first.less : 4
  const list = `files=(${left.map(({ name }) => `'./${name}'`).join(' ')})`
  const commands = (await commandsOf(folder, 'bash'))
    .replace(/files=\([^)]*\)/, list)
    .replace(/--start-position=\d+/, `--start-position=${start}`)
  await typed('bash', commands, join(folder, 'binlog'))
}

it('takes no change twice where a full was made between two logs', { timeout: 300_000 }, async () => {
  await write('1')
  await run('full')
  await write('2')
  await run('log')
  await write('3')
  await run('full')
  await write('4')
  await run('log')
  const { unpacked, folders, backups } = await unpack('between', { latest: true })
  expect(backups.map(({ kind }) => kind)).toEqual(['full', 'log'])
  expect(backups[1]?.from).not.toEqual(backups[0]?.position)
  const [full = '', log = ''] = folders.map((folder) => join(unpacked, folder))
  await typeFull(full)
  expect(await notesOn(target)).toEqual(['1', '2', '3'])
  await typed('bash', await commandsOf(unpacked, 'bash'), unpacked)
  expect(await notesOn(target)).toEqual(['1', '2', '3', '4'])
  await typeFull(full)
  await typeByRule(log, backups[0] as Backup)
  expect(await notesOn(target)).toEqual(['1', '2', '3', '4'])
})

it('begins and ends inside parts of what was followed, and takes a binlog once that is stored in parts and whole', {
  timeout: 300_000,
}, async () => {
  await run('full')
  let full: Backup | undefined
  let place = { file: '', offset: '' }
  await followed(async () => {
    await write('1', '2')
    full = await run('full')
    await write('3', '4')
    place = await positionOf(source)
    await write('5')
  })
  const parts = await unpack('parts', { latest: true })
  expect(parts.backups.map(({ id }) => id)).toEqual([full?.id, expect.anything()])
  const [part] = (parts.backups[1]?.items[0]?.facts.binlogs ?? []) as unknown as { from: number; file: string }[]
  expect(part?.file).toMatch(/\.\d{12}$/)
  expect(part?.from).toBeGreaterThan(4)
  expect(part?.from).toBeLessThan(Number(full?.position?.value.offset))
  const state = join(parts.unpacked, parts.folders[0] ?? '')
  await typeFull(state)
  expect(await notesOn(target)).toEqual(['1', '2'])
  await typed('bash', await commandsOf(parts.unpacked, 'bash'), parts.unpacked)
  expect(await notesOn(target)).toEqual(['1', '2', '3', '4', '5'])
  await typeFull(state)
  await typeByRule(join(parts.unpacked, parts.folders[1] ?? ''), parts.backups[0] as Backup)
  expect(await notesOn(target)).toEqual(['1', '2', '3', '4', '5'])

  const stopped = await unpack('stopped', { position: { value: place } })
  await typeFull(state)
  await typed('bash', await commandsOf(stopped.unpacked, 'bash'), stopped.unpacked)
  expect(await notesOn(target)).toEqual(['1', '2', '3', '4'])

  await write('6')
  await followed(async () => {
    await write('7')
    await source.client('FLUSH BINARY LOGS')
    await write('8')
  })
  const whole = await unpack('whole', { latest: true })
  expect(whole.backups[0]?.id).toBe(full?.id)
  await typeFull(state)
  await typed('bash', await commandsOf(whole.unpacked, 'bash'), whole.unpacked)
  expect(await notesOn(target)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8'])
})

async function positionOf(server: ThrowawayMariadb): Promise<{ readonly file: string; readonly offset: string }> {
  const [file = '', offset = ''] = (await server.client('SHOW MASTER STATUS')).trim().split('\t')
  return { file, offset }
}
