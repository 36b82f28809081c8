import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Backup, BackupError, type RestorePlan, type RestoreStop } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from './capture-fixture.ts'
import { MoneyMovers } from './money-movers.ts'
import type { PhysicalChildWork } from './physical-child.ts'
import { BackupShelf, contentOf, emptyHome, physicalAgent, physicalSettings, startOn } from './physical-fixture.ts'

let source: ThrowawayMariadb
let shelf: BackupShelf
let full: Backup
let between: Backup
let differential: Backup
let last: Backup
/** Right after the last backup. */
let content: string
/** Of the number that the journal ends with at a moment in the second log, and the moment: by the clock of the server. */
let moment: { readonly at: string; readonly journal: string }

beforeAll(async () => {
  source = await startThrowawayMariadb({ serverOptions: ['--default-time-zone=+00:00'] })
  shelf = await BackupShelf.create()
  const agent = physicalAgent(source)
  await source.client(
    `CREATE DATABASE shop; USE shop; CREATE TABLE old (word VARCHAR(50)) ENGINE=MyISAM; INSERT INTO old VALUES ('in the full')`,
  )
  {
    await using movers = await MoneyMovers.start(source, { accounts: 50, movers: 3 })
    await movers.moved(50)
    full = await shelf.backUp(agent, 'full')
    await movers.moved(100)
    between = await shelf.backUp(agent, 'log')
    await movers.moved(50)
    differential = await shelf.backUp(agent, 'differential')
    await movers.moved(100)
    await source.client(`USE shop; INSERT INTO old VALUES ('in the log'); CREATE TABLE made (id INT AUTO_INCREMENT PRIMARY KEY, word VARCHAR(20)); INSERT INTO made (word) VALUES ('one');
      CREATE USER later@localhost IDENTIFIED BY 'secret'; GRANT SELECT ON shop.* TO later@localhost;
      CREATE EVENT shop.tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO shop.made (word) VALUES ('tick')`)
  }
  // Seconds of which the log tells whole ones only: nothing is written in the one in which the moment lies.
  await source.client('DO SLEEP(1.1)')
  const [at = '', journal = ''] = (await source.client('SELECT UTC_TIMESTAMP(), MAX(id) FROM bank.journal')).trim().split('\t')
  moment = { at: `${at.replace(' ', 'T')}Z`, journal }
  await source.client('DO SLEEP(1.1)')
  await source.client(
    "INSERT INTO shop.old VALUES ('too late'); INSERT INTO bank.journal (source, target, amount, made) VALUES (1, 1, 0, NOW(6)); DROP EVENT shop.tick",
  )
  last = await shelf.backUp(agent, 'log')
  content = await contentOf(source)
})
afterAll(async () => {
  await shelf?.[Symbol.asyncDispose]()
  await source?.stop()
})

/** Needs no server: only what lies on the shelf. */
const agent = () => physicalAgent(source, { socketPath: '/nowhere/s.sock' })

function plan(
  backups: readonly Backup[],
  datadir: string,
  more: { readonly stop?: RestoreStop; readonly overwrite?: boolean; readonly options?: Record<string, string> } = {},
): Promise<RestorePlan> {
  const { stop, overwrite = false, options } = more
  return agent().planRestore({ backups, target: { overwrite, options: { datadir, ...options } }, ...(stop === undefined ? {} : { stop }) })
}

/** Where the server of the copy, which runs as the user of servers when this is root, can come to. */
async function openHome(): ReturnType<typeof emptyHome> {
  const home = await emptyHome()
  await chmod(home.directory, 0o711)
  return home
}

const errors = (found: RestorePlan) => found.problems.filter(({ severity }) => severity === 'error')

/** Servers that stand below a directory. */
async function mariadbsIn(directory: string): Promise<number[]> {
  const found: number[] = []
  for (const name of await readdir('/proc')) {
    const place = /^\d+$/.test(name) ? await readlink(`/proc/${name}/cwd`).catch(() => '') : ''
    const program = place.startsWith(directory) ? await readFile(`/proc/${name}/comm`, 'utf8').catch(() => '') : ''
    if (/mariadbd|mysqld/.test(program)) found.push(Number(name))
  }
  return found
}

describe('logs on a physical backup', () => {
  it.each([
    ['a full', 'tools', () => [full, between, last]],
    ['a full', 'statements', () => [full, between, last]],
    ['a full and a differential', 'tools', () => [full, between, differential, last]],
  ] as const)('bring back everything after %s, by %s', async (_, replay, chosen) => {
    await using home = await openHome()
    const backups = chosen()
    const made = await plan(backups, home.datadir, { options: { replay } })
    expect(errors(made)).toEqual([])
    expect(made.steps.map(({ text }) => text).join('\n')).toMatch(/start \S*mariadbd 10\.\S+ on the copy[\s\S]*replay \d log/)
    const told: string[] = []
    const report = await agent().restore(made, shelf.files(backups), {
      onProgress: (event) => void (event.type === 'step' && told.push(event.text)),
    })
    expect(told.filter((text) => made.steps.some((step) => step.text === text))).toEqual(made.steps.slice(0, -1).map(({ text }) => text))
    expect(report).toMatchObject({ problems: [] })
    expect(report.items.map(({ item }) => item)).toEqual(made.items.map(({ item }) => item))
    expect((await readdir(home.directory)).filter((name) => name.startsWith('.'))).toEqual([])
    await using restored = await startOn(home)
    expect(await contentOf(restored)).toBe(content)
    expect(await restored.client("SELECT COUNT(*) FROM mysql.user WHERE user IN ('backup_planet_restore', 'later')")).toBe('1\n')
    expect(await restored.client('SHOW GRANTS FOR later@localhost')).toContain('GRANT SELECT ON `shop`.*')
    expect(await restored.client('CHECKSUM TABLE bank.account, bank.journal')).toBe(
      await source.client('CHECKSUM TABLE bank.account, bank.journal'),
    )
  })

  it('lead to a moment, and not beyond', async () => {
    await using home = await openHome()
    const backups = [full, between, differential, last]
    const made = await plan(backups, home.datadir, { stop: { before: moment.at } })
    expect(errors(made)).toEqual([])
    await agent().restore(made, shelf.files(backups))
    await using restored = await startOn(home)
    expect(await restored.client('SELECT MAX(id) FROM bank.journal')).toBe(`${moment.journal}\n`)
    expect(await restored.client('SELECT SUM(balance) FROM bank.account')).toBe('50000\n')
    expect(await restored.client('SELECT word FROM shop.old ORDER BY 1')).toBe('in the full\nin the log\n')
    // What the event did on the source would be in the logs; here it has not run.
    expect(await restored.client('SELECT word FROM shop.made')).toBe('one\n')
    expect(await restored.client("SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_NAME = 'tick'")).toBe('1\n')
  })

  it('leave the target as it was when they are cut while they are replayed, and no server behind', async () => {
    await using home = await openHome()
    await mkdir(home.datadir)
    await writeFile(join(home.datadir, 'ibdata1'), 'what was there')
    const made = await plan([full, between, last], home.datadir, { overwrite: true })
    const controller = new AbortController()
    const running = agent().restore(made, shelf.files([full, between, last]), {
      signal: controller.signal,
      onProgress: (event) => {
        if (event.type === 'step' && event.text.startsWith('replay')) controller.abort(new Error('enough'))
      },
    })
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await readFile(join(home.datadir, 'ibdata1'), 'utf8')).toBe('what was there')
    expect(await readdir(home.directory)).toEqual(['data', 'tmp'])
    expect(await mariadbsIn(home.directory)).toEqual([])
  })

  it('leave the target as it was after kill -9 while they are replayed, and the next restore ends the server that was left', async () => {
    await using home = await openHome()
    const backups = [full, between, last]
    const made = await plan(backups, home.datadir)
    const work: PhysicalChildWork = {
      action: 'restore',
      settings: physicalSettings(source, { socketPath: '/nowhere/s.sock' }),
      directory: shelf.directory,
      plan: made,
      backups,
    }
    const file = join(home.directory, 'work.json')
    await writeFile(file, JSON.stringify(work), { mode: 0o600 })
    const child = spawn(process.execPath, ['--conditions=@backup-planet/source', join(import.meta.dirname, 'physical-child.ts'), file], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const exit = once(child, 'exit')
    const [server = 0] = await until('the server on the copy', async () => {
      const found = await mariadbsIn(home.directory)
      return found.length > 0 ? found : undefined
    })
    child.kill('SIGKILL')
    await exit
    expect(await readdir(home.directory)).not.toContain('data')
    const again = await plan(backups, home.datadir)
    expect(again.id).toBe(made.id)
    await agent().restore(again, shelf.files(backups))
    expect(await mariadbsIn(home.directory)).not.toContain(server)
    await rm(file)
    expect((await readdir(home.directory)).sort()).toEqual(['data', 'tmp'])
    await using restored = await startOn(home)
    expect(await contentOf(restored)).toBe(content)
  })

  it('are refused by the plan without a server of the version, and with a gap', async () => {
    await using home = await openHome()
    expect(errors(await plan([full, between, last], home.datadir, { options: { serverProgram: '/nowhere/mariadbd' } }))).toMatchObject([
      { code: 'NOT_FOUND', hint: expect.stringContaining('--backup') },
    ])
    expect(errors(await plan([full, last], home.datadir))).toMatchObject([{ code: 'INCONSISTENT' }])
    expect(errors(await plan([full], home.datadir, { stop: { before: moment.at } }))).toMatchObject([{ code: 'INVALID_INPUT' }])
  })

  it('are looked at before anything is unpacked: a stop that is not in them', async () => {
    await using home = await openHome()
    const made = await plan([full, between, last], home.datadir, {
      stop: { position: { chain: full.position?.chain ?? '', value: { file: 'binlog.000001', offset: '999999999' } } },
    })
    const failure: unknown = await agent()
      .restore(made, shelf.files([full, between, last]))
      .catch((error: unknown) => error)
    expect(BackupError.is(failure) && failure.code).toBe('INVALID_INPUT')
    expect(await readdir(home.directory)).toEqual(['tmp'])
  })
})
