import { existsSync, readdirSync, statSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createMysqlAgent } from '@backup-planet/agent-mysql'
import {
  type BackUpReport,
  backUp,
  createDirectoryStaging,
  createDirectoryUploader,
  createThrottle,
  withThrottle,
} from '@backup-planet/core'
import { createArchiveRepository } from '@backup-planet/repository-archive'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { recordEvidence } from './evidence.ts'

/** Of rows that nothing compresses, several times what the staging may take. */
const rows = 12_000
const rowBytes = 1000
const budgetBytes = 2 * 2 ** 20
/** Slower than a local server gives rows, so that the staging is full most of the time. */
const bytesPerSecond = 2.5 * 2 ** 20

let server: ThrowawayMariadb
let folder: string

beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client(`CREATE DATABASE wide; CREATE TABLE wide.noise (id INT PRIMARY KEY, bytes VARBINARY(${rowBytes}) NOT NULL) ENGINE=InnoDB;
    INSERT INTO wide.noise SELECT seq, RANDOM_BYTES(${rowBytes}) FROM wide.seq_1_to_${rows};
    CREATE TABLE wide.more LIKE wide.noise; INSERT INTO wide.more SELECT seq, RANDOM_BYTES(${rowBytes}) FROM wide.seq_1_to_${rows / 4}`)
  folder = await mkdtemp(path.join(tmpdir(), 'staging-budget-'))
  await mkdir(path.join(folder, 'repository'))
})

afterAll(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  await server?.stop()
})

it('never takes more of the disk than its budget while a slow store is behind, and begins anew after an abort', async () => {
  const throttle = createThrottle({ bytesPerSecond })
  await using repository = createArchiveRepository({
    uploader: withThrottle(createDirectoryUploader({ directory: path.join(folder, 'repository') }), throttle),
    volumeBytes: 2 ** 20,
  })
  const directory = path.join(folder, 'staging')
  const staging = createDirectoryStaging({ directory, budgetBytes, minimumFreeBytes: 1024 })
  const attempt = async (signal?: AbortSignal): Promise<BackUpReport> => {
    const { host, port, user, rootPassword: password } = server
    await using agent = createMysqlAgent({ host, port, user, password, users: false, threads: 2, chunkBytes: 256 * 1024 })
    return await backUp({ agent, repository, staging, request: { job: 'wide', kind: 'full' } }, { signal })
  }
  const watch = watchFolder(directory)
  let filesOfBackup = 0
  try {
    const cut = new AbortController()
    const outcome = attempt(cut.signal).then(
      () => 'ended',
      (error: { readonly code?: string }) => error.code,
    )
    await watch.reached(budgetBytes / 2)
    cut.abort()
    expect(await outcome).toBe('ABORTED')

    const { backup, problems } = await attempt()
    filesOfBackup = (await repository.inventory(backup)).reduce((sum, { files }) => sum + (files?.length ?? 0), 0)
    expect(backup.status).toBe('complete')
    expect(problems).toEqual([])
    const sizes = (backup.items.find(({ item }) => item === 'wide')?.bytes ?? 0) / budgetBytes
    expect(sizes, 'the backup is several times what the staging may take').toBeGreaterThan(4)
  } finally {
    await watch.stop()
  }
  await recordEvidence(import.meta.url, {
    'budget in bytes': budgetBytes,
    'most bytes on the disk': watch.most,
    'most bytes of the journal': watch.mostJournal,
    samples: watch.samples,
  })
  expect(watch.samples, 'looked often enough').toBeGreaterThan(50)
  expect(watch.most, 'the store was the slower one').toBeGreaterThan(budgetBytes / 2)
  expect(watch.most).toBeLessThanOrEqual(budgetBytes)
  // The journal of a stage is not part of the budget: some hundred bytes for each file of the backup.
  expect(watch.mostJournal).toBeGreaterThan(0)
  expect(watch.mostJournal).toBeLessThan(filesOfBackup * 1024)
  expect((await readdir(directory, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())).toEqual([])
  const listed = []
  for await (const backup of repository.list({})) listed.push(backup.status)
  expect(listed).toEqual(['complete'])
})

interface FolderWatch {
  /** The most bytes that lay in it in any one look, without the journal. */
  readonly most: number
  readonly mostJournal: number
  readonly samples: number
  reached(bytes: number): Promise<void>
  stop(): Promise<void>
}

/** Looks again and again at what the files of a folder take together. */
function watchFolder(directory: string): FolderWatch {
  let [most, mostJournal, samples, stopped] = [0, 0, 0, false]
  const watching = (async () => {
    while (!stopped) {
      const { staged, journal } = bytesIn(directory)
      most = Math.max(most, staged)
      mostJournal = Math.max(mostJournal, journal)
      samples++
      await delay(10)
    }
  })()
  return {
    get most() {
      return most
    },
    get mostJournal() {
      return mostJournal
    },
    get samples() {
      return samples
    },
    async reached(bytes) {
      await expect.poll(() => most, { timeout: 60_000, interval: 10 }).toBeGreaterThan(bytes)
    },
    async stop() {
      stopped = true
      await watching
    },
  }
}

/** In one go, so that no file goes away or grows between two looks. */
function bytesIn(directory: string): { readonly staged: number; readonly journal: number } {
  let [staged, journal] = [0, 0]
  if (!existsSync(directory)) return { staged, journal }
  for (const { parentPath, name } of readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())) {
    const size = statSync(path.join(parentPath, name), { throwIfNoEntry: false })?.size ?? 0
    if (name === 'stage.journal') journal += size
    else staged += size
  }
  return { staged, journal }
}
