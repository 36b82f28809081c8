import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Backup, ownerInName } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from './capture-fixture.ts'
import type { PhysicalChildWork } from './physical-child.ts'
import { BackupShelf, contentOf, emptyHome, physicalAgent, physicalSettings, planFor, startOn } from './physical-fixture.ts'

let source: ThrowawayMariadb
let shelf: BackupShelf
let full: Backup
let differential: Backup
let content: string
let scratch: string

beforeAll(async () => {
  source = await startThrowawayMariadb()
  await source.client(`CREATE DATABASE shop; USE shop; CREATE TABLE line (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(250), KEY (note));
    INSERT INTO line (note) SELECT SHA2(seq, 512) FROM seq_1_to_60000; CREATE TABLE old (word VARCHAR(50)) ENGINE=MyISAM; INSERT INTO old VALUES ('MyISAM')`)
  shelf = await BackupShelf.create()
  full = await shelf.backUp(physicalAgent(source), 'full')
  await source.client(
    "USE shop; INSERT INTO shop.line (note) SELECT SHA2(seq, 256) FROM seq_1_to_5000; INSERT INTO shop.old VALUES ('later')",
  )
  differential = await shelf.backUp(physicalAgent(source), 'differential')
  content = await contentOf(source)
  scratch = await mkdtemp(join(tmpdir(), 'bp-physical-test-'))
})

afterAll(async () => {
  await shelf?.[Symbol.asyncDispose]()
  if (scratch !== undefined) await rm(scratch, { recursive: true, force: true })
  await source?.stop()
})

const seed = Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 1_000_000)
const kills = Number(process.env.BACKUP_PLANET_PHYSICAL_KILLS ?? 1)

/** Numbers in [0, 1) that a seed repeats (Park and Miller, 1988). */
function chances(from: number): () => number {
  let state = (from % 2_147_483_646) + 1
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

const ours = new Set([process.pid])

/** Resolves with whether the child was still at work when it was killed. */
async function killed(work: PhysicalChildWork, milliseconds: number): Promise<boolean> {
  const file = join(scratch, 'work.json')
  await writeFile(file, JSON.stringify(work), { mode: 0o600 })
  const child = spawn(process.execPath, ['--conditions=@backup-planet/source', join(import.meta.dirname, 'physical-child.ts'), file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  ours.add(child.pid ?? 0)
  await once(child.stdout, 'data')
  await Promise.race([delay(milliseconds), exit])
  const alive = child.exitCode === null
  child.kill('SIGKILL')
  await exit
  return alive
}

/** Processes of the backup tools that this server's backups or restores below `place` run. */
async function toolsFor(place: string): Promise<number[]> {
  const found: number[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const program = await readlink(`/proc/${name}/exe`).catch(() => '')
    if (!/mariadb-backup|mbstream/.test(program)) continue
    const text = await readFile(`/proc/${name}/cmdline`, 'latin1').catch(() => '')
    const standsIn = await readlink(`/proc/${name}/cwd`).catch(() => '')
    if (text.includes(place) || standsIn.startsWith(place)) found.push(Number(name))
  }
  return found
}

async function toolsGone(place: string): Promise<void> {
  await until('the end of the tools', async () => ((await toolsFor(place)).length === 0 ? true : undefined), 30_000)
}

/** Structure, MyISAM and commits: what a lock of the tool would keep from going on. */
async function writesGoOn(server: ThrowawayMariadb): Promise<void> {
  await server.client(
    "SET lock_wait_timeout = 20; CREATE OR REPLACE TABLE shop.probe (id INT PRIMARY KEY); INSERT INTO shop.probe VALUES (1); INSERT INTO shop.old VALUES ('probe'); DELETE FROM shop.old WHERE word = 'probe'; DROP TABLE shop.probe",
  )
}

/** Of these tests: other processes replay logs and copy servers at the same time. */
async function leftInTemporary(): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => ours.has(ownerInName('backup-planet-mysql', name)?.pid ?? 0))
}

describe('a capture that is cut', () => {
  it(`leaves no lock on the server after kill -9 at any moment, and the next one is whole (seed ${seed})`, {
    timeout: 60_000 + kills * 30_000,
  }, async () => {
    const chance = chances(seed)
    let hit = 0
    for (let run = 0; run < kills; run++) {
      const directory = join(scratch, `killed-${run}`)
      await mkdir(directory)
      // The first one surely hits.
      const milliseconds = chance() * (run === 0 ? 300 : 2500)
      if (await killed({ action: 'capture', settings: physicalSettings(source), directory }, milliseconds)) hit++
      await writesGoOn(source)
      await toolsGone(join(source.directory, 'data'))
    }
    expect(hit).toBeGreaterThan(0)
    await using after = await BackupShelf.create()
    const backup = await after.backUp(physicalAgent(source), 'full')
    // What killed runs had left goes with the next run.
    expect(await leftInTemporary()).toEqual([])
    await using home = await emptyHome()
    await physicalAgent(source).restore(await planFor(physicalAgent(source), [backup], home.datadir), after.files([backup]))
    await using restored = await startOn(home)
    expect(await contentOf(restored)).toBe(content)
  })

  it.each([0, 3, 12])('ends the tool and gives back every lock when it is aborted after %d blocks', async (blocks) => {
    await using after = await BackupShelf.create()
    const controller = new AbortController()
    let seen = 0
    const running = after.backUp(physicalAgent(source), 'full', { signal: controller.signal }, (stage) => {
      stage.onBlock = () => {
        if (seen++ === blocks) controller.abort(new Error('enough'))
      }
    })
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await toolsFor(join(source.directory, 'data'))).toEqual([])
    expect(await leftInTemporary()).toEqual([])
    await writesGoOn(source)
  })

  it('ends with the error of the stage when that has no room', async () => {
    await using after = await BackupShelf.create()
    const full = Object.assign(new Error('no space'), { code: 'ENOSPC' })
    const running = after.backUp(physicalAgent(source), 'full', {}, (stage) => {
      stage.onFile = ({ name }) => {
        if (name.endsWith('00001')) throw full
      }
    })
    await expect(running).rejects.toBe(full)
    expect(await toolsFor(join(source.directory, 'data'))).toEqual([])
    await writesGoOn(source)
  })

  it('says that the tool was killed, and keeps nothing of it', async () => {
    await using after = await BackupShelf.create()
    let item = 'none'
    const running = after.backUp(physicalAgent(source), 'full', {}, (stage) => {
      stage.onFile = async ({ name }) => {
        if (!name.endsWith('00001')) return
        for (const pid of await toolsFor(join(source.directory, 'data'))) process.kill(pid, 'SIGKILL')
      }
      stage.sealItem = async (facts) => {
        item = facts.item
      }
    })
    await expect(running).rejects.toMatchObject({ code: 'APPLICATION', message: expect.stringContaining('was ended by SIGKILL') })
    expect(item).toBe('none')
    await writesGoOn(source)
  })

  it('says that the server was killed', async () => {
    await using other = await startThrowawayMariadb()
    await other.client(
      'CREATE DATABASE shop; CREATE TABLE shop.line (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(250)); USE shop; INSERT INTO shop.line (note) SELECT SHA2(seq, 512) FROM seq_1_to_60000',
    )
    await using after = await BackupShelf.create()
    const running = after.backUp(physicalAgent(other), 'full', {}, (stage) => {
      stage.onFile = async ({ name }) => {
        if (name.endsWith('00001')) await other.kill()
      }
    })
    await expect(running).rejects.toMatchObject({ code: expect.stringMatching(/UNREACHABLE|APPLICATION/), name: 'BackupError' })
    expect(await toolsFor(join(other.directory, 'data'))).toEqual([])
  })
})

describe('a restore that is cut', () => {
  it(`leaves the target untouched after kill -9 at any moment, and a plan made anew then comes to its end (seed ${seed})`, {
    timeout: 60_000 + kills * 60_000,
  }, async () => {
    const chance = chances(seed + 1)
    const agent = physicalAgent(source)
    let hit = 0
    for (let run = 0; run < kills; run++) {
      await using home = await emptyHome()
      const filled = run % 2 === 0
      if (filled) {
        await mkdir(home.datadir, { mode: 0o700 })
        await writeFile(join(home.datadir, 'ibdata1'), 'what was there')
      }
      const backups = [full, differential]
      const planned = await planFor(agent, backups, home.datadir, { overwrite: filled })
      expect(planned.problems).toEqual([])
      for (let time = 0; time < 2; time++) {
        const plan = await planFor(agent, backups, home.datadir, { overwrite: filled })
        // Cut after its end: there is nothing to do any more.
        if (plan.problems.some(({ severity }) => severity === 'error')) break
        expect(plan.id).toBe(planned.id)
        const work = { action: 'restore', settings: physicalSettings(source), directory: shelf.directory, plan, backups } as const
        // The first one surely hits.
        if (!(await killed(work, chance() * (hit === 0 ? 300 : 3000)))) continue
        hit++
        await toolsGone(home.directory)
        const entries = await readdir(home.directory)
        // Either nothing of it is seen, or all of it is there: set aside counts only until a restore is planned, which puts it back.
        if (entries.includes('data')) {
          const names = await readdir(home.datadir)
          const old = filled && names.length === 1
          const whole = names.includes('xtrabackup_info') && names.includes('shop')
          expect(old || whole, `killed run ${run}: ${names.join(', ')}`).toBe(true)
          if (old) expect(await readFile(join(home.datadir, 'ibdata1'), 'utf8')).toBe('what was there')
        } else if (filled) expect(entries.some((name) => name.includes('replaced'))).toBe(true)
      }
      const last = await planFor(agent, backups, home.datadir, { overwrite: true })
      expect(last.problems.filter(({ severity }) => severity === 'error')).toEqual([])
      await agent.restore(last, shelf.files(backups))
      expect((await readdir(home.directory)).filter((name) => name.startsWith('.'))).toEqual([])
      await using restored = await startOn(home)
      expect(await contentOf(restored)).toBe(content)
    }
    expect(hit).toBeGreaterThan(0)
  })

  it('puts back what was set aside when a plan is made anew after kill -9 between the two renames', async () => {
    const agent = physicalAgent(source)
    await using home = await emptyHome()
    await mkdir(home.datadir, { mode: 0o700 })
    await writeFile(join(home.datadir, 'ibdata1'), 'what was there')
    const first = await planFor(agent, [full], home.datadir, { overwrite: true })
    await rename(home.datadir, join(home.directory, `.data.backup-planet-replaced-${first.id}`))
    const again = await planFor(agent, [full], home.datadir, { overwrite: true })
    expect(again).toMatchObject({ id: first.id, problems: [], items: [{ overwrites: [`data directory ${home.datadir}`] }] })
    const controller = new AbortController()
    const running = agent.restore(again, shelf.files([full]), {
      signal: controller.signal,
      onProgress: (event) => {
        if (event.type === 'step' && event.text.startsWith('unpack')) controller.abort(new Error('enough'))
      },
    })
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await readFile(join(home.datadir, 'ibdata1'), 'utf8')).toBe('what was there')
    expect((await readdir(home.directory)).filter((name) => name.startsWith('.'))).toEqual([])
  })

  it('leaves the target and nothing else behind when it is aborted', async () => {
    const agent = physicalAgent(source)
    await using home = await emptyHome()
    const plan = await planFor(agent, [full, differential], home.datadir)
    for (const number of [1, 2, 4]) {
      const controller = new AbortController()
      const running = agent.restore(plan, shelf.files([full, differential]), {
        signal: controller.signal,
        onProgress: (event) => {
          if (event.type === 'step' && event.text === plan.steps[number - 1]?.text)
            setTimeout(() => controller.abort(new Error('enough')), 30)
        },
      })
      await expect(running).rejects.toMatchObject({ code: 'ABORTED' })
      expect(await readdir(home.directory)).toEqual(['tmp'])
      expect(await toolsFor(home.directory)).toEqual([])
    }
  })
})
