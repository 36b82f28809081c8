import { BackupError, type OperationOptions, type PruneReport, type PruneRequest, parseSettings } from '@backup-planet/core'
import * as z from 'zod'
import { findSnapshots } from '../backups/snapshot-catalog.ts'
import type { StorageId } from '../format/storage-id.ts'
import type { OpenRepository } from '../repository-access.ts'
import { type ListedObject, listObjects } from '../repository-objects.ts'
import { isDamage } from '../restic-errors.ts'
import type { ResticSession } from '../restic-session.ts'
import { blobsPerIndex } from '../write/index-writer.ts'
import { type IndexCatalog, type IndexFile, readIndexCatalog } from './index-catalog.ts'
import { writeReplacements } from './index-replacement.ts'
import { type MaintenanceWork, underLock } from './maintenance-lock.ts'
import { removeObjects } from './object-removal.ts'
import { rewritePacks } from './pack-rewriting.ts'
import { avoidUnsoundPacks, type PackUsage, type StoredPacks, usageOfPacks } from './pack-usage.ts'
import { type PrunePlan, planPrune } from './prune-plan.ts'
import { type BlobMarks, markUsedBlobs } from './used-blobs.ts'

/** A dry run changes nothing but a lock, which others who store may hold at the same time. */
export interface ResticPruneRequest extends PruneRequest {
  /**
   * How much of what is kept may be unused, from 0 to 1; 0.05 when left out. At 1 nothing is written but index files: only what nobody
   * uses at all is removed, which also works on a store that is full.
   */
  readonly maxUnusedShare?: number | undefined
  /**
   * Packs younger than this are left as they are, by the clock of the store: a run that was cut may be resumed, and its staged files
   * are gone already. 86400 when left out, one day.
   */
  readonly keepYoungerThanSeconds?: number | undefined
}

/** What a prune has done, or would do. */
export interface ResticPruneReport extends PruneReport {
  /** Packs of which nothing was used, that are gone. */
  readonly removedPacks: number
  /** Packs that are gone after what was used of them was written anew. */
  readonly repackedPacks: number
  /** Packs that were there and still are. */
  readonly keptPacks: number
  /** Index files that are gone, with what they said of packs that stay written anew. */
  readonly indexFilesReplaced: number
}

const requestSchema = z.strictObject({
  dryRun: z.boolean().default(false),
  maxUnusedShare: z.number().min(0).max(1).default(0.05),
  keepYoungerThanSeconds: z.number().min(0).default(86_400),
})

type ResolvedRequest = z.output<typeof requestSchema>

/** Index files that are not full are small. */
const smallIndexBlobs = blobsPerIndex
/** So many small index files are merged even when there is nothing else to do; a prune itself leaves two at most. */
const manySmallIndexes = 3

/**
 * Removes what no snapshot uses, whoever wrote the snapshots (restic, doc/design.rst, "Read and Write Ordering"): new packs, then new index
 * files, then old index files go, then old packs. Whenever it is cut, every backup is whole, and the next prune goes on. Throws
 * `CORRUPTED` and has removed nothing when a snapshot, a tree or the index is damaged, when something used is missing, or when a
 * blob to be written anew is damaged. Throws `CONFLICT` when others work on the repository, and `INVALID_INPUT`.
 */
export async function pruneRepository(
  session: ResticSession,
  request: ResticPruneRequest,
  options: OperationOptions,
): Promise<ResticPruneReport> {
  const resolved = resolveRequest(request)
  return await underLock(session, { exclusive: !resolved.dryRun, what: 'pruning' }, options, (work) => prune(session, resolved, work))
}

async function prune(session: ResticSession, request: ResolvedRequest, work: MaintenanceWork): Promise<ResticPruneReport> {
  const { catalog, marks, packs } = await findUsage(session, request, work)
  const { packBytes } = session.settings
  const plan = planPrune(packs, { maxUnusedShare: request.maxUnusedShare, smallBytes: packBytes / 4 })
  const files = filesToReplace(catalog, plan)
  return request.dryRun ? plannedReport(plan, files) : await carryOut(session, work, catalog, marks, plan, files)
}

interface FoundUsage {
  readonly catalog: IndexCatalog
  readonly marks: BlobMarks
  readonly packs: readonly PackUsage[]
}

/** Snapshots before the index, the index before the packs: what is written meanwhile, in a dry run, is seen in a complete state. */
async function findUsage(session: ResticSession, request: ResolvedRequest, { repository, options }: MaintenanceWork): Promise<FoundUsage> {
  step(options, 'reading the snapshots and the index')
  const { snapshots, failures } = await findSnapshots(session, options)
  for (const failure of failures) throw refused(failure, snapshotHint)
  const catalog = await readIndexCatalog(repository, options)
  for (const failure of catalog.failures.values()) throw refused(failure, indexHint)
  const stored = await storedPacks(repository, request.keepYoungerThanSeconds, options)
  const unsound = avoidUnsoundPacks(catalog, stored)
  step(options, `finding out what ${snapshots.length} snapshots use`)
  try {
    const reading = { repository, index: catalog.blobs, threads: session.settings.threads }
    const roots = snapshots.map(({ record }) => record.tree)
    const marks = await markUsedBlobs(reading, roots, options)
    return { catalog, marks, packs: usageOfPacks(catalog, marks, stored, unsound) }
  } catch (error) {
    throw isDamage(error) ? refused(error, usedHint) : error
  }
}

async function carryOut(
  { settings }: ResticSession,
  work: MaintenanceWork,
  catalog: IndexCatalog,
  marks: BlobMarks,
  plan: PrunePlan,
  files: readonly IndexFile[],
): Promise<ResticPruneReport> {
  const { options, lock } = work
  if (plan.repack.length > 0) step(options, `writing anew what is used of ${plan.repack.length} packs`)
  const newBytes = await rewritePacks(work, settings, catalog, marks, plan.repack).catch((error: unknown) => {
    // An upload that did not arrive whole can be tried again, and is no damage.
    throw isDamage(error) && !error.retryable ? refused(error, usedHint) : error
  })
  const old = [...plan.remove, ...plan.repack]
  const oldIds = new Set(old.map(({ id }) => id))
  if (files.length > 0) step(options, `replacing ${files.length} index files`)
  await lock.assertHeld(options)
  const fileIds = files.map(({ id }) => id)
  await writeReplacements(work, fileIds, (pack) => (oldIds.has(pack.id) ? undefined : pack))
  const indexes = await removeObjects(work, 'index', fileIds)
  // An index may name no pack that is not there.
  const named = new Set(files.filter(({ id }) => !indexes.removed.has(id)).flatMap((file) => file.packs))
  const removable = old.filter(({ number }) => number === undefined || !named.has(number))
  if (removable.length > 0) step(options, `removing ${removable.length} packs`)
  const packs = await removeObjects(
    work,
    'data',
    removable.map(({ id }) => id),
  )
  return reportOf(plan, {
    dryRun: false,
    newBytes,
    isGone: ({ id }) => packs.removed.has(id),
    indexFilesReplaced: indexes.removed.size,
    retained: [...indexes.retained, ...packs.retained],
  })
}

function plannedReport(plan: PrunePlan, files: readonly IndexFile[]): ResticPruneReport {
  const newBytes = plan.repack.reduce((sum, { usedBytes }) => sum + usedBytes, 0)
  return reportOf(plan, { dryRun: true, newBytes, isGone: () => true, indexFilesReplaced: files.length, retained: [] })
}

interface Outcome {
  readonly dryRun: boolean
  readonly newBytes: number
  readonly isGone: (pack: PackUsage) => boolean
  readonly indexFilesReplaced: number
  readonly retained: PruneReport['retained']
}

function reportOf(
  { remove, repack, keep }: PrunePlan,
  { dryRun, newBytes, isGone, indexFilesReplaced, retained }: Outcome,
): ResticPruneReport {
  // A pack that an index named and that was not in the store is none that was removed.
  const removed = remove.filter((pack) => isGone(pack) && pack.size > 0)
  const repacked = repack.filter(isGone)
  const stuck = [...remove, ...repack].filter((pack) => !isGone(pack))
  const kept = [...keep, ...stuck]
  return {
    dryRun,
    removedPacks: removed.length,
    repackedPacks: repacked.length,
    removedBytes: sumOf([...removed, ...repacked], ({ size }) => size) - newBytes,
    keptPacks: kept.length,
    usedBytes: sumOf([...keep, ...repack], ({ usedBytes }) => usedBytes),
    // What was written anew from a pack that could not be removed lies twice.
    keptUnusedBytes: sumOf(keep, ({ unusedBytes }) => unusedBytes) + sumOf(stuck, ({ usedBytes, unusedBytes }) => usedBytes + unusedBytes),
    youngUnusedBytes: sumOf(
      keep.filter(({ young }) => young),
      ({ unusedBytes }) => unusedBytes,
    ),
    indexFilesReplaced,
    retained,
  }
}

function sumOf(packs: readonly PackUsage[], amount: (pack: PackUsage) => number): number {
  return packs.reduce((sum, pack) => sum + amount(pack), 0)
}

/** Those that name a pack that goes, and the small ones where something is written anyway, or there are many. */
function filesToReplace({ files }: IndexCatalog, { remove, repack }: PrunePlan): IndexFile[] {
  const gone = new Set([...remove, ...repack].map(({ number }) => number))
  const affected = files.filter((file) => file.packs.some((number) => gone.has(number)))
  const small = files.filter((file) => !affected.includes(file) && file.blobs < smallIndexBlobs)
  return affected.length > 0 || small.length >= manySmallIndexes ? [...affected, ...small] : []
}

async function storedPacks(repository: OpenRepository, youngSeconds: number, options: OperationOptions): Promise<StoredPacks> {
  const oldest = (await storeTime(repository, options)) - youngSeconds * 1000
  const packs = new Map<StorageId, { readonly size: number; readonly young: boolean }>()
  for await (const pack of listObjects(repository.uploader, 'data', options)) {
    // A time that nobody can read may be of a moment ago.
    packs.set(pack.id, { size: pack.size, young: youngSeconds > 0 && !(timeOf(pack) <= oldest) })
  }
  return packs
}

/** What the clock of the store says, by our own lock: that of this host may be wrong, or the other one. */
async function storeTime({ uploader }: OpenRepository, options: OperationOptions): Promise<number> {
  let newest = Number.NEGATIVE_INFINITY
  for await (const lock of listObjects(uploader, 'locks', options)) newest = Math.max(newest, timeOf(lock))
  return newest
}

function timeOf({ modifiedAt }: ListedObject): number {
  return Date.parse(modifiedAt)
}

function step({ onProgress }: OperationOptions, text: string): void {
  onProgress?.({ type: 'step', text })
}

const indexHint = 'Nothing was removed. Rebuild the index, which is read from the packs then, and prune again.'
const snapshotHint =
  'Nothing was removed, since it might use anything. Get that file from a copy of the repository, or remove it by hand when no copy is left, and prune again.'
const usedHint =
  'Nothing was removed. Run verify with readData to see which backups are hit. Rebuild the index if packs are there that it does not know; get what is damaged from a copy of the repository, or remove the backups that are hit, and prune again.'

function refused(error: BackupError, hint: string): BackupError {
  return new BackupError(`the repository is damaged and was not pruned: ${error.message}`, { code: 'CORRUPTED', hint, cause: error })
}

function resolveRequest(request: ResticPruneRequest): ResolvedRequest {
  try {
    return parseSettings(requestSchema, request, 'prune')
  } catch (error) {
    if (!BackupError.is(error)) throw error
    throw new BackupError(error.message, { code: 'INVALID_INPUT', hint: error.hint ?? 'Correct the request.', cause: error })
  }
}
