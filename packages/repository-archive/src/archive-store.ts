import {
  abortError,
  assertSafePath,
  type Backup,
  BackupError,
  type CaptureFacts,
  type ItemFacts,
  type ItemFailure,
  type OperationOptions,
  type StageContents,
  type StagedFile,
  type StageEvent,
  type StoreRequest,
  throwIfAborted,
} from '@backup-planet/core'
import { commitBackup, committedBackup } from './archive-commit.ts'
import type { ArchiveContext } from './archive-context.ts'
import { backupFolder, identityFileName } from './archive-layout.ts'
import { beginEncryption } from './store-encryption.ts'
import { type EarlierAttempts, type EncryptionNote, noteJson, type PlannedVolume, readNotes, type StoredVolumeNote } from './store-notes.ts'
import { checkEarlierVolumes, fileKey } from './store-resumption.ts'
import { UploadQueue } from './upload-queue.ts'
import { VolumeNames } from './volume-names.ts'
import { type Volume, VolumePlanner } from './volume-planner.ts'
import { uploadVolume } from './volume-upload.ts'

/** An item as the store sees it while it drains. */
interface StoringItem {
  readonly item: string
  readonly controller: AbortController
  facts: ItemFacts | undefined
  failure: ItemFailure | undefined
}

/** Drains a stage into volumes, and commits. Used once. */
export class ArchiveStore {
  readonly #context: ArchiveContext
  readonly #request: StoreRequest
  readonly #contents: StageContents
  readonly #options: OperationOptions
  readonly #earlier: EarlierAttempts
  readonly #folder: string
  readonly #names: VolumeNames
  readonly #queue: UploadQueue
  readonly #planner: VolumePlanner<StagedFile>
  readonly #controller = new AbortController()
  readonly #items = new Map<string, StoringItem>()
  readonly #planned = new Map<number, PlannedVolume>()
  readonly #stored = new Map<number, StoredVolumeNote>()
  /** Files of volumes that an earlier attempt planned and did not send, as they come again. */
  readonly #expected = new Map<string, number>()
  readonly #returned = new Map<number, StagedFile[]>()
  readonly #alreadyStored = new Set<string>()
  #encryption: EncryptionNote | undefined
  #sequence = 0
  #sealed: CaptureFacts | undefined
  #captureFailed = false

  constructor(context: ArchiveContext, request: StoreRequest, contents: StageContents, options: OperationOptions) {
    this.#context = context
    this.#request = request
    this.#contents = contents
    this.#options = options
    this.#earlier = readNotes(contents.notes)
    this.#folder = this.#earlier.folder ?? backupFolder(request.run)
    this.#queue = new UploadQueue(context.uploader.supports.concurrency)
    const { format, volumeBytes } = context.settings
    this.#names = new VolumeNames(format)
    // A quarter of the budget, so that one volume is filled while others are on their way.
    this.#planner = new VolumePlanner(format === 'files' ? 0 : Math.max(1, Math.min(volumeBytes, Math.floor(contents.budget / 4))))
  }

  async run(): Promise<Backup> {
    const { signal } = this.#options
    throwIfAborted(signal, 'storing the backup')
    const committed = await committedBackup(this.#context, this.#folder, this.#request.run, this.#options)
    if (committed !== undefined) return committed
    const onAbort = () => this.#controller.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      await this.#resume()
      const facts = await this.#drain()
      await this.#queue.finish()
      throwIfAborted(signal, 'storing the backup')
      return await this.#commit(facts)
    } catch (error) {
      this.#controller.abort(error)
      await this.#queue.stop()
      if ((signal?.aborted === true || this.#captureFailed) && !this.#contents.sealed) await this.#removeSent()
      throw signal?.aborted === true ? abortError(signal, 'storing the backup') : error
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  async #resume(): Promise<void> {
    const earlier = this.#earlier
    if (earlier.folder === undefined) await this.#contents.note(noteJson({ type: 'folder', folder: this.#folder }))
    await checkEarlierVolumes(this.#context.uploader, this.#folder, earlier, { signal: this.#controller.signal })
    this.#encryption =
      earlier.encryption ??
      (await beginEncryption(this.#context, this.#folder, this.#request.run.job, this.#contents, this.#controller.signal))
    for (const volume of earlier.planned.values()) {
      this.#sequence = Math.max(this.#sequence, volume.sequence)
      this.#names.reserve(volume.key)
      const stored = earlier.stored.get(volume.sequence)
      const { format } = this.#context.settings
      if (stored === undefined && (volume.format !== format || volume.encrypted !== (this.#encryption !== undefined))) continue
      this.#planned.set(volume.sequence, volume)
      if (stored !== undefined) this.#stored.set(volume.sequence, stored)
      for (const { name } of volume.files) {
        if (stored !== undefined) this.#alreadyStored.add(fileKey(volume.item, name))
        else this.#expected.set(fileKey(volume.item, name), volume.sequence)
      }
    }
  }

  async #drain(): Promise<CaptureFacts> {
    const iterator = this.#contents.drain({ signal: this.#controller.signal })[Symbol.asyncIterator]()
    try {
      for (;;) {
        const next = iterator.next()
        next.catch(() => {
          this.#captureFailed = !this.#controller.signal.aborted
        })
        const result = await Promise.race([next, this.#queue.failure])
        if (result.done === true) break
        await this.#take(result.value)
      }
    } catch (error) {
      this.#controller.abort(error)
      await iterator.return?.(undefined)
      throw error
    }
    if (this.#sealed === undefined) throw new TypeError('the stage ended without being sealed')
    this.#assertNothingMissing()
    return this.#sealed
  }

  async #take(event: StageEvent): Promise<void> {
    switch (event.type) {
      case 'file':
        return this.#takeFile(event.file)
      case 'item': {
        this.#item(event.item.item).facts = event.item
        await this.#enqueue(this.#planner.close(event.item.item))
        return
      }
      case 'item-failed':
        return this.#failItem(event.item, event.failure)
      case 'pressure':
        await this.#enqueue(this.#planner.closeLargest())
        return
      case 'sealed':
        this.#sealed = event.facts
        await this.#enqueue(this.#planner.closeAll())
    }
  }

  async #takeFile(file: StagedFile): Promise<void> {
    assertSafePath(file.name, 'staged file')
    const key = fileKey(file.item, file.name)
    const storing = this.#item(file.item)
    if (storing.failure !== undefined || this.#alreadyStored.has(key)) return file.release()
    const sequence = this.#expected.get(key)
    if (sequence === undefined) return this.#enqueue(this.#planner.add(file))
    const volume = this.#planned.get(sequence)
    if (volume === undefined) throw new TypeError(`volume ${sequence} is not planned`)
    const returned = this.#returned.get(sequence) ?? []
    returned.push(file)
    this.#returned.set(sequence, returned)
    if (returned.length < volume.files.length) return
    this.#returned.delete(sequence)
    this.#upload(volume, returned)
  }

  async #enqueue(volumes: readonly Volume<StagedFile>[]): Promise<void> {
    for (const { item, files } of volumes) {
      const { format } = this.#context.settings
      const encrypted = this.#encryption !== undefined
      this.#sequence++
      const volume: PlannedVolume = {
        type: 'volume',
        sequence: this.#sequence,
        item,
        key: this.#names.allocate(item, this.#sequence, files, encrypted),
        format,
        encrypted,
        files: files.map(({ name, size, sha256 }) => ({ name, size, sha256 })),
      }
      this.#planned.set(volume.sequence, volume)
      await this.#contents.note(noteJson(volume))
      this.#upload(volume, files)
    }
  }

  #upload(volume: PlannedVolume, files: readonly StagedFile[]): void {
    const storing = this.#item(volume.item)
    this.#queue.add(async () => {
      if (storing.failure === undefined) {
        try {
          await this.#send(volume, files, AbortSignal.any([this.#controller.signal, storing.controller.signal]))
        } catch (error) {
          if (!storing.controller.signal.aborted || this.#controller.signal.aborted) throw error
        }
      }
      for (const file of files) await file.release()
    })
  }

  async #send(volume: PlannedVolume, files: readonly StagedFile[], signal: AbortSignal): Promise<void> {
    const upload = {
      context: this.#context,
      folder: this.#folder,
      run: this.#request.run,
      volume,
      files,
      recipients: this.#encryption?.recipients,
    }
    const note = await uploadVolume(upload, { signal, onProgress: this.#options.onProgress })
    this.#stored.set(volume.sequence, note)
    await this.#contents.note(noteJson(note))
  }

  /** The uploads of the item are stopped at once; what is stored of it goes when the run commits. */
  async #failItem(item: string, failure: ItemFailure): Promise<void> {
    const storing = this.#item(item)
    storing.failure = failure
    storing.controller.abort(new BackupError(`item ${item} failed`, { code: 'ABORTED' }))
    this.#options.onProgress?.({ type: 'item', phase: 'store', item, state: 'failed' })
    const held = [...this.#planner.close(item).flatMap((volume) => volume.files), ...this.#takeReturned(item)]
    for (const file of held) await file.release()
  }

  #takeReturned(item: string): StagedFile[] {
    const files: StagedFile[] = []
    for (const [sequence, returned] of this.#returned) {
      if (this.#planned.get(sequence)?.item !== item) continue
      for (const file of returned) files.push(file)
      this.#returned.delete(sequence)
    }
    return files
  }

  /** What an earlier attempt released and did not store can come from nowhere any more. */
  #assertNothingMissing(): void {
    for (const volume of this.#planned.values()) {
      const storing = this.#items.get(volume.item)
      if (storing?.facts === undefined && storing?.failure === undefined) {
        throw new TypeError(`item ${volume.item} was neither sealed nor failed when the stage was`)
      }
    }
    const [sequence] = this.#returned.keys()
    const volume = sequence === undefined ? undefined : this.#planned.get(sequence)
    if (volume === undefined) return
    throw new BackupError(`the stage does not hold all files of ${volume.key} any more`, {
      code: 'CORRUPTED',
      hint: 'Remove this stage and take a new full backup.',
    })
  }

  #commit(facts: CaptureFacts): Promise<Backup> {
    const volumes = [...this.#planned.values()].sort((left, right) => left.sequence - right.sequence)
    const restorable = (item: string) => this.#items.get(item)?.failure === undefined
    return commitBackup({
      context: this.#context,
      request: this.#request,
      folder: this.#folder,
      encryption: this.#encryption,
      facts,
      items: [...this.#items.values()].map(({ item, facts: sealed, failure }) => ({ item, facts: sealed, failure })),
      volumes: volumes.filter((volume) => restorable(volume.item)).map((volume) => ({ volume, stored: this.#stored.get(volume.sequence) })),
      discarded: volumes.filter((volume) => !restorable(volume.item)).map((volume) => volume.key),
      options: this.#options,
    })
  }

  /** Only of a stage that can never be resumed: the files of what was sent are gone from it. */
  async #removeSent(): Promise<void> {
    const keys = [...this.#stored.keys()].map((sequence) => this.#planned.get(sequence)?.key)
    for (const key of [...keys, this.#encryption?.identity === undefined ? undefined : identityFileName]) {
      if (key === undefined) continue
      try {
        await this.#context.uploader.remove(`${this.#folder}/${key}`, { signal: AbortSignal.timeout(30_000) })
      } catch {
        // removeUnfinished finds it; the reason of the abort is what the caller must hear.
      }
    }
  }

  #item(item: string): StoringItem {
    let storing = this.#items.get(item)
    if (storing === undefined) {
      storing = { item, controller: new AbortController(), facts: undefined, failure: undefined }
      this.#items.set(item, storing)
      this.#options.onProgress?.({ type: 'item', phase: 'store', item, state: 'begun' })
    }
    return storing
  }
}
