import { spawn } from 'node:child_process'
import { createHash, randomInt } from 'node:crypto'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { backUp, createDirectoryStaging, createDirectoryUploader } from '@backup-planet/core'
import { createMemoryAgent, createMemoryStage } from '@backup-planet/core/testing'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { recordEvidence } from '../../../proofs/evidence.ts'
import { seededRandom } from '../../../proofs/sweep.ts'
import { createResticRepository, type ResticRepository } from '../src/index.ts'
import { initializeRepository } from '../src/repository-access.ts'
import { createResticClient, type ResticClient, resticProgram } from './restic-command.ts'
import { contentBytes, fillStage, seededContents } from './seeded-contents.ts'

const kills = Number(process.env.BACKUP_PLANET_RESTIC_STORE_KILLS ?? 3)
const seed = Number(process.env.BACKUP_PLANET_SEED ?? randomInt(2 ** 31))
/** So many kills share one repository. */
const killsPerRepository = 5
/** Restic reads every byte of the repository after so many kills. */
const readDataEvery = 5
/** Of three kills one may hit the start of the process; the others come once it stores. */
const anyMomentEvery = 3
/** Trees, indexes, headers and the snapshot, beside the content. */
const besidesBytes = 200_000
const password = 'correct horse'
const agent = { version: '1.0.0' }

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'killed-restic-store-'))
})

afterEach(() => rm(folder, { recursive: true, force: true }))

it.skipIf(resticProgram === undefined)(
  `kill -9 at ${kills} random moments of a store: what is listed restores, restic finds no error, and the next run sends the rest only (seed ${seed})`,
  { timeout: 60_000 + 30_000 * kills },
  async () => {
    const random = seededRandom(seed)
    const hits = { 'before the store': 0, 'during the store': 0, 'after the end': 0 }
    const missing = { bytes: 0, sent: 0, whole: 0 }
    let place: KilledPlace | undefined
    let typical = { untilStore: 0, store: 0 }
    for (let point = 0; point < kills; point++) {
      if (place === undefined || point % killsPerRepository === 0) {
        await place?.remove()
        place = await createPlace(`${folder}/${point}`)
        typical = (await place.run(Math.floor(random() * 2 ** 31), 'streamed', undefined)).took
      }
      const contents = Math.floor(random() * 2 ** 31)
      const order = random() < 0.5 ? 'sealed' : 'streamed'
      const anyMoment = point % anyMomentEvery === 0
      const after = random() * 1.05 * (anyMoment ? typical.untilStore + typical.store : typical.store)
      const before = await place.dataBytes()
      const killed = await place.run(contents, order, { after, from: anyMoment ? 'start' : 'store' })
      hits[killed.reached]++
      // With the stale lock still there, and after somebody has removed it: the next run must find in both cases what was sent.
      const unlocked = random() < 0.5
      if (unlocked) await place.restic.run(['unlock'])
      await place.restic.run(['check', ...(unlocked ? [] : ['--no-lock']), ...(point % readDataEvery === 0 ? ['--read-data'] : [])])
      await place.expectEverythingRestores()

      const sentBefore = (await place.dataBytes()) - before
      const whole = contentBytes(seededContents(contents))
      await place.complete(killed.id, contents, killed.sealed && random() < 0.5)
      const sent = (await place.dataBytes()) - before - sentBefore
      const label = `kill ${point} after ${Math.round(after)} ms, ${order}, ${sentBefore} bytes were there, ${sent} were sent`
      expect(sent, label).toBeLessThan(Math.max(0, whole - sentBefore) + besidesBytes)
      missing.bytes += Math.max(0, whole - sentBefore)
      missing.sent += sent
      missing.whole += whole
      await place.expectEverythingRestores()
      await place.restic.run(['unlock'])
      await place.restic.run(['check'])
    }
    await place?.remove()
    await recordEvidence(import.meta.url, {
      ...hits,
      'bytes that the next runs sent, as a share of what was missing':
        missing.bytes === 0 ? 'nothing was missing' : (missing.sent / missing.bytes).toFixed(3),
      'and of all content': (missing.sent / missing.whole).toFixed(3),
    })
    expect(hits['after the end'], `most kills hit a running store: ${JSON.stringify(hits)}`).toBeLessThan(Math.max(2, kills / 2))
  },
)

interface KilledRun {
  readonly id: string
  readonly reached: 'before the store' | 'during the store' | 'after the end'
  /** Its stage waits to be sent. */
  readonly sealed: boolean
  /** Milliseconds. */
  readonly took: { readonly untilStore: number; readonly store: number }
}

interface KilledPlace {
  readonly restic: ResticClient
  /** A run in a process of its own, killed so many milliseconds after its start or after it began to store. */
  run(
    contents: number,
    order: 'streamed' | 'sealed',
    kill: { readonly after: number; readonly from: 'start' | 'store' } | undefined,
  ): Promise<KilledRun>
  /** Stores the contents of a killed run: its own stage where it is resumed, else a new one. */
  complete(id: string, contents: number, resume: boolean): Promise<void>
  /** Reads every file of every listed backup, and that all that must be listed are. */
  expectEverythingRestores(): Promise<void>
  /** Of all packs. */
  dataBytes(): Promise<number>
  remove(): Promise<void>
}

async function createPlace(place: string): Promise<KilledPlace> {
  const uploader = createDirectoryUploader({ directory: `${place}/repository` })
  await initializeRepository(uploader, { password, cost: { N: 2, r: 1, p: 1 } }, {})
  const restic = await createResticClient(`${place}/repository`, password)
  /** Seeds of the contents of every run that was begun, where it had such; and the runs that must have been committed. */
  const begun = new Map<string, number | undefined>()
  const committed = new Set<string>()
  let runs = 0

  return {
    restic,
    async run(contents, order, kill) {
      const id = `run-${++runs}`
      begun.set(id, contents)
      const ended = await runUntilKilled([place, id, String(contents), order], kill)
      if (ended.said.includes('stored')) committed.add(id)
      const storing = ended.said.includes('storing')
      return {
        id,
        reached: ended.said.includes('stored') ? 'after the end' : storing ? 'during the store' : 'before the store',
        sealed: order === 'sealed' && storing && !ended.said.includes('stored'),
        took: ended.took,
      }
    },
    async complete(id, contents, resume) {
      const repository = open(place)
      if (resume) {
        const staging = createDirectoryStaging({ directory: `${place}/staging`, budgetBytes: 100_000_000, minimumFreeBytes: 0 })
        const agent = createMemoryAgent({ items: { 'of the next run': 'little' } })
        const report = await backUp({ agent, repository, staging, request: { job: 'shop', kind: 'full' } })
        begun.set(report.backup.id, undefined)
        for (const sent of [id, report.backup.id]) committed.add(sent)
        for await (const left of staging.resumable('shop')) throw new TypeError(`the stage ${left.run.id} was not sent`)
        return
      }
      await rm(`${place}/staging`, { recursive: true, force: true })
      const stage = createMemoryStage({ run: { job: 'shop', id: `run-${++runs}` } })
      begun.set(stage.run.id, contents)
      await fillStage(stage.stage, seededContents(contents))
      await repository.store({ run: stage.run, agent }, stage.contents)
      committed.add(stage.run.id)
    },
    async expectEverythingRestores() {
      const repository = open(place)
      const listed = new Set<string>()
      for await (const backup of repository.list()) {
        listed.add(backup.id)
        const contents = begun.get(backup.id)
        expect(begun.has(backup.id), `${backup.id} was begun`).toBe(true)
        expect(await restoredSums(repository, backup)).toEqual(contents === undefined ? expect.anything() : sumsOf(contents))
      }
      expect([...committed].filter((id) => !listed.has(id))).toEqual([])
    },
    dataBytes: () => bytesBelow(`${place}/repository/data`),
    remove: () => rm(place, { recursive: true, force: true }),
  }
}

function open(place: string): ResticRepository {
  const uploader = createDirectoryUploader({ directory: `${place}/repository` })
  return createResticRepository({ uploader, password, packBytes: 4 * 1024 ** 2, cacheDirectory: false })
}

async function restoredSums(
  repository: ResticRepository,
  backup: Parameters<ResticRepository['read']>[0],
): Promise<Record<string, string>> {
  const sums: Record<string, string> = {}
  for await (const { item, name, content } of repository.read(backup, () => true)) {
    const hash = createHash('sha256')
    for await (const chunk of content) hash.update(chunk)
    sums[`${item}/${name}`] = hash.digest('hex')
  }
  return sums
}

const knownSums = new Map<number, Record<string, string>>()

function sumsOf(contents: number): Record<string, string> {
  let sums = knownSums.get(contents)
  if (sums === undefined) {
    sums = {}
    for (const [item, files] of seededContents(contents))
      for (const [name, bytes] of files) sums[`${item}/${name}`] = createHash('sha256').update(bytes).digest('hex')
    knownSums.set(contents, sums)
  }
  return sums
}

async function bytesBelow(directory: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    // What an upload that was cut left half-written is no object.
    if (entry.isFile() && !entry.name.endsWith('.part')) bytes += (await stat(path.join(entry.parentPath, entry.name))).size
  }
  return bytes
}

function runUntilKilled(
  words: readonly string[],
  kill: { readonly after: number; readonly from: 'start' | 'store' } | undefined,
): Promise<{ readonly said: readonly string[]; readonly took: KilledRun['took'] }> {
  const script = path.join(import.meta.dirname, 'store-until-killed.ts')
  const began = performance.now()
  let stores = began
  const child = spawn(process.execPath, ['--conditions=@backup-planet/source', '--no-warnings', script, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said: string[] = []
  let timer: NodeJS.Timeout | undefined
  const killLater = () => {
    timer = setTimeout(() => child.kill('SIGKILL'), kill?.after)
  }
  if (kill?.from === 'start') killLater()
  return new Promise((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      said.push(line)
      if (line !== 'storing') return
      stores = performance.now()
      if (kill?.from === 'store') killLater()
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (signal !== 'SIGKILL' && code !== 0) return reject(new Error(`${words} ended by itself with ${code}, after ${said}`))
      resolve({ said, took: { untilStore: stores - began, store: performance.now() - stores } })
    })
  })
}
