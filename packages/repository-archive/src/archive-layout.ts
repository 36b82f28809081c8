import { encodeSegment, type StagedRun } from '@backup-planet/core'
import type { ArchiveFormat } from './archive-settings.ts'

/**
 * Where things lie below the uploader's place:
 *
 * ```
 * <job>/<time>-<kind>-<id>/<item>.tar.zst[.age]        the first, often the only archive of an item
 * <job>/<time>-<kind>-<id>/<item>.002.tar.zst[.age]    the next ones
 * <job>/<time>-<kind>-<id>/<item>/<file>               with the format `files`; `<item>/000001.age` when encrypted
 * <job>/identity.age                                  for the next backups, when encrypted with a passphrase
 * <job>/<time>-<kind>-<id>/identity.age                a copy of it as it was when the backup began
 * <job>/<time>-<kind>-<id>/inventory.json.age          file lists, when encrypted
 * <job>/<time>-<kind>-<id>/names[.age]                 object → file name, with the format `files`
 * <job>/<time>-<kind>-<id>/RESTORE.md
 * <job>/<time>-<kind>-<id>/manifest.json               last
 * ```
 */
export const manifestName = 'manifest.json'
export const guideName = 'RESTORE.md'
export const inventoryName = 'inventory.json.age'
export const identityFileName = 'identity.age'
export const namesName = 'names'
export const encryptedSuffix = '.age'

const folderPattern = /^\d{8}T\d{9}Z-./

export function jobPrefix(job: string): string {
  return `${encodeSegment(job)}/`
}

/** @param segment first part of the keys of a job */
export function jobIdentityKey(segment: string): string {
  return `${segment}/${identityFileName}`
}

/** @param beganAt ISO 8601 */
export function folderTime(beganAt: string): string {
  return new Date(beganAt).toISOString().replace(/[-:.]/g, '')
}

/** Sorted by name, the folders of a job are sorted by time. */
export function backupFolder(run: StagedRun): string {
  const kind = run.kind === undefined ? '' : `${run.kind}-`
  return `${jobPrefix(run.job)}${folderTime(run.beganAt)}-${kind}${encodeSegment(run.id)}`
}

/** Whether a backup folder is the one of this run. */
export function isFolderOf(folder: string, run: string): boolean {
  const name = folder.slice(folder.indexOf('/') + 1).replace(/^\d{8}T\d{9}Z-/, '')
  const segment = encodeSegment(run)
  return name === segment || name.replace(/^(full|differential|log)-/, '') === segment
}

/** The backup folder that a key lies in; `undefined` for keys that no backup of ours has. */
export function folderOfKey(key: string): string | undefined {
  const [job, folder, first] = key.split('/')
  if (job === undefined || job === '' || folder === undefined || first === undefined || first === '') return undefined
  return folderPattern.test(folder) ? `${job}/${folder}` : undefined
}

/** Oldest first, over all jobs. */
export function compareFolders(left: string, right: string): number {
  const [leftName, rightName] = [left.slice(left.indexOf('/')), right.slice(right.indexOf('/'))]
  if (leftName !== rightName) return leftName < rightName ? -1 : 1
  return left < right ? -1 : left > right ? 1 : 0
}

/**
 * Hands out object names that differ even where a store ignores case, so that the items `Shop` and `shop` never overwrite
 * each other, nor the second archive of `a` the first of `a.002`.
 */
export class ObjectNames {
  readonly #used = new Set(
    [manifestName, guideName, inventoryName, identityFileName, namesName, `${namesName}${encryptedSuffix}`].map(folded),
  )

  /** Marks a name of an earlier attempt as used. */
  reserve(name: string): void {
    this.#used.add(folded(name))
  }

  /** `<base><suffix>` when it is free, else `<base>.002<suffix>` and so on. */
  allocate(base: string, suffix: string): string {
    for (let number = 1; ; number++) {
      const name = number === 1 ? `${base}${suffix}` : `${base}.${String(number).padStart(3, '0')}${suffix}`
      if (this.#used.has(folded(name))) continue
      this.#used.add(folded(name))
      return name
    }
  }
}

export function archiveSuffix(format: Exclude<ArchiveFormat, 'files'>, isEncrypted: boolean): string {
  return `.${format}${isEncrypted ? encryptedSuffix : ''}`
}

function folded(name: string): string {
  return name.toLowerCase()
}
