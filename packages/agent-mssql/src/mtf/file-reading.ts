import { assertBytes, type BackupFileError, damaged, tooLarge, truncated } from './backup-file-damage.ts'
import type { BackupFileFacts, BackupSetFacts, MediaFacts } from './backup-file-facts.ts'
import type { WalkEvent } from './block-walk.ts'
import { readDatabaseBackup } from './database-backup-facts.ts'
import { readMediaHeader, readStripes, stripeBytes } from './media-header.ts'
import { readSetHeader } from './set-header.ts'
import type { SourceWindow } from './source-window.ts'

type BlockEvent = Extract<WalkEvent, { type: 'block' }>
type StreamEvent = Extract<WalkEvent, { type: 'stream' }>

/** Where in the file the walk is: before any set, in one, behind its ESET, or behind the mark that ends it. */
type Place = 'media' | 'set' | 'ending' | 'between'

/** More than five weeks of logs, each five minutes, appended to one file; each keeps its facts in memory. */
const mostSets = 10_000
/** The description of 13000 files; SQL Server writes 1.2 kB for one. */
const mostDescriptionBytes = 16 * 1024 * 1024
const mostDescriptionBytesOfAll = 128 * 1024 * 1024

/** Puts the facts of a file together while its blocks are walked, in the only order in which SQL Server writes them. */
export class FileReading {
  readonly #window: SourceWindow
  #media: MediaFacts | undefined
  readonly #sets: BackupSetFacts[] = []
  /** What the description at the beginning of the set said of each. */
  readonly #begun = new Map<number, BackupSetFacts['backup']>()
  readonly #unended: BackupSetFacts[] = []
  #place: Place = 'media'
  #descriptionBytes = 0

  constructor(window: SourceWindow) {
    this.#window = window
  }

  get mayEnd(): boolean {
    return this.#place === 'between'
  }

  /** Sets that another one follows although they have no end. */
  get unended(): readonly BackupSetFacts[] {
    return this.#unended
  }

  /** What the set said of its backup before the data; of a set that is described twice. */
  begunWith(set: BackupSetFacts): BackupSetFacts['backup'] {
    return this.#begun.get(set.offset)
  }

  /** As far as it was read; `undefined` before the header of the medium. */
  facts(walkedWhole: boolean): BackupFileFacts | undefined {
    if (this.#media === undefined) return undefined
    return { bytes: this.#window.size, media: this.#media, sets: this.#sets, complete: walkedWhole && this.mayEnd }
  }

  async take(event: WalkEvent): Promise<void> {
    if (event.type === 'block') this.#takeBlock(event)
    else await this.#takeStream(event)
  }

  /** What is missing when the file ends here. */
  missingEnd(): BackupFileError | undefined {
    const size = this.#window.size
    if (this.#place === 'between') return undefined
    const set = this.#sets.at(-1)
    if (set === undefined) return truncated(size, size, 'before any backup set')
    const missing = this.#place === 'set' ? 'its end (block ESET)' : 'the mark behind it (block SFMB)'
    return truncated(size, size, `and of set ${set.position} ${missing} is missing`)
  }

  #takeBlock({ header, bytes, offset }: BlockEvent): void {
    const { type } = header
    if (this.#media === undefined) this.#media = readMediaHeader(header, bytes, offset)
    else if (type === 'SSET') this.#beginSet(readSetHeader(header, bytes, offset))
    else if (type === 'SFMB') this.#place = this.#place === 'ending' ? 'between' : this.#place
    else if (type === 'ESET' && (this.#place === 'set' || this.#place === 'ending')) this.#place = 'ending'
    else if (type === 'TAPE' || this.#place !== 'set') throw damaged(offset, `block ${type} stands outside of a set`)
  }

  #beginSet(set: BackupSetFacts): void {
    if (this.#sets.length === mostSets) throw tooLarge(set.offset, `it has more than ${mostSets} sets`)
    const before = this.#sets.at(-1)
    if (before !== undefined && this.#place !== 'between') this.#unended.push(before)
    this.#sets.push(set)
    this.#place = 'set'
  }

  async #takeStream({ block, id, offset, length }: StreamEvent): Promise<void> {
    if (block === 'TAPE' && id === 'RAID' && this.#media !== undefined) {
      assertBytes(length, stripeBytes, { what: 'stream RAID', offset })
      this.#media = { ...this.#media, ...readStripes(await this.#window.bytes(offset, stripeBytes), offset) }
    } else if (id === 'MQCI' && (block === 'MSCI' || block === 'MSLS')) {
      await this.#takeDescription(block, offset, length)
    }
  }

  /** The set is described before its data and behind it; only the latter has the final size and the time of the end. */
  async #takeDescription(block: string, offset: number, length: number): Promise<void> {
    const set = this.#sets.at(-1)
    this.#descriptionBytes += length
    if (length > mostDescriptionBytes || this.#descriptionBytes > mostDescriptionBytesOfAll) {
      throw tooLarge(offset, `its description has ${length} bytes`)
    }
    if (set === undefined) throw damaged(offset, `stream MQCI of block ${block} stands outside of a set`)
    const backup = readDatabaseBackup(await this.#window.bytes(offset, length), offset)
    const isFinal = block === 'MSLS'
    if (!isFinal) this.#begun.set(set.offset, backup)
    this.#sets[this.#sets.length - 1] = { ...set, backup, isFinal }
  }
}
