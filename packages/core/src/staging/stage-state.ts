import type { CaptureFacts, ItemFacts, ItemFailure, Json } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import type { JournalRecord } from './stage-journal.ts'
import { itemFilePath } from './stage-paths.ts'
import { LocalFile } from './staged-file.ts'

export type TimelineEntry =
  | { readonly type: 'file'; readonly local: LocalFile }
  | { readonly type: 'item'; readonly item: ItemFacts }
  | { readonly type: 'item-failed'; readonly item: string; readonly failure: ItemFailure }
  | { readonly type: 'sealed'; readonly facts: CaptureFacts }

interface ItemState {
  state: 'open' | 'ended' | 'failed'
  failure: ItemFailure | undefined
  filling: number
  readonly names: Set<string>
  readonly files: LocalFile[]
}

/** What may be done with a stage next. Mistakes of an agent's author are TypeErrors. */
export class StageState {
  readonly timeline: TimelineEntry[] = []
  readonly notes: Json[] = []
  readonly #items = new Map<string, ItemState>()
  #sealed = false
  #failed: { readonly cause: unknown } | undefined

  /** The state that a journal leads to. Files of failed items and released files are not in it. */
  static replay(records: readonly JournalRecord[], directory: string): StageState {
    const state = new StageState()
    const released = new Set<string>()
    const failed = new Set<string>()
    for (const record of records) {
      if (record.type === 'released') released.add(JSON.stringify([record.item, record.name]))
      else if (record.type === 'item-failed') failed.add(record.item)
    }
    for (const record of records) {
      switch (record.type) {
        case 'file': {
          const { type: _, modified, ...facts } = record
          const item = state.#item(record.item)
          item.names.add(record.name)
          if (failed.has(record.item) || released.has(JSON.stringify([record.item, record.name]))) break
          const path = itemFilePath(directory, record.item, record.name)
          const local = new LocalFile({ ...facts, path, modifiedMilliseconds: modified })
          item.files.push(local)
          state.timeline.push({ type: 'file', local })
          break
        }
        case 'item':
          state.#item(record.facts.item).state = 'ended'
          state.timeline.push({ type: 'item', item: record.facts })
          break
        case 'item-failed':
          state.#item(record.item).state = 'failed'
          state.timeline.push(record)
          break
        case 'note':
          state.notes.push(record.note)
          break
        case 'sealed':
          state.#sealed = true
          state.timeline.push(record)
          break
        default:
      }
    }
    return state
  }

  get sealed(): boolean {
    return this.#sealed
  }

  get heldBytes(): number {
    return this.remaining().reduce((sum, file) => sum + file.facts.size, 0)
  }

  /** Complete files that have not been released. */
  remaining(): LocalFile[] {
    return [...this.#items.values()].flatMap((item) => item.files.filter((file) => !file.gone))
  }

  /** Nothing can be added any more. */
  fail(cause: unknown): void {
    this.#failed ??= { cause }
  }

  assertOpen(item: string): ItemState {
    if (this.#failed !== undefined) throw this.#failed.cause
    if (this.#sealed) throw new TypeError('this stage is sealed')
    const state = this.#item(item)
    if (state.state !== 'open') throw new TypeError(`item "${item}" has ${state.state === 'ended' ? 'been sealed' : 'failed'} already`)
    return state
  }

  /** Takes a name. Call the returned function once, with whether the file is there now. */
  beginFile(item: string, name: string): (complete: boolean) => void {
    const state = this.assertOpen(item)
    if (state.names.has(name)) {
      throw new BackupError(`file ${item}/${name} is staged twice`, {
        code: 'ALREADY_EXISTS',
        hint: 'Two things in this item lead to the same file name; rename one of them in the application.',
      })
    }
    state.names.add(name)
    state.filling++
    return (complete) => {
      state.filling--
      if (!complete) state.names.delete(name)
    }
  }

  /** Throws when the item or the whole stage was given up while one of its files was filled. */
  assertStillWanted(item: string): void {
    if (this.#failed !== undefined) throw this.#failed.cause
    const { failure } = this.#item(item)
    if (failure === undefined) return
    throw new BackupError(`item "${item}" was given up: ${failure.message}`, { code: failure.code, hint: failure.hint })
  }

  addFile(local: LocalFile): void {
    this.#item(local.facts.item).files.push(local)
  }

  endItem(item: string): void {
    const state = this.assertOpen(item)
    if (state.filling > 0) throw new TypeError(`item "${item}" cannot be sealed while ${state.filling} of its files are being written`)
    state.state = 'ended'
  }

  failItem(item: string, failure: ItemFailure): readonly LocalFile[] {
    const state = this.assertOpen(item)
    state.state = 'failed'
    state.failure = failure
    return state.files
  }

  /** Takes back `endItem` or `failItem` where it could not be made durable: the agent decides again. */
  reopenItem(item: string): void {
    Object.assign(this.#item(item), { state: 'open', failure: undefined })
  }

  assertComplete(): void {
    if (this.#failed !== undefined) throw this.#failed.cause
    if (this.#sealed) throw new TypeError('this stage is sealed')
    for (const [name, item] of this.#items) {
      if (item.filling > 0) throw new TypeError(`the stage cannot be sealed while files of item "${name}" are being written`)
      if (item.state === 'open') throw new TypeError(`the stage cannot be sealed: item "${name}" is neither sealed nor failed`)
    }
  }

  seal(): void {
    this.#sealed = true
  }

  #item(item: string): ItemState {
    let state = this.#items.get(item)
    if (state === undefined) {
      state = { state: 'open', failure: undefined, filling: 0, names: new Set(), files: [] }
      this.#items.set(item, state)
    }
    return state
  }
}
