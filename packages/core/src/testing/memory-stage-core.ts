import type { CaptureFacts, ItemFacts } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { RoomLedger } from '../staging/room-ledger.ts'
import type { JournalRecord } from '../staging/stage-journal.ts'
import type { StageState, TimelineEntry } from '../staging/stage-state.ts'
import { GrowingLog } from './growing-log.ts'
import { type KeptStage, keepRecord, stateOf } from './memory-kept-stage.ts'

/** What both sides of an open memory stage share: what is kept of it, what may be done next, what has happened, and the room that is left. */
export class MemoryStageCore {
  readonly kept: KeptStage
  readonly state: StageState
  readonly room: RoomLedger
  readonly log = new GrowingLog<TimelineEntry | { readonly type: 'pressure' }>()
  readonly sealedItems = new Map<string, ItemFacts>()
  readonly failedItems = new Set<string>()
  facts: CaptureFacts | undefined
  #closed: { readonly cause: unknown } | undefined

  /** @param budget in bytes */
  constructor(kept: KeptStage, budget: number) {
    this.kept = kept
    this.state = stateOf(kept)
    this.room = new RoomLedger(budget, this.state.heldBytes, () => {
      if (this.room.needsRelease) this.press()
    })
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
    this.log.push(entry)
  }

  press(): void {
    this.log.push({ type: 'pressure' })
  }

  /** The capture failed: the drainer gets what was staged, and then `cause`. */
  fail(cause: unknown): void {
    this.state.fail(cause)
    this.log.fail(cause)
    this.room.stop(cause)
  }

  /** Whatever goes on fails at once, and nothing can be kept any more. */
  close(why: string): void {
    if (this.closed) return
    const { id, job } = this.kept.run
    const cause = new BackupError(`stage ${id} of job "${job}" was closed: ${why}`, { code: 'ABORTED' })
    this.#closed = { cause }
    this.log.cut(cause)
    this.fail(cause)
  }
}
