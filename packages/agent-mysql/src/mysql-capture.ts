import type { Capture, CaptureFacts, Json, OperationOptions, Position, Problem, Stage } from '@backup-planet/core'
import { abortError, BackupError, describeBytes, throwIfAborted } from '@backup-planet/core'
import { AccountCopy } from './dump/account-copy.ts'
import { brokenViewProblems } from './dump/broken-views.ts'
import { captureSteps } from './dump/capture-steps.ts'
import { copyTables, type TableJob } from './dump/copy-queue.ts'
import { inventoryWarnings } from './dump/inventory-warnings.ts'
import { ItemCopy } from './dump/item-copy.ts'
import { metadataText } from './dump/item-files.ts'
import { preparedXaProblems } from './dump/prepared-xa.ts'
import { restoreGuide } from './dump/restore-guide.ts'
import type { ServerInventory } from './dump/server-inventory.ts'
import type { Snapshot } from './dump/snapshot.ts'
import { accountsItem, type DumpTable } from './dump-layout.ts'
import type { ResolvedMysqlAgentSettings } from './mysql-agent-settings.ts'
import { connect } from './mysql-connection.ts'
import { mysqlError } from './mysql-errors.ts'
import type { ServerFacts } from './mysql-server.ts'

export interface MysqlCaptureOptions {
  readonly settings: ResolvedMysqlAgentSettings
  readonly server: ServerFacts
  readonly sourceName: string
  readonly inventory: ServerInventory
  readonly snapshot: Snapshot
  /** Of the position. */
  readonly chain: string
  /** Why a full, where another kind was asked for. */
  readonly reason?: string | undefined
  /** Of the binlog that the position lies in, where the account may read binlogs. */
  readonly identity: string | undefined
  /** What it does not hold, as `leftOutFacts` says it. */
  readonly leftOut: Json
  /** XA transactions that were prepared then. */
  readonly preparedXa: readonly string[]
}

/** One snapshot of the server, being copied into files. */
export class MysqlCapture implements Capture {
  readonly facts: CaptureFacts
  readonly #options: MysqlCaptureOptions
  readonly #position: Position | undefined
  #copied = false

  constructor(options: MysqlCaptureOptions) {
    const { server, snapshot, settings, identity, leftOut, reason } = options
    this.#options = options
    this.#position = positionOf(options)
    this.facts = {
      application: 'mysql',
      source: { id: server.id, name: options.sourceName, version: server.version },
      kind: 'full',
      ...(reason === undefined ? {} : { reason }),
      consistentAt: snapshot.consistentAt,
      ...(this.#position === undefined ? {} : { position: this.#position }),
      facts: {
        flavour: server.flavour,
        serverId: server.serverId,
        lowerCaseTableNames: server.lowerCaseTableNames,
        characterSet: server.variables.character_set_server ?? '',
        collation: server.variables.collation_server ?? '',
        lock: snapshot.lockMethod,
        lockedMilliseconds: Math.round(snapshot.lockedMilliseconds * 10) / 10,
        ddlGuard: snapshot.ddlGuard,
        verify: settings.verify,
        threads: snapshot.readers.length,
        leftOut,
        binlog: snapshot.position === undefined ? null : { ...snapshot.position, ...(identity === undefined ? {} : { identity }) },
      },
      restoreGuide: restoreGuide(server, snapshot),
    }
  }

  async copyTo(stage: Stage, options: OperationOptions = {}): Promise<void> {
    const { signal } = options
    throwIfAborted(signal, 'copying')
    if (this.#copied) throw new TypeError('a capture is copied only once')
    this.#copied = true
    const { snapshot } = this.#options
    const stop = new AbortController()
    const onAbort = (): void => stop.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    void snapshot.lost.then((failure) => stop.abort(failure))
    const ended = new Promise<never>((_, reject) => {
      stop.signal.addEventListener('abort', () => reject(stop.signal.reason), { once: true })
    })
    ended.catch(() => undefined)
    const copying = this.#copy(stage, stop, options)
    copying.catch(() => undefined)
    try {
      await Promise.race([copying, ended])
      // The upload may take much longer than the copy: the server need not keep old versions of rows for it, nor this process the threads.
      await snapshot[Symbol.asyncDispose]()
    } catch (error) {
      await snapshot.terminate()
      await copying.catch(() => undefined)
      if (signal?.aborted) throw abortError(signal, 'copying')
      throw mysqlError(stop.signal.aborted && BackupError.is(stop.signal.reason) ? stop.signal.reason : error, 'copying')
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  async #copy(stage: Stage, stop: AbortController, options: OperationOptions): Promise<void> {
    const { settings, server, inventory, snapshot, preparedXa } = this.#options
    const { onProgress } = options
    const problem = (found: Problem): void => onProgress?.({ type: 'problem', problem: found })
    for (const found of [...inventoryWarnings(inventory), ...preparedXaProblems(preparedXa)]) problem(found)
    await using definitions = await connect(settings, { signal: stop.signal })
    const metadata = metadataText(snapshot.consistentAt, server.version, snapshot.position)
    const items: ItemCopy[] = []
    for (const schema of inventory.schemas) {
      if (schema.failure !== undefined) {
        await stage.failItem(schema.name, schema.failure)
        onProgress?.({ type: 'item', phase: 'capture', item: schema.name, state: 'failed' })
        continue
      }
      for (const found of brokenViewProblems(schema.name, schema.inventory.brokenViews)) problem(found)
      items.push(
        new ItemCopy({
          stage,
          settings,
          server,
          definitions,
          metadata,
          inventory: schema.inventory,
          innodbNumbers: schema.innodbNumbers,
          tables: schema.inventory.tables.map((table) => ({ ...table, table: this.#withConsistency(table.table) })),
          position: this.#position,
          signal: stop.signal,
          onProgress,
          onProblem: problem,
        }),
      )
    }
    items.sort((a, b) => b.estimatedBytes - a.estimatedBytes)
    const all = items.flatMap((item) => item.jobs())
    const early = (job: TableJob): boolean => snapshot.nonTransactional === 'locked' && !job.transactional
    const first = all.filter(early)
    const step = (text: string): void => onProgress?.({ type: 'step', text })
    if (first.length > 0) {
      step(captureSteps.copyLoose(settings, first.length))
      await copyTables(first, snapshot.readers, stop)
    }
    await snapshot.releaseTables()
    step(captureSteps.copyRows(all.length - first.length, describeBytes(settings.chunkBytes)))
    for (const item of items) if (item.empty) await item.end()
    await copyTables(
      all.filter((job) => !early(job)),
      snapshot.readers,
      stop,
    )
    for (const item of items) await item.end()
    if (inventory.accounts !== undefined) {
      step(captureSteps.accounts)
      await new AccountCopy({
        stage,
        metadata,
        position: this.#position,
        accounts: inventory.accounts,
        item: accountsItem,
        onProgress,
      }).copy(stop.signal)
    }
  }

  #withConsistency(table: DumpTable): DumpTable {
    if (table.transactional) return table
    return { ...table, consistency: this.#options.snapshot.nonTransactional === 'locked' ? 'locked' : 'none' }
  }

  /** Nothing on the server waits to hear that it is backed up: binlogs are not purged by this agent. */
  async confirm(options: OperationOptions = {}): Promise<void> {
    throwIfAborted(options.signal, 'confirming')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#options.snapshot[Symbol.asyncDispose]()
  }
}

function positionOf({ chain, snapshot: { position } }: MysqlCaptureOptions): Position | undefined {
  if (position === undefined) return undefined
  return { chain, value: { file: position.file, offset: position.offset, gtid: position.gtid } }
}
