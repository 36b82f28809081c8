import { type Backup, type JobStatistics, type OperationOptions, type RepositoryStatistics, throwIfAborted } from '@backup-planet/core'
import { tagValue } from '../backups/backup-tree.ts'
import { type FoundSnapshot, findSnapshots, isBackup, readBackup } from '../backups/snapshot-catalog.ts'
import type { BlobType } from '../format/pack-header.ts'
import { listObjects } from '../repository-objects.ts'
import type { ResticSession } from '../restic-session.ts'
import { type IndexCatalog, readIndexCatalog } from './index-catalog.ts'
import { type BlobMarks, markUsedBlobs } from './used-blobs.ts'

/** What a repository holds and what it takes; bytes in the store are those of all objects together. */
export interface ResticStatistics extends RepositoryStatistics {
  /** Ours, and those that others made with restic. */
  readonly snapshots: number
  readonly packs: number
  readonly indexFiles: number
  /** Different ones. */
  readonly blobs: number
}

/**
 * Takes no lock and changes nothing. Reads the trees of all snapshots, those of each job once. Throws `CORRUPTED` when something is damaged,
 * since then nobody knows what is used.
 */
export async function readStatistics(session: ResticSession, options: OperationOptions): Promise<ResticStatistics> {
  throwIfAborted(options.signal, 'reading the statistics')
  const repository = await session.open(options)
  const { snapshots, failures } = await findSnapshots(session, options)
  for (const failure of failures) throw failure
  const catalog = await readIndexCatalog(repository, options)
  for (const failure of catalog.failures.values()) throw failure
  const groups = Map.groupBy(snapshots, (snapshot) => (isBackup(snapshot) ? tagValue(snapshot.record.tags, 'job') : undefined))
  const usage = new UsageByGroup(catalog)
  const jobs: Omit<JobStatistics, 'ownBytes'>[] = []
  for (const [job, members] of groups) {
    throwIfAborted(options.signal, 'reading the statistics')
    const reading = { repository, index: catalog.blobs, threads: session.settings.threads }
    const roots = members.map(({ record }) => record.tree)
    const usedBytes = usage.add(await markUsedBlobs(reading, roots, options))
    if (job !== undefined) jobs.push({ job, ...(await contentOf(session, members, options)), usedBytes })
  }
  const own = usage.ownBytes()
  const withOwn = jobs.map((job) => ({ ...job, ownBytes: own[[...groups.keys()].indexOf(job.job)] ?? 0 }))
  const contentBytes = sum(jobs, (job) => job.contentBytes)
  const store = await measureStore(session, catalog, options)
  return {
    backups: sum(jobs, ({ backups }) => backups),
    snapshots: snapshots.length,
    packs: store.packs,
    indexFiles: catalog.files.length,
    storedBytes: store.bytes,
    blobs: catalog.blobs.size,
    unusedBytes: store.unindexedBytes + indexedBytes(catalog) - usage.usedBytes,
    contentBytes,
    ratio: store.bytes === 0 ? undefined : contentBytes / store.bytes,
    jobs: withOwn.sort((left, right) => (left.job < right.job ? -1 : 1)),
  }
}

/** Adds up who uses what; a blob remembers the one group that uses it, or that there are several. */
class UsageByGroup {
  readonly #catalog: IndexCatalog
  /** 0: nobody; the number of the only group; `several`. */
  readonly #users: { readonly data: Uint32Array; readonly tree: Uint32Array }
  #groups = 0
  #usedBytes = 0

  constructor(catalog: IndexCatalog) {
    this.#catalog = catalog
    this.#users = { data: new Uint32Array(catalog.blobs.rows('data')), tree: new Uint32Array(catalog.blobs.rows('tree')) }
  }

  /** Bytes of blobs that any group uses. */
  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Returns the bytes of the blobs that one more group uses. */
  add(marks: BlobMarks): number {
    const group = ++this.#groups
    let bytes = 0
    this.#forEachBlob((type, row, length) => {
      if (marks[type][row] === 0) return
      bytes += length
      if (this.#users[type][row] === 0) this.#usedBytes += length
      this.#users[type][row] = this.#users[type][row] === 0 ? group : several
    })
    return bytes
  }

  /** By group, in the order in which they were added: the bytes that no other uses. */
  ownBytes(): readonly number[] {
    const own = Array.from({ length: this.#groups }, () => 0)
    this.#forEachBlob((type, row, length) => {
      const group = this.#users[type][row] ?? 0
      if (group > 0 && group !== several) own[group - 1] = (own[group - 1] ?? 0) + length
    })
    return own
  }

  #forEachBlob(listener: (type: BlobType, row: number, length: number) => void): void {
    const rows = { data: 0, tree: 0 }
    this.#catalog.blobs.forEach((type, _id, _pack, _offset, length) => {
      listener(type, rows[type]++, length)
    })
  }
}

const several = 2 ** 32 - 1

function indexedBytes({ blobs, duplicates }: IndexCatalog): number {
  let bytes = 0
  blobs.forEach((_type, _id, _pack, _offset, length) => {
    bytes += length
  })
  duplicates.forEach((_type, _row, _pack, length) => {
    bytes += length
  })
  return bytes
}

async function measureStore(
  { uploader }: ResticSession,
  { blobs }: IndexCatalog,
  options: OperationOptions,
): Promise<{ readonly packs: number; readonly bytes: number; readonly unindexedBytes: number }> {
  let packs = 0
  let bytes = (await uploader.stat('config', { signal: options.signal }))?.size ?? 0
  let unindexedBytes = 0
  for await (const { id, size } of listObjects(uploader, 'data', options)) {
    packs++
    bytes += size
    if (!blobs.hasPack(id)) unindexedBytes += size
  }
  for (const kind of ['index', 'keys', 'snapshots'] as const)
    for await (const { size } of listObjects(uploader, kind, options)) bytes += size
  return { packs, bytes, unindexedBytes }
}

async function contentOf(
  session: ResticSession,
  snapshots: readonly FoundSnapshot[],
  options: OperationOptions,
): Promise<{ readonly backups: number; readonly contentBytes: number }> {
  const ids = new Set<string>()
  let contentBytes = 0
  for (const snapshot of snapshots) {
    const backup = await readBackup(session, snapshot, options)
    // A run that was committed twice, by two who resumed it at once, is one backup.
    if (!ids.has(backup.id)) contentBytes += fileBytes(backup)
    ids.add(backup.id)
  }
  return { backups: ids.size, contentBytes }
}

function fileBytes({ items }: Backup): number {
  return sum(
    items.flatMap(({ files = [] }) => files),
    ({ size }) => size,
  )
}

function sum<Value>(values: readonly Value[], amount: (value: Value) => number): number {
  return values.reduce((total, value) => total + amount(value), 0)
}
