import {
  type Backup,
  BackupError,
  type OperationOptions,
  type RemovalReport,
  type RetainedObject,
  removeObjects,
  throwIfAborted,
  type UnfinishedFilter,
  type Uploader,
} from '@backup-planet/core'
import { type ArchiveContext, below } from './archive-context.ts'
import { isFolderOf, manifestName } from './archive-layout.ts'
import { isCommitted, objectsOf, storedFolders } from './archive-list.ts'
import { storageOf } from './archive-storage.ts'

/** Failures that say "not now" rather than "not this". */
const passing = new Set(['ABORTED', 'UNREACHABLE', 'TIMED_OUT', 'OVERLOADED', 'WRONG_CREDENTIALS'])

class Removal {
  readonly removed: string[] = []
  readonly retained: RetainedObject[] = []
  bytes = 0
  readonly #uploader: Uploader
  readonly #options: OperationOptions

  constructor(uploader: Uploader, options: OperationOptions) {
    this.#uploader = uploader
    this.#options = options
  }

  /** False when the store refuses. */
  async object(key: string, size: number): Promise<boolean> {
    throwIfAborted(this.#options.signal, 'the removal')
    try {
      const [refused] = await removeObjects(this.#uploader, [key], below(this.#options))
      if (refused !== undefined) {
        this.retained.push(refused)
        return false
      }
    } catch (error) {
      const code = BackupError.is(error) ? error.code : this.#uploader.classify(error)
      if (passing.has(code)) throw error
      this.retained.push({ key, reason: error instanceof Error ? error.message : code })
      return false
    }
    this.bytes += size
    return true
  }

  /** False when the store refuses some of them. */
  async objects(folder: string, sizes: readonly (readonly [key: string, size: number])[]): Promise<boolean> {
    const keys = sizes.map(([key]) => `${folder}/${key}`)
    const refused = await removeObjects(this.#uploader, keys, below(this.#options))
    this.retained.push(...refused)
    const kept = new Set(refused.map(({ key }) => key))
    for (const [key, size] of sizes) if (!kept.has(`${folder}/${key}`)) this.bytes += size
    return refused.length === 0
  }

  report(): RemovalReport {
    return { removed: this.removed, bytes: this.bytes, retained: this.retained }
  }
}

/** Each manifest goes first: what is half removed is no backup any more, and `removeUnfinished` finds the rest. */
export async function removeBackups(
  context: ArchiveContext,
  backups: readonly Backup[],
  options: OperationOptions,
): Promise<RemovalReport> {
  const { uploader } = context
  const removal = new Removal(uploader, options)
  for (const backup of backups) {
    const { folder } = storageOf(backup)
    const manifest = await uploader.stat(`${folder}/${manifestName}`, below(options))
    if (!(await removal.object(`${folder}/${manifestName}`, manifest?.size ?? 0))) break
    removal.removed.push(backup.id)
    await removal.objects(folder, sizesOf(await objectsOf(context, folder, options)))
  }
  return removal.report()
}

/** Reports removed folders. Touches nothing but folders that are named like backups and hold no manifest. */
export async function removeUnfinished(
  context: ArchiveContext,
  request: UnfinishedFilter,
  options: OperationOptions,
): Promise<RemovalReport> {
  const removal = new Removal(context.uploader, options)
  const filter = request.job === undefined ? {} : { job: request.job }
  const folders = await storedFolders(context, filter, options)
  // Age by the clock of the store, whose latest word is its newest object: a host whose own clock is ahead must not clear away what another
  // host is just sending.
  const latest = folders.reduce((newest, folder) => Math.max(newest, folder.newest), Number.NEGATIVE_INFINITY)
  const before = Math.min(Date.now(), latest) - request.olderThanSeconds * 1000
  for (const folder of folders) {
    if (isCommitted(folder) || folder.newest > before || request.runs?.some((run) => isFolderOf(folder.folder, run)) === false) continue
    const objects = await objectsOf(context, folder.folder, options)
    // A run that has committed since the listing keeps everything.
    if ((await context.uploader.stat(`${folder.folder}/${manifestName}`, below(options))) !== undefined) continue
    if (await removal.objects(folder.folder, sizesOf(objects))) removal.removed.push(folder.folder)
  }
  return removal.report()
}

/** All but the manifest, which goes before them. */
function sizesOf(objects: ReadonlyMap<string, { readonly size: number }>): readonly (readonly [key: string, size: number])[] {
  return [...objects].filter(([key]) => key !== manifestName).map(([key, { size }]) => [key, size])
}
