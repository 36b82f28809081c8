import { BackupError, type ItemFailure, type OperationOptions, type Position, type Problem, type Stage } from '@backup-planet/core'
import { type DumpChunk, type DumpChunkLine, type DumpSequence, type DumpTable, layoutFiles } from '../dump-layout.ts'
import { itemCollations } from '../item-collations.ts'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import { checksumStatement } from '../mysql-checksum.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import { quoteTable } from '../mysql-quoting.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { oneBlock } from './account-copy.ts'
import type { TableJob } from './copy-queue.ts'
import { changedDuringCopy, explained, StageFailure, stageFailure } from './item-copy-failures.ts'
import { chunkFileName, definitionFiles, jsonLines, loadFile, type TextFile } from './item-files.ts'
import type { KeyRange, RangeSource } from './key-ranges.ts'
import type { ReadFile } from './read-file-queue.ts'
import type { InventoryTable, SchemaInventory } from './schema-inventory.ts'
import { selectStatement } from './select-statement.ts'
import { itemFailure } from './server-inventory.ts'
import { sequenceChange, type TableProof, tableProof } from './structure-changes.ts'
import { tableRanges } from './table-ranges.ts'
import type { TableReader } from './table-reader.ts'

export interface ItemCopyOptions {
  readonly stage: Stage
  readonly settings: ResolvedMysqlAgentSettings
  readonly server: ServerFacts
  /** A session outside the snapshot: definitions as they are now, in UTF-8. */
  readonly definitions: MysqlSession
  readonly metadata: string
  readonly inventory: SchemaInventory
  readonly innodbNumbers: ReadonlyMap<string, string>
  readonly tables: readonly InventoryTable[]
  readonly position: Position | undefined
  readonly signal: AbortSignal
  readonly onProgress: OperationOptions['onProgress']
  readonly onProblem: (problem: Problem) => void
}

/**
 * One schema becoming one item. A failure of a table fails the item, and what is left of it is not read any more.
 *
 * What a change of structure between the snapshot and the end of the copy does to an item:
 *
 * | change | the item |
 * | --- | --- |
 * | a table not read yet, or being read, is altered, rebuilt, truncated, dropped, renamed or swapped for another | fails: its rows may be of another table. Every part is compared while the reader's metadata lock still keeps the table as it is, so that swapping back does not hide it |
 * | the same after its last part was read, before its rows were counted | fails where the count no longer matches or is no longer possible |
 * | the same after that | is right: definition and rows are of the snapshot |
 * | a table, view or program is created | is right: it was not there at the snapshot, and is left out |
 * | a view, routine, trigger or event is changed or dropped | is right: its text is that of the snapshot |
 * | a sequence is altered, dropped or created anew before its value was read | fails: its value is not of the snapshot, and may be lower |
 */
export class ItemCopy {
  readonly name: string
  readonly estimatedBytes: number
  readonly #options: ItemCopyOptions
  readonly #lines: DumpChunkLine[] = []
  readonly #chunkCounts = new Map<string, number>()
  #begun: Promise<void> | undefined
  #ended: Promise<void> | undefined
  #failure: ItemFailure | undefined
  #tablesLeft: number
  #working = 0
  #bytes = 0
  #rows = 0

  constructor(options: ItemCopyOptions) {
    this.#options = options
    this.name = options.inventory.schema.name
    this.estimatedBytes = options.tables.reduce((sum, table) => sum + table.estimatedBytes, 0)
    this.#tablesLeft = this.#readTables().length
  }

  /** No rows are to be read: it can be ended at once. */
  get empty(): boolean {
    return this.#tablesLeft === 0
  }

  /** The tables to read, biggest first. */
  jobs(): TableJob[] {
    return this.#readTables()
      .toSorted((a, b) => b.estimatedBytes - a.estimatedBytes)
      .map((table) => this.#job(table))
  }

  #readTables(): readonly InventoryTable[] {
    return this.#options.tables.filter(({ table }) => table.dataLeftOut === undefined)
  }

  #job(inventoried: InventoryTable): TableJob {
    const { table } = inventoried
    let ranges: Promise<RangeSource> | undefined
    let current: TableReader | undefined
    let reading = 0
    let exhausted = false
    let rows = 0
    let settled = false
    const proof = tableProof(this.#options.server, this.name, table, this.#options.innodbNumbers)
    const settle = async (reader: TableReader): Promise<void> => {
      if (!exhausted || reading > 0 || settled) return
      settled = true
      if (this.#failure === undefined)
        await this.#attempt(`counting the rows of table ${this.name}.${table.name}`, () => this.#finishTable(reader, table, rows))
      this.#tablesLeft--
      await this.#endWhenDone()
    }
    return {
      transactional: table.transactional,
      claim: async (reader) => {
        if (exhausted) return undefined
        current = reader
        await this.#begin()
        let range: KeyRange | undefined
        if (this.#failure === undefined) {
          await this.#attempt(`reading table ${this.name}.${table.name}`, async () => {
            ranges ??= tableRanges({
              schema: this.name,
              table: inventoried,
              chunkBytes: this.#options.settings.chunkBytes,
              session: () => current ?? reader,
            })
            range = await (await ranges).next()
          })
        }
        if (range === undefined) {
          exhausted = true
          await settle(reader)
          return undefined
        }
        const part = range
        reading++
        this.#working++
        return async () => {
          try {
            await this.#attempt(`reading table ${this.name}.${table.name}`, async () => {
              // Others read parts of the same table meanwhile: `+=` must not span the wait.
              const count = await this.#read(reader, table, part, proof)
              rows += count
            })
          } finally {
            reading--
            this.#working--
          }
          await settle(reader)
        }
      },
    }
  }

  async #begin(): Promise<void> {
    this.#begun ??= this.#writeDefinitions()
    await this.#begun
  }

  async #writeDefinitions(): Promise<void> {
    const { definitions, inventory, innodbNumbers: numbers, metadata, server, tables, onProgress } = this.#options
    onProgress?.({ type: 'item', phase: 'capture', item: this.name, state: 'begun', bytesTotal: this.estimatedBytes })
    await this.#attempt(`reading the sequences of schema ${this.name}`, async () => {
      const sequences: DumpSequence[] = []
      for (const sequence of inventory.sequences) {
        const [row] = await definitions.rows(`SELECT next_not_cached_value AS next FROM ${quoteTable(this.name, sequence.name)}`)
        sequences.push({ ...sequence, next: row?.text('next') ?? '' })
      }
      const change = await sequenceChange(definitions, server, inventory, numbers)
      if (change !== undefined) throw changedDuringCopy(this.name, change)
      const files = definitionFiles(
        inventory,
        sequences,
        tables.map(({ table }) => table),
        metadata,
      )
      for (const file of files) await this.#write(file)
    })
  }

  async #write(file: TextFile): Promise<void> {
    const content = Buffer.from(file.text)
    this.#bytes += content.length
    const { stage, signal } = this.#options
    await stage.write({ item: this.name, name: file.name }, oneBlock(content), { signal }).catch(stageFailure)
  }

  async #read(reader: TableReader, table: DumpTable, range: KeyRange, proof: TableProof): Promise<number> {
    const { onProgress, settings, stage, signal } = this.#options
    const onFile = async (file: ReadFile): Promise<void> => {
      const number = this.#chunkCounts.get(table.name) ?? 0
      this.#chunkCounts.set(table.name, number + 1)
      const name = chunkFileName(this.name, table.name, number, settings.compressionLevel)
      let readFailure: unknown
      const content = async function* (): AsyncGenerator<Uint8Array> {
        try {
          yield* file.content
        } catch (error) {
          readFailure = error
          throw error
        }
      }
      await stage.write({ item: this.name, name }, content(), { signal }).catch((error: unknown) => {
        if (readFailure !== undefined) throw readFailure
        stageFailure(error)
      })
      const facts = await file.facts
      const chunk: DumpChunk = { type: 'chunk', table: table.name, file: name, ...facts }
      this.#lines.push(chunk)
      this.#bytes += facts.bytes
      this.#rows += facts.rows
      await this.#write(loadFile(this.name, table, name))
    }
    const result = await reader.read(
      {
        name: `${this.name}.${table.name}`,
        sql: selectStatement(this.name, table, range.column === '' ? undefined : range),
        columns: table.dataColumns.length,
        proof: proof.statements,
      },
      { onFile, onRead: (bytes, rows) => onProgress?.({ type: 'bytes', phase: 'capture', item: this.name, bytes, rows }) },
    )
    const change = proof.change(result.proof)
    if (change !== undefined) throw changedDuringCopy(this.name, change)
    return result.rows
  }

  /** All rows are read: are these all that the server counts? */
  async #finishTable(reader: TableReader, table: DumpTable, rows: number): Promise<void> {
    const { settings } = this.#options
    let checksum: string | undefined
    if (settings.verify !== 'none' && table.consistency !== 'none') {
      const statement =
        settings.verify === 'checksum' ? checksumStatement(this.name, table) : checksumStatement(this.name, { ...table, dataColumns: [] })
      const [row] = await reader.rows(statement, `counting the rows of ${this.name}.${table.name}`)
      const counted = row?.number('row_count') ?? 0
      if (counted !== rows) {
        throw new BackupError(`table ${this.name}.${table.name} has ${counted} rows in the snapshot and ${rows} were read`, {
          code: 'INCONSISTENT',
          hint: 'Run CHECK TABLE on this table; when it is well, run again.',
        })
      }
      if (settings.verify === 'checksum') checksum = row?.text('checksum')
    }
    this.#lines.push({ type: 'table-total', table: table.name, rows, ...(checksum === undefined ? {} : { checksum }) })
  }

  /** Failures of the server belong to this item; those of the stage and lost connections to the whole copy. */
  async #attempt(during: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (error instanceof StageFailure) throw error.cause
      if (this.#options.signal.aborted) throw this.#options.signal.reason
      this.#failure ??= explained(itemFailure(error, during), errorNumber(error), during)
    }
  }

  async #endWhenDone(): Promise<void> {
    if (this.#tablesLeft === 0 && this.#working === 0) await this.end()
  }

  /** Seals the item, or fails it. Called again does nothing. */
  end(): Promise<void> {
    this.#ended ??= this.#end()
    return this.#ended
  }

  async #end(): Promise<void> {
    const { stage, position, onProgress, inventory, tables } = this.#options
    await this.#begin()
    if (this.#failure === undefined) await this.#write({ name: layoutFiles.chunks, text: jsonLines(this.#lines) })
    if (this.#failure !== undefined) {
      await stage.failItem(this.name, this.#failure)
      onProgress?.({ type: 'item', phase: 'capture', item: this.name, state: 'failed' })
      return
    }
    const loose = tables
      .filter(({ table }) => table.consistency === 'none' && table.dataLeftOut === undefined)
      .map(({ table }) => table.name)
    await stage.sealItem({
      item: this.name,
      ...(position === undefined ? {} : { to: position }),
      bytes: this.#bytes,
      facts: {
        tables: tables.length,
        rows: this.#rows,
        chunks: this.#lines.filter((line) => line.type === 'chunk').length,
        inconsistentTables: loose,
        collations: [...itemCollations({ ...inventory, tables: tables.map(({ table }) => table) })],
      },
    })
    onProgress?.({ type: 'item', phase: 'capture', item: this.name, state: 'ended' })
  }
}
