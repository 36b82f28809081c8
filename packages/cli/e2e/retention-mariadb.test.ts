import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createMysqlAgent } from '@backup-planet/agent-mysql'
import {
  type Agent,
  applyRetention,
  type Backup,
  backUp,
  createDirectoryStaging,
  createDirectoryUploader,
  orderOf,
  type Repository,
  type RestoreGoal,
  restore,
  restoreOutcome,
  restorePlan,
  withMirrors,
} from '@backup-planet/core'
import { createArchiveRepository } from '@backup-planet/repository-archive'
import { createResticRepository } from '@backup-planet/repository-restic'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

/** `BACKUP_PLANET_RETENTION_DAYS` days, and so many restores from each repository. */
const days = Number(process.env.BACKUP_PLANET_RETENTION_DAYS ?? 3)
const restores = Number(process.env.BACKUP_PLANET_RETENTION_RESTORES ?? 2)
const seed = Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 1_000_000)
const firstDay = Date.UTC(2026, 2, 1)
const hour = 3_600_000
const job = 'shop'

let source: ThrowawayMariadb
let target: ThrowawayMariadb
let directory: string
let agent: Agent
let archive: Repository
let restic: Repository
/** By the id of the backup after which it was the state. */
const states = new Map<string, string>()
/** When its run began, on the days that are played. */
const dates = new Map<string, string>()
/** A moment of the last day with a write right before and right after it, and the state at it. */
let moment: { readonly at: string; readonly state: string }

const stateOf = (server: ThrowawayMariadb) => server.client('SELECT id, HEX(a) FROM shop.line ORDER BY id')

beforeAll(async () => {
  ;[source, target] = await Promise.all([startThrowawayMariadb(), startThrowawayMariadb()])
  directory = await mkdtemp(join(tmpdir(), 'bp-retention-'))
  await source.client('CREATE DATABASE shop; CREATE TABLE shop.line (id INT AUTO_INCREMENT PRIMARY KEY, a VARBINARY(40)) ENGINE=InnoDB')
  agent = agentOn(source)
  archive = createArchiveRepository({ uploader: createDirectoryUploader({ directory: join(directory, 'archive') }) })
  const uploader = createDirectoryUploader({ directory: join(directory, 'restic') })
  restic = createResticRepository({ uploader, password: 'a password', cacheDirectory: false, threads: 1 })
  await restic.initialize?.()
  for (let day = 0; day < days; day++) {
    await backUpAt(day * 24, 'full')
    await backUpAt(day * 24 + 6, 'log')
    await backUpAt(day * 24 + 18, 'log')
  }
}, 240_000)

afterAll(async () => {
  await Promise.all([agent, archive, restic].map((opened) => opened?.[Symbol.asyncDispose]()))
  await Promise.all([source?.stop(), target?.stop()])
  await rm(directory, { recursive: true, force: true })
})

function agentOn({ port, user, rootPassword }: ThrowawayMariadb): Agent {
  return createMysqlAgent({ host: '127.0.0.1', port, user, password: rootPassword, threads: 1, compressionLevel: 0 })
}

async function write(): Promise<void> {
  await source.client(
    'INSERT INTO shop.line (a) VALUES (RANDOM_BYTES(20)), (RANDOM_BYTES(20)); UPDATE shop.line SET a = RANDOM_BYTES(9) WHERE id % 5 = 0',
  )
}

async function backUpAt(hours: number, kind: 'full' | 'log'): Promise<void> {
  await write()
  if (hours === (days - 1) * 24 + 18) {
    // The log knows seconds only.
    const at = await source.client("DO SLEEP(1.1); SELECT DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%sZ'); DO SLEEP(1.1)")
    moment = { at: at.trim(), state: await stateOf(source) }
    await write()
  }
  const staging = createDirectoryStaging({ directory: join(directory, 'staging') })
  const { backup } = await backUp({ agent, repository: withMirrors(archive, [restic]), staging, request: { job, kind } })
  expect(backup.kind).toBe(kind)
  states.set(backup.id, await stateOf(source))
  dates.set(backup.id, new Date(firstDay + hours * hour).toISOString())
}

/** The same repository with runs that began when they are played to. */
function played(repository: Repository): Repository {
  return Object.assign(Object.create(repository) as Repository, {
    async *list(...given: Parameters<Repository['list']>) {
      for await (const backup of repository.list(...given)) yield { ...backup, beganAt: dates.get(backup.id) ?? backup.beganAt }
    },
  })
}

async function listed(repository: Repository): Promise<Backup[]> {
  const backups: Backup[] = []
  for await (const backup of repository.list({ job })) backups.push(backup)
  return backups
}

async function restored(repository: Repository, to: RestoreGoal): Promise<string> {
  await using there = agentOn(target)
  const repositories = [{ name: 'here', repository }]
  const plan = await restorePlan({ agent: there, job, repositories, to, items: ['shop'], target: { overwrite: true } })
  const scratch = { directory: join(directory, 'scratch'), budgetBytes: 2 ** 28 }
  const report = await restore({ agent: there, repositories, plan, scratch })
  expect(restoreOutcome(report, plan)).toBe('done')
  return await stateOf(target)
}

/** Some of them, the same for one seed; the oldest and the newest always. */
function sample<Element>(list: readonly Element[]): readonly Element[] {
  const others = list.slice(1, -1).map((element, index) => ({ element, order: Math.imul(seed + index, 2_654_435_761) >>> 0 }))
  const chosen = others.sort((a, b) => a.order - b.order).slice(0, Math.max(0, restores - 2))
  return [...list.slice(0, 1), ...chosen.map(({ element }) => element), ...list.slice(-1)]
}

const now = () => new Date(firstDay + (days * 24 - 1) * hour)

describe(`of ${days} days of fulls and logs, the last two are kept (seed ${seed})`, () => {
  test.each([
    ['archive', () => archive],
    ['restic', () => restic],
  ])('in the %s repository, and everything in them is restored as it was', { timeout: 120_000 }, async (_kind, repositoryOf) => {
    const repository = repositoryOf()
    const parts = { repository: played(repository), job, rules: { keepDaily: 2 }, order: orderOf(agent), now: now() }
    const pretended = await applyRetention({ ...parts, dryRun: true })
    expect(await listed(repository)).toHaveLength(days * 3)
    const report = await applyRetention(parts)
    expect(report.removed).toHaveLength((days - 2) * 3)
    expect(report.retained).toEqual([])
    expect(report.decisions).toEqual(pretended.decisions)
    const left = await listed(repository)
    expect(left.map(({ kind }) => kind)).toEqual(['full', 'log', 'log', 'full', 'log', 'log'])
    expect((await applyRetention(parts)).removed).toEqual([])
    await repository.prune?.()

    for (const { id } of sample(left)) expect(await restored(repository, { backup: id }), id).toBe(states.get(id))
    expect(await restored(repository, { at: moment.at })).toBe(moment.state)
    const [gone] = report.removed
    await expect(restored(repository, { backup: gone ?? '' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('restic finds nothing wrong with what is left', { timeout: 60_000 }, async () => {
    const password = join(directory, 'password')
    await writeFile(password, 'a password', { mode: 0o600 })
    const words = ['-r', join(directory, 'restic'), '--password-file', password, '--no-cache', 'check', '--read-data']
    const { stdout } = await promisify(execFile)('restic', words)
    expect(stdout).toContain('no errors were found')
  })
})
