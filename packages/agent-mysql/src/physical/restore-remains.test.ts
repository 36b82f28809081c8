import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Backup, currentOwner, ownedName, type RestorePlan } from '@backup-planet/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMysqlAgent } from '../mysql-agent.ts'
import { asidePath, completeMark, identityOf, recover, workPrefix } from './restore-remains.ts'
import { WorkDirectory } from './work-directory.ts'

let home: string
let datadir: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'bp-remains-'))
  datadir = join(home, 'data')
})
afterEach(() => rm(home, { recursive: true, force: true }))

const full: Backup = {
  format: 'backup-planet/manifest/1',
  id: 'full',
  job: 'shop',
  application: 'mysql',
  agent: { version: '1' },
  source: { id: 's', name: 'n', version: '10.11.6-MariaDB' },
  kind: 'full',
  status: 'complete',
  beganAt: '2026-01-01T00:00:00Z',
  consistentAt: '2026-01-01T00:00:00Z',
  endedAt: '2026-01-01T00:00:00Z',
  items: [{ item: 'instance', bytes: 1000, facts: { format: 'mbstream', fromLsn: '0', toLsn: '100', lastLsn: '100' } }],
  facts: { mode: 'physical' },
  storage: {},
}

function plan(overwrite = true, options = {}): Promise<RestorePlan> {
  return createMysqlAgent({ user: 'nobody' }).planRestore({ backups: [full], target: { overwrite, options: { datadir, ...options } } })
}

/** What a restore that was killed leaves: the directory that it worked in. */
async function deadWork(id: string): Promise<string> {
  const path = join(home, ownedName(workPrefix(datadir, id), { ...(await currentOwner()), pid: 99_999_999 }))
  await mkdir(join(path, 'data'), { recursive: true })
  await writeFile(join(path, 'data', 'ibdata1'), 'new')
  return path
}

async function fill(): Promise<void> {
  await mkdir(datadir)
  await writeFile(join(datadir, 'ibdata1'), 'old')
}

describe('a restore that was cut, planned anew', () => {
  it('is the same plan, whatever lies around it, and another one with other options', async () => {
    const first = await plan()
    await deadWork(first.id)
    const second = await plan()
    expect(second.id).toBe(first.id)
    expect(second.problems).toContainEqual(
      expect.objectContaining({ severity: 'warning', message: expect.stringContaining('was left by a restore that was cut') }),
    )
    expect((await plan(true, { useMemoryBytes: 33_554_432 })).id).not.toBe(first.id)
    expect((await plan(false)).id).not.toBe(first.id)
  })

  it('removes what dead restores into this place have left, of whatever plan', async () => {
    await deadWork('0123456789abcdef')
    await deadWork('fedcba9876543210')
    const work = await WorkDirectory.create(datadir, '0000000000000000')
    expect(await readdir(home)).toEqual([expect.stringContaining('restore-0000000000000000')])
    await expect(WorkDirectory.create(datadir, '1111111111111111')).rejects.toMatchObject({ code: 'CONFLICT' })
    await work.remove()
    expect(await readdir(home)).toEqual([])
  })

  it('sees a directory that was set aside, asks for what it overwrites, and puts it back first', async () => {
    await fill()
    const first = await plan()
    await deadWork(first.id)
    await rename(datadir, asidePath(datadir, first.id))
    const second = await plan()
    expect(second).toMatchObject({
      id: first.id,
      target: { fingerprint: first.target.fingerprint },
      items: [{ overwrites: [`data directory ${datadir}`] }],
      steps: expect.arrayContaining([expect.objectContaining({ number: 1, text: expect.stringMatching(/^put .* back as/) })]),
    })
    expect((await plan(false)).problems).toContainEqual(expect.objectContaining({ code: 'ALREADY_EXISTS', severity: 'error' }))
    expect(await recover(datadir)).toEqual({ done: [], problems: [] })
    expect(await readFile(join(datadir, 'ibdata1'), 'utf8')).toBe('old')
  })

  it('tells that the new directory is in its place, and removes the old one', async () => {
    await fill()
    const { id } = await plan()
    const work = await deadWork(id)
    await writeFile(join(work, completeMark), (await identityOf(join(work, 'data'))) ?? '')
    await rename(datadir, asidePath(datadir, id))
    await rename(join(work, 'data'), datadir)
    expect((await plan()).problems).toContainEqual(
      expect.objectContaining({ severity: 'warning', message: expect.stringContaining('had put its new directory in the place') }),
    )
    expect(await recover(datadir)).toEqual({ done: [id], problems: [] })
    expect(await readdir(home)).toEqual(['data'])
    expect(await readFile(join(datadir, 'ibdata1'), 'utf8')).toBe('new')
  })

  it('touches nothing where something else lies in the place of what was set aside', async () => {
    await fill()
    await rename(datadir, asidePath(datadir, '0123456789abcdef'))
    await mkdir(datadir)
    const problem = expect.objectContaining({ severity: 'error', code: 'CONFLICT', message: expect.stringContaining('replaced-0123') })
    expect((await plan()).problems).toContainEqual(problem)
    await expect(recover(datadir)).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await readdir(home)).toHaveLength(2)
  })
})

describe('putting a new directory into place', () => {
  it('sets the old one back when the new one cannot be put there', async () => {
    await fill()
    const work = await WorkDirectory.create(datadir, '0123456789abcdef')
    // There is no new directory.
    await expect(work.moveIntoPlace(true)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await readFile(join(datadir, 'ibdata1'), 'utf8')).toBe('old')
    await work.remove()
  })
})
