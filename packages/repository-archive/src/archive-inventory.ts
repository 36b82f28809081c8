import { assertSafePath, type Backup, type BackupError, type ManifestFile, type ManifestItem } from '@backup-planet/core'
import * as z from 'zod'
import type { ArchiveStorage, StoredArchive } from './archive-storage.ts'
import { corrupted } from './checked-content.ts'

/** The file lists of a backup; they hold names of tables, so an encrypted backup keeps them beside the manifest, encrypted too. */
export interface Inventory {
  readonly items: readonly { readonly item: string; readonly files: readonly ManifestFile[] }[]
  readonly archives: readonly { readonly key: string; readonly files: readonly string[] }[]
}

/** One archive with everything that must be in it. */
export interface ArchiveContents {
  readonly archive: StoredArchive
  readonly files: readonly ManifestFile[]
}

const inventoryFormat = 'backup-planet/archive-inventory/1'

const inventorySchema = z.object({
  format: z.literal(inventoryFormat),
  items: z.array(
    z.object({
      item: z.string(),
      files: z.array(z.object({ name: z.string(), size: z.int().nonnegative(), sha256: z.string().regex(/^[0-9a-f]{64}$/) })),
    }),
  ),
  archives: z.array(z.object({ key: z.string(), files: z.array(z.string()) })),
})

export function inventoryBytes(inventory: Inventory): Buffer {
  return Buffer.from(`${JSON.stringify({ format: inventoryFormat, ...inventory }, null, 1)}\n`)
}

export function parseInventory(bytes: Uint8Array, what: string): Inventory {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw corrupted(`${what} is not JSON`, error)
  }
  const result = inventorySchema.safeParse(value)
  if (!result.success) throw corrupted(`${what} is not an inventory: ${z.prettifyError(result.error)}`)
  return result.data
}

/** The file lists of a backup that is not encrypted. */
export function inventoryOfManifest(backup: Backup, storage: ArchiveStorage): Inventory {
  const plain = {
    format: inventoryFormat,
    items: backup.items.filter((item) => item.failure === undefined).map((item) => ({ item: item.item, files: item.files ?? [] })),
    archives: storage.archives.map((archive) => ({ key: archive.key, files: archive.files ?? [] })),
  }
  const result = inventorySchema.safeParse(plain)
  if (!result.success) throw corrupted(`manifest of backup ${backup.id} has no usable file lists: ${z.prettifyError(result.error)}`)
  return result.data
}

/**
 * Every archive with its files, in stored order. Throws `CORRUPTED` unless each file of each restorable item lies in exactly one
 * archive under a name that cannot leave the item's folder.
 */
export function archiveContents(backup: Backup, storage: ArchiveStorage, inventory: Inventory): readonly ArchiveContents[] {
  const restorable = new Set(backup.items.filter((item) => item.failure === undefined).map((item) => item.item))
  const files = new Map<string, ManifestFile>()
  for (const { item, files: listed } of inventory.items) {
    if (!restorable.delete(item)) throw refused(backup, `item ${JSON.stringify(item)} is listed twice or not at all`)
    for (const file of listed) {
      safeName(backup, file.name)
      const id = fileId(item, file.name)
      if (files.has(id)) throw refused(backup, `file ${JSON.stringify(file.name)} is listed twice`)
      files.set(id, file)
    }
  }
  if (restorable.size > 0) throw refused(backup, `${restorable.size} items have no file list`)
  const names = new Map(inventory.archives.map(({ key, files: listed }) => [key, listed]))
  const contents = storage.archives.map((archive) => ({
    archive,
    files: (names.get(archive.key) ?? []).map((name) => {
      const id = fileId(archive.item, name)
      const file = files.get(id)
      if (file === undefined) throw refused(backup, `file ${JSON.stringify(name)} lies in two archives or belongs to no item`)
      files.delete(id)
      return file
    }),
  }))
  if (files.size > 0) throw refused(backup, `${files.size} files lie in no archive`)
  for (const { archive, files: inside } of contents) {
    if (archive.format === 'files' && inside.length !== 1) throw refused(backup, `object ${archive.key} holds ${inside.length} files`)
  }
  return contents
}

/** The items of the manifest with their files. */
export function itemsWithFiles(backup: Backup, inventory: Inventory): readonly ManifestItem[] {
  const files = new Map(inventory.items.map((item) => [item.item, item.files]))
  return backup.items.map((item) => {
    const listed = item.failure === undefined ? files.get(item.item) : undefined
    return listed === undefined ? item : { ...item, files: listed }
  })
}

function safeName(backup: Backup, name: string): void {
  try {
    assertSafePath(name, 'file name')
  } catch (error) {
    throw refused(backup, error instanceof Error ? error.message : String(error))
  }
}

function fileId(item: string, name: string): string {
  return JSON.stringify([item, name])
}

function refused(backup: Backup, reason: string): BackupError {
  return corrupted(`inventory of backup ${backup.id} is refused: ${reason}`)
}
