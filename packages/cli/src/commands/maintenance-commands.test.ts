import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Backup, Repository, RepositoryLock, RepositoryPlugin } from '@backup-planet/core'
import { createMemoryRepository } from '@backup-planet/core/testing'
import { cheapResticPassword } from '@backup-planet/tooling/cheap-restic-repository'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { commandLineOf, sampleConfiguration } from '../__fixtures__/command-line-run.ts'
import { commandLineWithRestic, removeResticTemplate } from '../__fixtures__/restic-configuration.ts'
import { samplePlugin } from '../__fixtures__/sample-agent.ts'

const offsite = ['--repository', 'offsite']

describe('on a restic repository', () => {
  let here: Awaited<ReturnType<typeof commandLineWithRestic>>
  beforeEach(async () => {
    here = await commandLineWithRestic()
  })
  afterEach(() => here[Symbol.asyncDispose]())
  afterAll(removeResticTemplate)

  test('prune says what it would give back and does, and removes no backup', async () => {
    const planned = await here.run(['prune', 'safe', '--dry-run'])
    expect(planned).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^would give back 0 B .* none of them would be removed\n$/),
      stderr: expect.stringContaining('no retention is configured for job safe: no backup is removed'),
    })
    const { code, lines } = await here.run(['prune', ...offsite, '--json'])
    expect(code).toBe(0)
    expect(lines).toContainEqual({ type: 'step', text: 'reading the snapshots and the index' })
    expect(lines.at(-1)).toMatchObject({ type: 'result', command: 'prune', repository: 'offsite', report: { dryRun: false, retained: [] } })
    expect(await here.run(['verify', 'safe', '--read-data'])).toMatchObject({ code: 0 })
  })

  test('prune gives space back after the retention of a job', { timeout: 60_000 }, async () => {
    await here.run(['run', 'safe'])
    const text = await readFile(here.file, 'utf8')
    await writeFile(here.file, text.replace('repository: offsite,', 'repository: offsite, retention: { keepLast: 1 },'))
    const { code, stdout } = await here.run(['prune', 'safe'])
    expect(stdout).toMatch(/^removed 1 of 2 backups in file:.*\ngave back .*; backups use [^,\n]*\n/m)
    expect(code).toBe(0)
    expect((await here.run(['list', 'safe'])).stdout.match(/^safe /gm)).toHaveLength(1)
  })

  test('stats shows each job', async () => {
    const { code, stdout } = await here.run(['stats', 'safe'])
    expect(stdout).toMatch(/^file:.*: 1 backup of .* take .*\nJOB +BACKUPS +SIZE +NEEDS +ALONE\nsafe +1 /)
    expect(code).toBe(0)
    const { lines } = await here.run(['stats', ...offsite, '--json'])
    expect(lines.at(-1)).toMatchObject({ command: 'stats', statistics: { backups: 1, jobs: [{ job: 'safe', backups: 1 }] } })
  })

  test('a lost index is noticed, and rebuilt', async () => {
    const index = join(here.directory, 'offsite', 'index')
    for (const name of await readdir(index)) await rm(join(index, name))
    expect(await here.run(['verify', 'safe'])).toMatchObject({ code: 1 })
    const rebuilt = await here.run(['rebuild-index', 'safe'])
    expect(rebuilt).toMatchObject({ code: 0, stdout: expect.stringMatching(/^wrote 1 index file in place of 0 /) })
    expect(await here.run(['verify', 'safe', '--read-data'])).toMatchObject({ code: 0 })
    const again = await here.run(['rebuild-index', 'safe'])
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing was changed') })
    expect(await here.run(['rebuild-index', 'safe', '--read-all'])).toMatchObject({ code: 0 })
  })

  test('what the index names and is not there is told, with 3', async () => {
    const data = join(here.directory, 'offsite', 'data')
    for (const name of await readdir(data)) await rm(join(data, name), { recursive: true })
    const { code, stdout } = await here.run(['rebuild-index', 'safe'])
    expect(stdout).toMatch(/^missing: data\//m)
    expect(stdout).toContain('verify --read-data')
    expect(code).toBe(3)
  })

  test('verify reads one part at a time', async () => {
    const { code, stdout } = await here.run(['verify', 'safe', '--read-data', '--subset', '1/1'])
    expect(stdout).toBe('1 backup whole, as far as part 1/1 of the data tells, 0 errors\n')
    expect(code).toBe(0)
    const archive = await here.run(['verify', 'shop', '--read-data', '--subset', '1/7'])
    expect(archive).toMatchObject({ code: 1, stderr: expect.stringContaining('UNSUPPORTED') })
  })

  test.each([
    ['prune', 'be pruned'],
    ['stats', 'say what it holds'],
    ['unlock', 'be locked'],
    ['rebuild-index', 'have its index rebuilt'],
  ])('%s of a kind that cannot says so, with a way out', async (command, what) => {
    const { code, lines } = await here.run([command, 'shop', '--json'])
    expect(code).toBe(1)
    expect(lines.at(-1)).toMatchObject({ type: 'failure', code: 'UNSUPPORTED', message: expect.stringContaining(what) })
  })

  test('copy brings backups over under their ids, once, and they restore from there', async () => {
    await here.run(['run', 'shop'])
    await here.run(['run', 'shop'])
    const first = await here.run(['copy', '--to', 'offsite'])
    expect(first.stderr.match(/^copied: backup \S+ of job shop$/gm)).toHaveLength(2)
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/^2 backups copied to file:.*offsite\n$/) })
    const { code, lines } = await here.run(['copy', 'shop', '--to', 'offsite', '--json'])
    expect(code).toBe(0)
    expect(lines.at(-1)).toEqual({ type: 'result', command: 'copy', to: 'offsite', copied: 0, there: 2, failed: 0 })
    await writeFile(here.file, (await readFile(here.file, 'utf8')).replace('repository: local', 'repository: offsite'))
    expect((await here.run(['list', 'shop'])).stdout.match(/^shop /gm)).toHaveLength(2)
    expect(await here.run(['restore', 'shop', '--to', 'scratch', '--overwrite', '--yes'])).toMatchObject({ code: 0 })
  })

  test('copy takes one backup by a part of its id, and leaves out a damaged one, with 3', async () => {
    for (let run = 0; run < 2; run++) await here.run(['run', 'shop'])
    const folders = (await readdir(join(here.directory, 'backups', 'shop'))).sort()
    const listed = await here.run(['list', 'shop', '--json'])
    const [, newest] = listed.lines.map(({ backup }) => (backup as Backup | undefined)?.id)
    const one = await here.run(['copy', 'shop', '--backup', String(newest?.slice(-8)), '--to', 'offsite'])
    expect(one).toMatchObject({ code: 0, stdout: expect.stringContaining('1 backup copied') })
    const damaged = join(here.directory, 'backups', 'shop', String(folders[0]))
    const archive = (await readdir(damaged)).find((name) => name.includes('.tar')) ?? ''
    const bytes = await readFile(join(damaged, archive))
    bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1)
    await writeFile(join(damaged, archive), bytes)
    const { code, stdout, stderr } = await here.run(['copy', 'shop', '--to', 'offsite'])
    expect(stderr).toContain('error: CORRUPTED')
    expect(stdout).toMatch(/^0 backups copied to .*, 1 there already, 1 left out because damaged\n$/)
    expect(code).toBe(3)
  })

  test('copy into a repository that is not there ends at once, with the command that makes one', async () => {
    await here.run(['run', 'shop'])
    await rm(join(here.directory, 'offsite'), { recursive: true })
    const { code, stderr } = await here.run(['copy', 'shop', '--to', 'offsite'])
    expect(stderr).toMatch(/^failed: NOT_FOUND\n.*\n {2}hint: .*backup-planet init/m)
    expect(code).toBe(1)
  })

  test('check tells a repository that is not there, and the command that makes one', async () => {
    await rm(join(here.directory, 'offsite'), { recursive: true })
    for (const argv of [
      ['check', 'safe'],
      ['run', 'safe'],
    ]) {
      const { code, stdout, stderr } = await here.run(argv)
      expect(stdout + stderr).toMatch(/NOT_FOUND\n.*there is no restic repository.*\n {2}hint: .*backup-planet init/)
      expect(code).toBe(1)
    }
    await here.run(['init'])
    expect(await here.run(['check', 'safe'])).toMatchObject({ code: 0 })
  })

  test('check tells a wrong password, and where it is read from', async () => {
    await writeFile(here.passwordFile, 'not the password')
    const { code, stdout } = await here.run(['check', 'safe'])
    expect(stdout).toContain('error: WRONG_CREDENTIALS')
    expect(stdout).toContain(`into the file ${here.passwordFile}, where repositories.offsite.password is read from`)
    expect(stdout).not.toContain('not the password')
    expect(code).toBe(1)
  })

  test('a password of the configuration is masked in everything that is printed', async () => {
    for (const argv of [
      ['check', 'safe'],
      ['key', 'list', ...offsite],
      ['stats', 'safe'],
      ['run', 'safe', '--json'],
    ]) {
      const { stdout, stderr } = await here.run(argv)
      expect(stdout + stderr).not.toContain(cheapResticPassword)
    }
    expect(await readFile(here.file, 'utf8')).not.toContain(cheapResticPassword)
  })
})

/** A repository that only has locks. */
async function commandLineWithLocks(locks: RepositoryLock[]) {
  const here = await commandLineOf(sampleConfiguration.replace('kind: archive', 'kind: locked'))
  const locked: RepositoryPlugin = {
    contract: 'repository-plugin/1',
    kind: 'locked',
    exampleSettings: '',
    create: (): Repository =>
      Object.assign(createMemoryRepository(), {
        locks: () => Promise.resolve([...locks]),
        unlock(which: 'stale' | 'all' = 'stale') {
          const before = locks.length
          locks.splice(0, before, ...locks.filter(({ stale }) => which === 'stale' && !stale))
          return Promise.resolve(before - locks.length)
        },
      }),
  }
  const plugins = [samplePlugin(here.server), locked]
  return { ...here, run: (argv: readonly string[], settings = {}) => here.run(argv, { plugins, ...settings }) }
}

describe('locks', () => {
  const dead: RepositoryLock = { time: '2026-01-01T00:00:00Z', exclusive: true, hostname: hostname(), username: 'ada', pid: 4, stale: true }
  const alive: RepositoryLock = { ...dead, pid: 5, stale: false }
  const shared: RepositoryLock = { ...alive, exclusive: false, pid: 6 }

  test('check tells an exclusive one that looks alive, and how to remove it', async () => {
    await using here = await commandLineWithLocks([dead, alive, shared])
    const { code, stdout } = await here.run(['check'])
    expect(stdout).toMatch(
      /^job shop: 1 problem\nerror: CONFLICT\n.*exclusive lock of ada on .*, process 5, .*\n {2}hint: .*unlock --all --repository local\n$/,
    )
    expect(code).toBe(1)
  })

  test('unlock removes those that are dead, and says what is left', async () => {
    const locks = [dead, alive]
    await using here = await commandLineWithLocks(locks)
    const { code, stdout } = await here.run(['unlock'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^removed 1 lock\nleft: exclusive lock of ada on .*, process 5/)
    expect(locks).toEqual([alive])
  })

  test('all others only who agrees to it: by typing, or by --yes where nobody can be asked', async () => {
    const locks = [dead, alive]
    await using here = await commandLineWithLocks(locks)
    expect(await here.run(['unlock', '--all'])).toMatchObject({ code: 2, stderr: expect.stringContaining('process 5') })
    expect(await here.run(['unlock', '--all'], { answer: 'no' })).toMatchObject({ code: 2 })
    expect(locks).toEqual([dead, alive])
    expect(await here.run(['unlock', '--all'], { answer: 'remove' })).toMatchObject({ code: 0, stdout: 'removed 2 locks\n' })
    locks.push(alive)
    expect(await here.run(['unlock', '--all', '--yes', '--json'])).toMatchObject({
      code: 0,
      lines: [{ command: 'unlock', removed: 1, left: [] }],
    })
  })
})
