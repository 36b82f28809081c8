import { BackupError, type Json } from '@backup-planet/core'
import * as z from 'zod'
import { archiveFormats } from './archive-settings.ts'

/**
 * What a store notes with the stage: the folder first, then how it encrypts, then each volume before its upload, so that a later attempt makes the same one, and again when it is
 * stored, before its files are released. Between the two notes and the releases nothing can be lost or sent twice.
 */
const file = z.object({ name: z.string(), size: z.int().nonnegative(), sha256: z.string() })

const folderNote = z.object({ type: z.literal('folder'), folder: z.string() })

const plannedVolume = z.object({
  type: z.literal('volume'),
  sequence: z.int(),
  item: z.string(),
  key: z.string(),
  format: z.enum(archiveFormats),
  encrypted: z.boolean(),
  files: z.array(file),
})

/** Decided by the first attempt, so that one backup is never encrypted for two. */
const encryptionNote = z.object({
  type: z.literal('encryption'),
  recipients: z.array(z.string()).min(1),
  identity: z.object({ size: z.int().nonnegative(), sha256: z.string() }).optional(),
})

const storedVolume = z.object({ type: z.literal('stored'), sequence: z.int(), size: z.int().nonnegative(), sha256: z.string() })

const noteSchema = z.discriminatedUnion('type', [folderNote, encryptionNote, plannedVolume, storedVolume])

export type PlannedVolume = z.output<typeof plannedVolume>
export type EncryptionNote = z.output<typeof encryptionNote>
export type FolderNote = z.output<typeof folderNote>
export type StoredVolumeNote = z.output<typeof storedVolume>

export interface EarlierAttempts {
  /** Where the first attempt began to write; a later one must not write anywhere else. */
  readonly folder: string | undefined
  readonly encryption: EncryptionNote | undefined
  readonly planned: ReadonlyMap<number, PlannedVolume>
  readonly stored: ReadonlyMap<number, StoredVolumeNote>
}

export function noteJson(note: FolderNote | EncryptionNote | PlannedVolume | StoredVolumeNote): Json {
  return note as unknown as Json
}

export function readNotes(notes: readonly Json[]): EarlierAttempts {
  let folder: string | undefined
  let encryption: EncryptionNote | undefined
  const planned = new Map<number, PlannedVolume>()
  const stored = new Map<number, StoredVolumeNote>()
  for (const note of notes) {
    const result = noteSchema.safeParse(note)
    if (!result.success) {
      throw new BackupError('the notes of an earlier attempt on this stage are not of an archive repository', {
        code: 'CONFLICT',
        hint: 'Send this stage to the repository that its first attempt went to, or remove the stage and take a new full backup.',
      })
    }
    if (result.data.type === 'folder') folder ??= result.data.folder
    else if (result.data.type === 'encryption') encryption ??= result.data
    else if (result.data.type === 'volume') planned.set(result.data.sequence, result.data)
    else stored.set(result.data.sequence, result.data)
  }
  return { folder, encryption, planned, stored }
}
