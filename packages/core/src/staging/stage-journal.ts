import { type FileHandle, open, readFile } from 'node:fs/promises'
import path from 'node:path'
import * as z from 'zod'
import type { CaptureFacts, ItemFacts, ItemFailure, Json, StagedRun } from '../contracts/index.ts'
import { isSafePath } from '../naming/safe-path.ts'
import { diskError } from './disk-errors.ts'

export const journalName = 'stage.journal'

/** One line of the journal. A line counts once it ends in a line feed; everything from the first broken one on is void. */
export type JournalRecord =
  | { readonly type: 'begun'; readonly format: 'backup-planet/stage/1'; readonly run: StagedRun }
  | {
      readonly type: 'file'
      readonly item: string
      readonly name: string
      readonly size: number
      readonly sha256: string
      readonly modified: number
    }
  | { readonly type: 'item'; readonly facts: ItemFacts }
  | { readonly type: 'item-failed'; readonly item: string; readonly failure: ItemFailure }
  | { readonly type: 'released'; readonly item: string; readonly name: string }
  | { readonly type: 'note'; readonly note: Json }
  | { readonly type: 'sealed'; readonly facts: CaptureFacts }

const text = z.string()
const fileName = z.string().refine(isSafePath)
/** Facts are written by ourselves and only carried along; what decides about files is checked. */
const recordSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('begun'),
    format: z.literal('backup-planet/stage/1'),
    run: z.strictObject({ job: text, id: text, beganAt: text, limitedTo: z.array(text).optional() }),
  }),
  z.object({
    type: z.literal('file'),
    item: text,
    name: fileName,
    size: z.int().nonnegative(),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    modified: z.number(),
  }),
  z.object({ type: z.literal('item'), facts: z.looseObject({ item: text }) }),
  z.object({ type: z.literal('item-failed'), item: text, failure: z.looseObject({ code: text, message: text }) }),
  z.object({ type: z.literal('released'), item: text, name: fileName }),
  z.object({ type: z.literal('note'), note: z.unknown() }),
  z.object({ type: z.literal('sealed'), facts: z.looseObject({ application: text, kind: text }) }),
])

export interface JournalContent {
  readonly records: readonly JournalRecord[]
  /** Length of the part that counts, in bytes; what follows is a torn tail. */
  readonly bytes: number
}

/** `undefined` where there is no journal. Never fails because of what the journal holds. */
export async function readJournal(folder: string): Promise<JournalContent | undefined> {
  let content: Buffer
  try {
    content = await readFile(path.join(folder, journalName))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw diskError(error, 'read', path.join(folder, journalName))
  }
  const records: JournalRecord[] = []
  let begin = 0
  for (let end = content.indexOf(10); end >= 0; end = content.indexOf(10, begin)) {
    const record = parseRecord(content.toString('utf8', begin, end))
    if (record === undefined || (records.length === 0) !== (record.type === 'begun')) break
    records.push(record)
    begin = end + 1
  }
  return { records, bytes: begin }
}

function parseRecord(line: string): JournalRecord | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return recordSchema.safeParse(value).success ? (value as JournalRecord) : undefined
  } catch {
    return undefined
  }
}

/** Appends to a journal, one line after the other, each whole or not at all. */
export class StageJournal {
  readonly #handle: FileHandle
  readonly #file: string
  #bytes: number
  #queue: Promise<unknown> = Promise.resolve()
  #broken: unknown
  #syncing: Promise<void> | undefined

  private constructor(handle: FileHandle, file: string, bytes: number) {
    this.#handle = handle
    this.#file = file
    this.#bytes = bytes
  }

  /** Opens a journal whose first `bytes` bytes count and cuts off the rest. */
  static async open(folder: string, bytes: number): Promise<StageJournal> {
    const file = path.join(folder, journalName)
    const handle = await open(file, 'r+')
    try {
      await handle.truncate(bytes)
    } catch (error) {
      await handle.close()
      throw error
    }
    return new StageJournal(handle, file, bytes)
  }

  append(record: JournalRecord): Promise<void> {
    const line = Buffer.from(journalLine(record))
    const appended = this.#queue.then(async () => {
      if (this.#broken !== undefined) throw this.#broken
      try {
        for (let written = 0; written < line.length; ) {
          written += (await this.#handle.write(line, written, line.length - written, this.#bytes + written)).bytesWritten
        }
        this.#bytes += line.length
      } catch (error) {
        const failure = diskError(error, 'write', this.#file)
        // A half line would void everything after it.
        await this.#handle.truncate(this.#bytes).catch(() => {
          this.#broken = failure
        })
        throw failure
      }
    })
    this.#queue = appended.catch(() => undefined)
    return appended
  }

  /** Everything appended before is on disk when it resolves. Calls that come while one waits to begin share it. */
  sync(): Promise<void> {
    this.#syncing ??= this.#queue.then(async () => {
      this.#syncing = undefined
      try {
        await this.#handle.datasync()
      } catch (error) {
        // After a failed fsync the system may have dropped the pages: nothing that follows can be trusted.
        this.#broken = diskError(error, 'write', this.#file)
        throw this.#broken
      }
    })
    return this.#syncing
  }

  async close(): Promise<void> {
    await this.#queue
    await this.#handle.close()
  }
}

export function journalLine(record: JournalRecord): string {
  return `${JSON.stringify(record)}\n`
}
