import { rm } from 'node:fs/promises'
import path from 'node:path'
import type {
  CaptureFacts,
  ItemFacts,
  ItemFailure,
  Json,
  OperationOptions,
  RunStage,
  Stage,
  StageContents,
  StagedFile,
  StagedFileFacts,
  StagedRun,
} from '../contracts/index.ts'
import { syncFolder } from '../disk/sync-folder.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { encodeSegment } from '../naming/path-segment.ts'
import { adoptFile } from './adopt-file.ts'
import { diskError, type FreeSpaceGuard } from './disk-errors.ts'
import { writeNewFile } from './file-writer.ts'
import type { JobLock } from './job-lock.ts'
import { RoomLedger } from './room-ledger.ts'
import { StageEvents } from './stage-events.ts'
import { itemsFolder, removeStageFolder } from './stage-folder.ts'
import type { JournalRecord, StageJournal } from './stage-journal.ts'
import { createParents, itemFilePath } from './stage-paths.ts'
import { StageState } from './stage-state.ts'
import { LocalFile, type LocalFileFacts, readUnchanged, readUnchangedInto } from './staged-file.ts'
import { syncFiles } from './sync-files.ts'

export interface DirectoryRunStageParts {
  readonly folder: string
  readonly run: StagedRun
  readonly records: readonly JournalRecord[]
  readonly journal: StageJournal
  readonly lock: JobLock
  readonly budget: number
  readonly abandonedRuns: readonly string[]
  readonly space: FreeSpaceGuard
  /** How hints call the setting that the budget comes from. */
  readonly budgetName: string
}

/** A stage on the local disk: both sides of it, one journal, one budget. */
export class DirectoryRunStage implements RunStage {
  readonly run: StagedRun
  readonly stage: Stage
  readonly contents: StageContents
  readonly abandonedRuns: readonly string[]
  readonly #parts: DirectoryRunStageParts
  readonly #directory: string
  readonly #state: StageState
  readonly #ledger: RoomLedger
  readonly #events: StageEvents
  readonly #notes: Json[]
  #sealing = false
  #closed = false

  constructor(parts: DirectoryRunStageParts) {
    this.run = parts.run
    this.abandonedRuns = parts.abandonedRuns
    this.#parts = parts
    this.#directory = path.join(parts.folder, itemsFolder)
    this.#state = StageState.replay(parts.records, this.#directory)
    this.#sealing = this.#state.sealed
    this.#notes = [...this.#state.notes]
    const ledger: RoomLedger = new RoomLedger(parts.budget, this.#state.heldBytes, () => this.#events?.roomChanged(), parts.budgetName)
    this.#ledger = ledger
    this.#events = new StageEvents(
      () => ledger.needsRelease,
      (cause) => ledger.stop(cause),
      parts.budgetName,
    )
    for (const entry of this.#state.timeline) {
      this.#events.push(entry.type === 'file' ? { type: 'file', local: entry.local, file: this.#stagedFile(entry.local) } : entry)
    }
    this.stage = {
      directory: this.#directory,
      largestFile: ledger.largestFile,
      folder: (item) => this.#folder(item),
      write: (file, content, options) => this.#write(file, content, options),
      adopt: (file, options) => this.#adopt(file, options),
      sealItem: (facts) => this.#sealItem(facts),
      failItem: (item, failure) => this.#failItem(item, failure),
      seal: (facts) => this.#seal(facts),
    }
    const isSealed = () => this.#sealing
    this.contents = {
      budget: parts.budget,
      get sealed() {
        return isSealed()
      },
      drain: (options) => this.#events.drain(options),
      notes: this.#notes,
      note: async (note) => {
        await parts.journal.append({ type: 'note', note })
        await parts.journal.sync()
        this.#notes.push(note)
      },
    }
  }

  get sealed(): boolean {
    return this.#state.sealed
  }

  stopDraining(cause: unknown): void {
    this.#ledger.stop(cause)
  }

  stopFilling(cause: unknown): void {
    if (this.sealed) return
    this.#state.fail(cause)
    this.#events.fail(cause)
    this.#ledger.stop(cause)
  }

  async remove(): Promise<void> {
    await this.#close(true)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close(!this.sealed)
  }

  async #close(remove: boolean): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const cause = new BackupError(`stage ${this.run.id} of job "${this.run.job}" was closed`, { code: 'ABORTED' })
    this.#state.fail(cause)
    this.#events.fail(cause)
    this.#ledger.stop(cause)
    try {
      await this.#parts.journal.close()
      if (remove) await removeStageFolder(this.#parts.folder)
    } catch (error) {
      throw diskError(error, 'remove', this.#parts.folder)
    } finally {
      await this.#parts.lock.release()
    }
  }

  async #folder(item: string): Promise<string> {
    this.#state.assertOpen(item)
    const folder = path.join(this.#directory, encodeSegment(item))
    await createParents(this.#directory, path.join(folder, '-'))
    return folder
  }

  async #write(
    file: { readonly item: string; readonly name: string },
    content: AsyncIterable<Uint8Array>,
    options: OperationOptions = {},
  ): Promise<StagedFileFacts> {
    const { item, name } = file
    throwIfAborted(options.signal, `staging ${item}/${name}`)
    const target = itemFilePath(this.#directory, item, name)
    return this.#fill(item, name, async (grow) => {
      await createParents(this.#directory, target)
      await this.#parts.space.require(0, true)
      const before = async (bytes: number) => {
        await grow(bytes, options.signal)
        await this.#parts.space.require(bytes)
      }
      const written = await writeNewFile(target, content, { signal: options.signal, before })
      return { item, name, path: target, ...written }
    })
  }

  async #adopt(file: { readonly item: string; readonly name: string }, options: OperationOptions = {}): Promise<StagedFileFacts> {
    const { item, name } = file
    throwIfAborted(options.signal, `staging ${item}/${name}`)
    const target = itemFilePath(this.#directory, item, name)
    return this.#fill(item, name, async (grow) => {
      const adopted = await adoptFile(this.#directory, target, { signal: options.signal, before: (bytes) => grow(bytes, options.signal) })
      return { item, name, path: target, ...adopted }
    })
  }

  /** What `write` and `adopt` have in common: the name is taken, the room is claimed, the file is journaled, nothing is left on failure. */
  async #fill(
    item: string,
    name: string,
    fill: (grow: (bytes: number, signal?: AbortSignal) => Promise<void>) => Promise<LocalFileFacts>,
  ): Promise<StagedFileFacts> {
    const ended = this.#state.beginFile(item, name)
    const claim = this.#ledger.begin(`${item}/${name}`)
    let facts: LocalFileFacts | undefined
    try {
      facts = await fill((bytes, signal) => claim.grow(bytes, signal))
      this.#state.assertStillWanted(item)
      const { path: _, modifiedMilliseconds, ...staged } = facts
      await this.#parts.journal.append({ type: 'file', ...staged, modified: modifiedMilliseconds })
      this.#state.assertStillWanted(item)
      claim.keep()
      const local = new LocalFile(facts)
      this.#state.addFile(local)
      this.#events.push({ type: 'file', local, file: this.#stagedFile(local) })
      ended(true)
      return staged
    } catch (error) {
      if (facts !== undefined) await rm(facts.path, { force: true })
      claim.abandon()
      ended(false)
      throw diskError(error, 'write', this.#directory)
    }
  }

  #stagedFile(local: LocalFile): StagedFile {
    const { path: _, modifiedMilliseconds: __, ...facts } = local.facts
    return {
      ...facts,
      open: (range) => readUnchanged(local.facts, range),
      readInto: (room) => readUnchangedInto(local.facts, room),
      release: () => this.#release(local),
    }
  }

  /** Journal first, then the disk: a sealed stage that is resumed must know why a file is not there. */
  async #release(local: LocalFile): Promise<void> {
    if (!local.claimRemoval()) return
    const { item, name, size } = local.facts
    if (!this.#closed) {
      await this.#parts.journal.append({ type: 'released', item, name })
      if (this.#sealing) await this.#parts.journal.sync()
    }
    await rm(local.facts.path, { force: true })
    this.#ledger.free(size)
  }

  async #sealItem(facts: ItemFacts): Promise<void> {
    this.#state.endItem(facts.item)
    await this.#endItem(facts.item, { type: 'item', facts })
    this.#events.push({ type: 'item', item: facts })
  }

  async #failItem(item: string, failure: ItemFailure): Promise<void> {
    const files = this.#state.failItem(item, failure)
    await this.#endItem(item, { type: 'item-failed', item, failure })
    this.#events.push({ type: 'item-failed', item, failure })
    // What the drainer already has stays until it lets go; the rest is of no use to anybody.
    for (const local of files) if (!local.offered) await this.#release(local)
  }

  async #endItem(item: string, record: JournalRecord): Promise<void> {
    try {
      await this.#parts.journal.append(record)
      await this.#parts.journal.sync()
    } catch (error) {
      this.#state.reopenItem(item)
      throw error
    }
  }

  async #seal(facts: CaptureFacts): Promise<void> {
    this.#state.assertComplete()
    this.#sealing = true
    try {
      await syncFiles(this.#directory, () => this.#state.remaining())
      await this.#parts.journal.append({ type: 'sealed', facts })
      await this.#parts.journal.sync()
      await syncFolder(this.#parts.folder)
    } catch (error) {
      this.#sealing = false
      throw diskError(error, 'write', this.#parts.folder)
    }
    this.#state.seal()
    this.#events.push({ type: 'sealed', facts })
  }
}
