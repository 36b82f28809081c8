import { rm } from 'node:fs/promises'
import type { CaptureFacts, ItemFacts } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { RoomLedger } from '../staging/room-ledger.ts'
import { StageEvents } from '../staging/stage-events.ts'
import type { JournalRecord } from '../staging/stage-journal.ts'
import type { StageState, TimelineEntry } from '../staging/stage-state.ts'
import type { LocalFile } from '../staging/staged-file.ts'
import { type KeptStage, keepRecord, stateOf } from './memory-kept-stage.ts'
import { memoryStagedFile } from './memory-staged-file.ts'

/** What both sides of an open memory stage share: what is kept of it, what may be done next, what has happened, and the room that is left. */
export class MemoryStageCore {
  readonly kept: KeptStage
  readonly state: StageState
  readonly room: RoomLedger
  readonly events: StageEvents
  /** What a drainer did, as `item/name`, in order. */
  readonly opened: string[] = []
  readonly released: string[] = []
  readonly sealedItems = new Map<string, ItemFacts>()
  readonly failedItems = new Set<string>()
  facts: CaptureFacts | undefined
  #pressed = false
  #closed: { readonly cause: unknown } | undefined

  /** @param budget in bytes */
  constructor(kept: KeptStage, budget: number) {
    this.kept = kept
    this.state = stateOf(kept)
    this.room = new RoomLedger(budget, this.state.heldBytes, () => this.events.roomChanged())
    this.events = new StageEvents(
      () => this.room.needsRelease || (this.#pressed && this.room.held > 0),
      (cause) => this.room.stop(cause),
      'budgetBytes',
    )
    for (const entry of this.state.timeline) this.append(entry)
  }

  get closed(): boolean {
    return this.#closed !== undefined
  }

  /** Throws once the stage is closed: what it keeps belongs to somebody else then. */
  keep(record: JournalRecord): void {
    if (this.#closed !== undefined) throw this.#closed.cause
    keepRecord(this.kept, record)
  }

  append(entry: TimelineEntry): void {
    if (entry.type === 'item') this.sealedItems.set(entry.item.item, entry.item)
    else if (entry.type === 'item-failed') this.failedItems.add(entry.item)
    else if (entry.type === 'sealed') this.facts = entry.facts
    this.events.push(entry.type === 'file' ? { ...entry, file: this.#stagedFile(entry.local) } : entry)
  }

  /** Removes a file and frees its room; false when that was done before, or the file belongs to somebody else by now. */
  async drop(local: LocalFile): Promise<boolean> {
    if (this.closed || !local.claimRemoval()) return false
    const { item, name, path, size } = local.facts
    this.keep({ type: 'released', item, name })
    if (!this.kept.contents.delete(path)) await rm(path, { force: true })
    this.#pressed = false
    this.room.free(size)
    return true
  }

  press(): void {
    this.#pressed = true
    this.events.roomChanged()
  }

  /** The capture failed: the drain throws `cause`, whatever it has not given yet. */
  fail(cause: unknown): void {
    this.state.fail(cause)
    this.events.fail(cause)
    this.room.stop(cause)
  }

  /** Whatever goes on fails at once, and nothing can be kept any more. */
  close(why: string): void {
    if (this.closed) return
    const { id, job } = this.kept.run
    const cause = new BackupError(`stage ${id} of job "${job}" was closed: ${why}`, { code: 'ABORTED' })
    this.#closed = { cause }
    this.fail(cause)
  }

  #stagedFile(local: LocalFile) {
    const label = `${local.facts.item}/${local.facts.name}`
    return memoryStagedFile({
      local,
      written: this.kept.contents,
      onOpen: () => this.opened.push(label),
      release: async () => {
        if (await this.drop(local)) this.released.push(label)
      },
    })
  }
}
