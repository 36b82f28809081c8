import { createCipheriv } from 'node:crypto'
import { type Backup, BackupError, type Uploader, uploaderLayer } from '@backup-planet/core'
import { createMemoryUploader, type MemoryObject } from '@backup-planet/core/testing'
import { expect } from 'vitest'
import {
  type Contents,
  emptyRepository,
  filesOf,
  findingsOf,
  listing,
  openUploader,
  password,
  restoredAtOnce,
  storeContents,
} from '../../__fixtures__/small-repository.ts'
import { openRepository } from '../../repository-access.ts'
import { listObjects } from '../../repository-objects.ts'
import { readPackCatalog } from '../index-catalog.ts'

export type Objects = Map<string, MemoryObject>

/** The smallest packs there may be. */
export const packBytes = 4 * 1024 ** 2

/** Files that backups share: the number of one says what is in it. Neither compress nor have anything in common. */
export function fileBytes(number: number): Buffer {
  const size = number % 3 === 0 ? 400_000 + number * 1000 : 30_000 + number * 7000
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, `file ${number} `), Buffer.alloc(16)).update(Buffer.alloc(size))
}

export function contentsOf(files: readonly number[]): Contents {
  return { shop: Object.fromEntries(files.map((number) => [`folder.${number % 2}/file.${number}`, fileBytes(number)])) }
}

/** A repository with a backup for each list of files; their ids are `backup-0` and so on. */
export async function storedBackups(backups: readonly (readonly number[])[]): Promise<{ objects: Objects; backups: Backup[] }> {
  const objects = await emptyRepository()
  const repository = openUploader(createMemoryUploader({ objects }), { packBytes })
  const stored: Backup[] = []
  for (const [at, files] of backups.entries()) stored.push(await storeContents(repository, `backup-${at}`, contentsOf(files)))
  return { objects, backups: stored }
}

export function keysBelow(objects: Objects, prefix: string): string[] {
  return [...objects.keys()].filter((key) => key.startsWith(prefix)).sort()
}

/** What is stored, without the locks, which come and go. */
export function keysWithoutLocks(objects: Objects): string[] {
  return [...objects.keys()].filter((key) => !key.startsWith('locks/')).sort()
}

/**
 * What must hold at every moment: the listed backups are exactly these, every byte of them is whole and comes back, every used blob
 * is in an index, and no index names a pack that is not there.
 */
export async function expectWhole(objects: Objects, expected: ReadonlyMap<string, readonly number[]>): Promise<void> {
  const uploader = createMemoryUploader({ objects: new Map(objects) })
  const repository = openUploader(uploader)
  const { backups, problems } = await listing(repository)
  expect(problems).toEqual([])
  expect(backups.map(({ id }) => id).sort()).toEqual([...expected.keys()].sort())
  for (const backup of backups) {
    const files = await restoredAtOnce(repository, backup)
    const wanted = filesOf(contentsOf(expected.get(backup.id) ?? []))
    expect([...files.keys()].sort()).toEqual([...wanted.keys()].sort())
    for (const [name, bytes] of wanted) expect(files.get(name)?.equals(bytes), name).toBe(true)
  }
  const findings = await findingsOf(repository, { readData: true })
  expect(findings.filter(({ severity }) => severity !== 'ok')).toEqual([])
  expect(findings).toHaveLength(backups.length)
  const opened = await openRepository(uploader, password, {})
  const { packs, failures } = await readPackCatalog(opened, {})
  expect(failures.size).toBe(0)
  const sizes = new Map<string, number>()
  for await (const { id, size } of listObjects(uploader, 'data', {})) sizes.set(id, size)
  expect(packs.filter(({ id, bytes }) => sizes.get(id) !== bytes)).toEqual([])
  // Reads through the index alone, as restic does: what is found by headers only would not be enough.
  await expect(repository.stats()).resolves.toMatchObject({ backups: expected.size })
}

export interface Interruption {
  /** The call that fails, counted from 1 over all operations. */
  readonly at: number
  /** No call succeeds after that, as when the process is killed. */
  readonly forGood: boolean
  /** What the call should do is done, and its answer is lost. */
  readonly done: boolean
}

/** Counts calls, and lets one fail. */
export function interrupted(
  uploader: Uploader,
  interruption?: Interruption,
): { readonly uploader: Uploader; readonly calls: () => number } {
  let calls = 0
  const call = async <Value>(work: () => Promise<Value>): Promise<Value> => {
    const number = ++calls
    if (interruption === undefined || number < interruption.at || (number > interruption.at && !interruption.forGood)) return await work()
    if (number === interruption.at && interruption.done) await work()
    throw new BackupError(`call ${number} was made to fail`, { code: 'UNREACHABLE', hint: 'Try again.' })
  }
  const layer = uploaderLayer(uploader, {
    upload: (key, content, options) => call(() => uploader.upload(key, content, options)),
    stat: (key, options) => call(() => uploader.stat(key, options)),
    remove: (key, options) => call(() => uploader.remove(key, options)),
    async *list(prefix, options) {
      await call(async () => undefined)
      yield* uploader.list(prefix, options)
    },
    async *download(key, range, options) {
      await call(async () => undefined)
      yield* uploader.download(key, range, options)
    },
  })
  return { uploader: layer, calls: () => calls }
}
