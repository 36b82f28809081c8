import { BackupError, type Json } from '@backup-planet/core'
import * as z from 'zod'
import { isStorageId, type StorageId } from '../format/storage-id.ts'

/** A file whose content is in the store. */
export interface StoredFile {
  readonly item: string
  readonly name: string
  readonly size: number
  readonly sha256: string
  /** Which file of the run it is, counted from 0. */
  readonly order: number
  /** Its blobs. */
  readonly content: readonly StorageId[]
}

const storageId = z.custom<StorageId>(isStorageId, 'no storage id')

/**
 * What a store notes with the stage before it releases files. A later attempt finds the packs that they lie in by their headers, should
 * no index have been written.
 */
const noteSchema = z.strictObject({
  type: z.literal('stored'),
  files: z.array(
    z.strictObject({
      item: z.string(),
      name: z.string(),
      size: z.int().min(0),
      sha256: z.string(),
      order: z.int().min(0),
      content: z.array(storageId),
    }),
  ),
})

export function storedNote(files: readonly StoredFile[]): Json {
  return { type: 'stored', files } as unknown as Json
}

/** The files that earlier attempts have stored. Throws `CONFLICT` for notes of another kind of repository. */
export function readNotes(notes: readonly Json[]): readonly StoredFile[] {
  const files: StoredFile[] = []
  for (const note of notes) {
    const result = noteSchema.safeParse(note)
    if (!result.success) {
      throw new BackupError('the notes of an earlier attempt on this stage are not of a restic repository', {
        code: 'CONFLICT',
        hint: 'The job was moved to another kind of repository while a run waited to be sent. Move it back for one run, or remove the stage.',
      })
    }
    files.push(...result.data.files)
  }
  return files
}
