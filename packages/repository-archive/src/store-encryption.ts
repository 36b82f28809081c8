import type { StageContents } from '@backup-planet/core'
import type { ArchiveContext } from './archive-context.ts'
import { identityFileName } from './archive-layout.ts'
import { once, sha256Of } from './byte-streams.ts'
import { type EncryptionNote, noteJson } from './store-notes.ts'

/**
 * Decides whom a run encrypts for; `undefined` when nothing shall be encrypted. With a passphrase the identity file is stored before
 * anything that needs it, and noted after that.
 */
export async function beginEncryption(
  { keys, uploader }: ArchiveContext,
  folder: string,
  job: string,
  contents: StageContents,
  signal: AbortSignal,
): Promise<EncryptionNote | undefined> {
  const encryption = await keys.forStoring(job, { signal })
  if (encryption === undefined) return undefined
  const recipients = [...encryption.recipients]
  const { identityFile } = encryption
  let note: EncryptionNote = { type: 'encryption', recipients }
  if (identityFile !== undefined) {
    const identity = { size: identityFile.byteLength, sha256: sha256Of(identityFile) }
    await uploader.upload(`${folder}/${identityFileName}`, { ...identity, open: () => once(identityFile) }, { signal })
    note = { ...note, identity }
  }
  await contents.note(noteJson(note))
  return note
}
