import { assertSafePath, type Backup, BackupError, type Json } from '@backup-planet/core'
import * as z from 'zod'
import { archiveFormats } from './archive-settings.ts'
import { corrupted } from './checked-content.ts'

/** What the manifest says of where the files of a backup lie. Keys are relative to `folder`, which is relative to the uploader's place. */
const size = z.int().nonnegative()
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const storedObject = z.object({ key: z.string(), size, sha256 })

const archive = storedObject.extend({
  item: z.string(),
  format: z.enum(archiveFormats),
  encrypted: z.boolean(),
  /** Names of the files inside, in order; elsewhere when they are kept secret. */
  files: z.array(z.string()).optional(),
})

const storageSchema = z.object({
  format: z.literal('archive/1'),
  folder: z.string(),
  archives: z.array(archive),
  guide: storedObject,
  inventory: storedObject.optional(),
  names: storedObject.optional(),
  /** With a passphrase: the identity that everything else is encrypted for, encrypted with the passphrase. */
  identity: storedObject.optional(),
  manifestSha256: sha256,
})

export type StoredObject = z.output<typeof storedObject>
export type StoredArchive = z.output<typeof archive>
export type ArchiveStorage = z.output<typeof storageSchema>

/** Reads the storage of a backup. Throws `UNSUPPORTED` for another kind of repository, `CORRUPTED` for what cannot be, `INVALID_INPUT` for what no repository returned. */
export function storageOf(backup: Backup): ArchiveStorage {
  if (backup.storage.format === undefined) {
    throw new BackupError(`backup ${backup.id} does not say where its files lie`, {
      code: 'INVALID_INPUT',
      hint: 'Take the backup from the list of this repository.',
    })
  }
  if (backup.storage.format !== 'archive/1') {
    throw new BackupError(`backup ${backup.id} is stored as ${JSON.stringify(backup.storage.format)}, not as archive/1`, {
      code: 'UNSUPPORTED',
      hint: 'Open this backup with the kind of repository that it was stored in.',
    })
  }
  const parsed = storageSchema.safeParse(backup.storage)
  if (!parsed.success) throw corrupted(`manifest of backup ${backup.id} has no usable storage: ${z.prettifyError(parsed.error)}`)
  const storage = parsed.data
  refuseUnsafe(storage, backup.id)
  return storage
}

export function storageJson(storage: Omit<ArchiveStorage, 'manifestSha256'>): Readonly<Record<string, Json>> {
  return JSON.parse(JSON.stringify(storage)) as Record<string, Json>
}

/** Everything of a backup that must be there, beside its manifest. */
export function storedObjects(storage: ArchiveStorage): readonly StoredObject[] {
  return [...storage.archives, storage.guide, storage.identity, storage.inventory, storage.names].filter((object) => object !== undefined)
}

function refuseUnsafe(storage: ArchiveStorage, id: string): void {
  const keys = new Set<string>()
  try {
    assertSafePath(storage.folder, 'backup folder')
    for (const { key } of storedObjects(storage)) {
      assertSafePath(key, 'object key')
      if (keys.has(key)) throw new TypeError(`object ${JSON.stringify(key)} is named twice`)
      keys.add(key)
    }
  } catch (error) {
    throw corrupted(`manifest of backup ${id} is refused: ${error instanceof Error ? error.message : String(error)}`, error)
  }
}
