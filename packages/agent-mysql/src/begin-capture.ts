import {
  type Backup,
  BackupError,
  type Capture,
  type CaptureRequest,
  type OperationOptions,
  type Problem,
  throwIfAborted,
} from '@backup-planet/core'
import { captureSteps } from './dump/capture-steps.ts'
import { leftOutFacts } from './dump/left-out-facts.ts'
import { readPreparedXa } from './dump/prepared-xa.ts'
import { readTriggeredTables } from './dump/program-inventory.ts'
import { selectSchemas } from './dump/schema-selection.ts'
import { inventoryChanges, readServerInventory, type ServerInventory } from './dump/server-inventory.ts'
import { openSnapshot, type Snapshot, type SnapshotTable } from './dump/snapshot.ts'
import { accountsItem } from './dump-layout.ts'
import { beginLogCapture } from './log/begin-log-capture.ts'
import { beginningReader, identityAt } from './log/binlog-beginning.ts'
import { placeReader } from './log/binlog-place.ts'
import { continuationOf, recordedIdentity } from './log/log-continuation.ts'
import type { ResolvedMysqlAgentSettings } from './mysql-agent-settings.ts'
import { MysqlCapture } from './mysql-capture.ts'
import { connect, type MysqlSession } from './mysql-connection.ts'
import { errorNumber } from './mysql-errors.ts'
import { detectServer, type ServerFacts } from './mysql-server.ts'
import { beginPhysicalCapture } from './physical/index.ts'
import { sourceName } from './source-name.ts'

/** Definitions that changed while the snapshot was opened are read again, this many times. */
const attemptsForStructure = 5

/** A server with everything that a request selects on it. */
export interface SelectedSource {
  readonly server: ServerFacts
  /** Printable, such as `db1.example.com:3306`. */
  readonly name: string
  readonly inventory: ServerInventory
  /** Schemas that are there, selected or not; the server's own are not among them. */
  readonly listed: readonly string[]
}

/** Reads what is on the server. Throws `NOT_FOUND` for an item of the request that is not there. */
export async function selectSource(
  session: MysqlSession,
  settings: ResolvedMysqlAgentSettings,
  items: readonly string[] | undefined,
  signal: AbortSignal | undefined,
): Promise<SelectedSource> {
  const server = await detectServer(session)
  const selected = await selectSchemas(session, settings, server)
  const schemas = selected.schemas.filter((schema) => items?.includes(schema) ?? true)
  for (const item of items ?? []) {
    if (item !== accountsItem && !schemas.includes(item)) {
      throw new BackupError(`there is no schema ${item} to capture`, { code: 'NOT_FOUND', hint: 'List what there is with discover.' })
    }
  }
  const accounts = items === undefined ? settings.users : items.includes(accountsItem)
  const leftOut = items === undefined ? selected.leftOut : []
  const inventory = await readServerInventory(session, { settings, server, schemas, accounts, leftOut, signal })
  return { server, name: sourceName(settings, server), inventory, listed: selected.listed }
}

/** Begins what may follow the backups there are: what is asked for, or a full with the reason. */
export async function beginCapture(
  settings: ResolvedMysqlAgentSettings,
  request: CaptureRequest,
  options: OperationOptions = {},
): Promise<Capture> {
  const { signal, onProgress } = options
  throwIfAborted(signal, 'beginning a capture')
  await using session = await connect(settings, { signal })
  const server = await detectServer(session)
  const { kind, chain } = request
  const readBeginning = beginningReader(settings, signal)
  const readPlace = placeReader(settings, signal)
  const continuation = await continuationOf({ session, server, kind, chain, readBeginning, readPlace })
  const { next } = continuation
  if (next.warning !== undefined) onProgress?.({ type: 'problem', problem: continuationWarning(next.warning) })
  if (settings.mode === 'physical' && next.kind !== 'log') {
    return await beginPhysicalCapture({ session, settings, server, request, next }, options)
  }
  if (next.kind === 'full') return await beginFullCapture(settings, request, { chain: next.chain, reason: next.reason?.message }, options)
  refuseItems(request)
  const follows = chain.find(({ id }) => id === next.follows) as Backup
  return await beginLogCapture(
    {
      settings,
      session,
      server,
      sourceName: sourceName(settings, server),
      continuation,
      since: follows.consistentAt,
      identity: recordedIdentity(follows),
      readBeginning,
    },
    options,
  )
}

function continuationWarning(message: string): Problem {
  const hint = 'Run log backups more often than the server purges binlogs, or let it keep them for longer.'
  return { severity: 'warning', code: 'INCONSISTENT', message, hint }
}

/** Binlogs are of the whole server. */
export function refuseItems({ items }: CaptureRequest): void {
  if (items === undefined) return
  throw new BackupError(`a log backup cannot be limited to ${items.join(', ')}`, {
    code: 'UNSUPPORTED',
    hint: 'Make a full backup of these items, or a log backup of everything.',
  })
}

/** Why and in which history a full is made, as `nextKind` of the core says it. */
export interface FullReason {
  /** What positions carry as their chain. */
  readonly chain: string
  readonly reason?: string | undefined
}

/**
 * Opens the snapshot between two readings of all schemas and their definitions that are the same: then these are those of the snapshot, although no
 * lock was held while they were read.
 */
async function beginFullCapture(
  settings: ResolvedMysqlAgentSettings,
  request: CaptureRequest,
  full: FullReason,
  options: OperationOptions,
): Promise<Capture> {
  const { signal, onProgress } = options
  const onStep = (text: string): void => onProgress?.({ type: 'step', text })
  await using session = await connect(settings, { signal })
  onStep('read the definitions of all schemas')
  const read = () => selectSource(session, settings, request.items, signal)
  let source = await read()
  for (let attempt = 1; ; attempt++) {
    const { inventory } = source
    const tables = tablesOf(inventory)
    refuseLooseTables(settings, tables)
    // Before and after, since one of these need not be there any more when the other is read.
    const prepared = await readPreparedXa(session)
    let snapshot: Snapshot
    try {
      snapshot = await openSnapshot({ settings, server: source.server, tables, signal, onStep })
    } catch (error) {
      // ER_NO_SUCH_TABLE: one that is to be locked was dropped since it was read of.
      if (errorNumber(error) !== 1146 || attempt >= attemptsForStructure) throw error
      onStep('open the snapshot again, since a table is gone')
      source = await read()
      continue
    }
    try {
      onStep(captureSteps.compareDefinitions)
      const after = await read()
      const changes = inventoryChanges(inventory, after.inventory)
      if (changes.length === 0) {
        const identity = await identityAt(snapshot.position, settings, signal)
        const preparedXa = [...prepared, ...(await readPreparedXa(session))]
        const triggered = await readTriggeredTables(session)
        const leftOut = leftOutFacts({ settings, items: request.items, schemas: source.listed, inventory, triggered })
        return new MysqlCapture({
          settings,
          server: source.server,
          sourceName: source.name,
          inventory,
          snapshot,
          ...full,
          identity,
          leftOut,
          preparedXa,
        })
      }
      if (attempt >= attemptsForStructure) {
        throw new BackupError(`the structure kept changing while the snapshot was opened: ${changes.slice(0, 5).join(', ')}`, {
          code: 'INCONSISTENT',
          retryable: true,
          hint: 'Run again when no schema change is in progress.',
        })
      }
      onStep(`open the snapshot again, since ${changes[0]}`)
      source = after
    } catch (error) {
      await snapshot.terminate()
      throw error
    }
    await snapshot.terminate()
  }
}

function tablesOf(inventory: ServerInventory): readonly SnapshotTable[] {
  return inventory.schemas.flatMap((schema) =>
    schema.failure === undefined
      ? schema.inventory.tables
          .filter(({ table }) => table.dataLeftOut === undefined)
          .map(({ table }) => ({ schema: schema.name, name: table.name, transactional: table.transactional }))
      : [],
  )
}

function refuseLooseTables(settings: ResolvedMysqlAgentSettings, tables: readonly SnapshotTable[]): void {
  const loose = tables.find((table) => !table.transactional)
  if (loose === undefined || settings.nonTransactionalTables !== 'refuse') return
  throw new BackupError(`table ${loose.schema}.${loose.name} has an engine without snapshots`, {
    code: 'UNSUPPORTED',
    hint: 'Convert it with ALTER TABLE … ENGINE=InnoDB, leave it out with excludeTables, or set nonTransactionalTables to lock.',
  })
}
