import {
  type Backup,
  BackupError,
  type CaptureFacts,
  type ItemFacts,
  type ItemFailure,
  type Manifest,
  type ManifestItem,
  type OperationOptions,
  type StagedRun,
  type StoreRequest,
  throwIfAborted,
} from '@backup-planet/core'
import { encrypted } from './age-content.ts'
import { type ArchiveContext, below } from './archive-context.ts'
import { inventoryBytes } from './archive-inventory.ts'
import { encryptedSuffix, guideName, identityFileName, inventoryName, manifestName, namesName } from './archive-layout.ts'
import { downloadManifest, largestManifest, manifestBytes, sealManifest } from './archive-manifest.ts'
import { type StoredArchive, type StoredObject, storageOf, storedObjects } from './archive-storage.ts'
import { collect, once, sha256Of } from './byte-streams.ts'
import { namesBytes, restoreGuideText } from './restore-guide.ts'
import type { EncryptionNote, PlannedVolume, StoredVolumeNote } from './store-notes.ts'

export interface CommitRequest {
  readonly context: ArchiveContext
  readonly request: StoreRequest
  readonly folder: string
  readonly encryption: EncryptionNote | undefined
  readonly facts: CaptureFacts
  readonly items: readonly { readonly item: string; readonly facts: ItemFacts | undefined; readonly failure: ItemFailure | undefined }[]
  readonly volumes: readonly { readonly volume: PlannedVolume; readonly stored: StoredVolumeNote | undefined }[]
  /** Keys of failed items. */
  readonly discarded: readonly string[]
  readonly options: OperationOptions
}

/** The backup of this run when an attempt before this one has committed it. */
export async function committedBackup(
  { uploader }: ArchiveContext,
  folder: string,
  run: StagedRun,
  options: OperationOptions,
): Promise<Backup | undefined> {
  const key = `${folder}/${manifestName}`
  const found = await uploader.stat(key, below(options))
  if (found === undefined) return undefined
  const backup = await downloadManifest(uploader, folder, found.size, options)
  if (backup.id === run.id && backup.job === run.job) return backup
  throw new BackupError(`${folder} holds backup ${backup.id}, not ${run.id}`, {
    code: 'ALREADY_EXISTS',
    hint: 'Give every run an identity of its own.',
  })
}

/** Everything beside the volumes, and the manifest last. */
export async function commitBackup(commit: CommitRequest): Promise<Backup> {
  const { context, folder, encryption, options } = commit
  const secret = encryption !== undefined
  const archives = commit.volumes.map(({ volume, stored }) => archiveOf(volume, stored))
  const items = commit.items.map((item) => manifestItem(commit, item))
  const listed = items.filter((item) => item.failure === undefined).map(({ item, files }) => ({ item, files: files ?? [] }))
  const inventory = secret
    ? await put(
        inventoryName,
        inventoryBytes({ items: listed, archives: archives.map(({ key, files }) => ({ key, files: files ?? [] })) }),
        true,
      )
    : undefined
  const named = archives.filter((archive) => archive.format === 'files')
  const names = named.length === 0 ? undefined : await put(secret ? `${namesName}${encryptedSuffix}` : namesName, namesBytes(named), secret)
  const manifest: Omit<Manifest, 'storage'> = {
    format: 'backup-planet/manifest/1',
    id: commit.request.run.id,
    job: commit.request.run.job,
    application: commit.facts.application,
    agent: { version: commit.request.agent.version },
    source: commit.facts.source,
    kind: commit.facts.kind,
    status: items.some((item) => item.failure !== undefined) ? 'partial' : 'complete',
    beganAt: commit.request.run.beganAt,
    ...(commit.request.run.limitedTo === undefined ? {} : { limitedTo: commit.request.run.limitedTo }),
    consistentAt: commit.facts.consistentAt,
    endedAt: new Date().toISOString(),
    ...(commit.facts.from === undefined ? {} : { from: commit.facts.from }),
    ...(commit.facts.position === undefined ? {} : { position: commit.facts.position }),
    ...(commit.facts.covers === undefined ? {} : { covers: commit.facts.covers }),
    items: secret ? items.map(withoutFiles) : items,
    facts: commit.facts.facts,
  }
  const guide = await put(
    guideName,
    Buffer.from(restoreGuideText({ manifest, archives, names, encryption, restoreGuide: commit.facts.restoreGuide })),
    false,
  )
  const backup = sealManifest(manifest, {
    format: 'archive/1',
    folder,
    archives: secret ? archives.map(({ files: _, ...archive }) => archive) : archives,
    guide,
    ...(encryption?.identity === undefined ? {} : { identity: { key: identityFileName, ...encryption.identity } }),
    ...(inventory === undefined ? {} : { inventory }),
    ...(names === undefined ? {} : { names }),
  })
  await assertAllThere(commit, backup)
  await put(manifestName, manifestBytes(backup), false)
  // Only now: an attempt that fails before must find everything that it noted as stored.
  await removeDiscarded(commit)
  for (const item of backup.items) {
    if (item.failure === undefined) options.onProgress?.({ type: 'item', phase: 'store', item: item.item, state: 'ended' })
  }
  return backup

  async function put(key: string, plain: Uint8Array, encrypt: boolean): Promise<StoredObject> {
    throwIfAborted(options.signal, 'storing the backup')
    const bytes = encrypt && encryption !== undefined ? await collect(encrypted(once(plain), encryption.recipients)) : plain
    const size = bytes.byteLength
    if (plain.byteLength > largestManifest) throw tooManyFiles(key, plain.byteLength)
    const sha256 = sha256Of(bytes)
    const remote = await context.uploader.upload(`${folder}/${key}`, { size, sha256, open: () => once(bytes) }, below(options))
    if (remote.size !== size) {
      throw new BackupError(`object ${remote.key} was stored with ${remote.size} of ${size} bytes`, {
        code: 'CORRUPTED',
        retryable: true,
        hint: 'Run the backup again; if it happens again, do not trust this destination.',
      })
    }
    return { key, size, sha256 }
  }
}

/** A store may have lost what it had taken, by whatever hand: the record must not promise it. */
async function assertAllThere({ context, folder, options }: CommitRequest, backup: Backup): Promise<void> {
  const there = new Map<string, number>()
  for await (const { key, size } of context.uploader.list(`${folder}/`, below(options))) there.set(key, size)
  for (const { key, size } of storedObjects(storageOf(backup))) {
    const found = there.get(`${folder}/${key}`)
    if (found === size) continue
    throw new BackupError(
      `object ${folder}/${key} was stored and ${found === undefined ? 'is gone' : `has ${found} instead of ${size} bytes`}`,
      {
        code: found === undefined ? 'NOT_FOUND' : 'CORRUPTED',
        hint: 'Find out who else writes into this destination: another host that clears it, a lifecycle rule of the store, or somebody by hand. Then run again.',
      },
    )
  }
}

function tooManyFiles(key: string, bytes: number): BackupError {
  return new BackupError(`${key} would have ${bytes} bytes, more than the ${largestManifest} that can be read again`, {
    code: 'UNSUPPORTED',
    hint: 'One backup holds about a million files at most: split the job into several with fewer items each.',
  })
}

/** An object that stays is not referenced, so it can only cost space; verify names it. */
async function removeDiscarded({ context, folder, discarded, options }: CommitRequest): Promise<void> {
  for (const key of discarded) {
    try {
      await context.uploader.remove(`${folder}/${key}`, below(options))
    } catch (error) {
      options.onProgress?.({
        type: 'problem',
        problem: {
          severity: 'warning',
          code: context.uploader.classify(error),
          message: `object ${folder}/${key} of a failed item could not be removed`,
          hint: 'It only costs space. It goes when this backup is removed.',
        },
      })
    }
  }
}

function archiveOf(volume: PlannedVolume, stored: StoredVolumeNote | undefined): StoredArchive {
  if (stored === undefined) throw new TypeError(`volume ${volume.key} is not stored`)
  const { item, key, format, encrypted: isEncrypted } = volume
  return {
    key,
    size: stored.size,
    sha256: stored.sha256,
    item,
    format,
    encrypted: isEncrypted,
    files: volume.files.map((file) => file.name),
  }
}

function manifestItem(commit: CommitRequest, { item, facts, failure }: CommitRequest['items'][number]): ManifestItem {
  if (failure !== undefined) return { item, facts: facts?.facts ?? {}, failure }
  if (facts === undefined) throw new TypeError(`item ${item} was neither sealed nor failed when the stage was`)
  const files = commit.volumes.filter(({ volume }) => volume.item === item).flatMap(({ volume }) => volume.files)
  return {
    item,
    ...(facts.from === undefined ? {} : { from: facts.from }),
    ...(facts.to === undefined ? {} : { to: facts.to }),
    ...(facts.bytes === undefined ? {} : { bytes: facts.bytes }),
    facts: facts.facts,
    files,
  }
}

function withoutFiles({ files: _, ...item }: ManifestItem): ManifestItem {
  return item
}
