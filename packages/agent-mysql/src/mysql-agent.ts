import {
  type Agent,
  BackupError,
  type Capture,
  type CaptureRequest,
  type OperationOptions,
  parseSettings,
  throwIfAborted,
} from '@backup-planet/core'
import { inventoryChanges, readServerInventory, selectedSchemas } from './dump/server-inventory.ts'
import { openSnapshot } from './dump/snapshot.ts'
import { accountsItem } from './dump-layout.ts'
import { type MysqlAgentSettings, mysqlAgentSettingsSchema, type ResolvedMysqlAgentSettings } from './mysql-agent-settings.ts'
import { MysqlCapture } from './mysql-capture.ts'
import { connect } from './mysql-connection.ts'
import { detectServer } from './mysql-server.ts'

/** Definitions that changed while the snapshot was opened are read again, this many times. */
const attemptsForStructure = 5

/** An agent for one MySQL, MariaDB or Percona server. Throws `INVALID_SETTINGS`; connects to nothing yet. */
export function createMysqlAgent(input: MysqlAgentSettings): Agent {
  const settings = parseSettings(mysqlAgentSettingsSchema, input, 'settings')
  const unfinished = (): never => {
    throw new BackupError(`${settings.host} cannot be captured yet`, { code: 'UNSUPPORTED', hint: 'Wait for the next version.' })
  }
  return {
    contract: 'agent/1',
    application: 'mysql',
    version: '0.0.0',
    supports: { kinds: ['full'], pointInTime: false, rename: true },
    discover: unfinished,
    check: async () => unfinished(),
    plan: async () => unfinished(),
    beginCapture: (request, options) => beginCapture(settings, request, options),
    planRestore: async () => unfinished(),
    restore: async () => unfinished(),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

async function beginCapture(
  settings: ResolvedMysqlAgentSettings,
  request: CaptureRequest,
  options: OperationOptions = {},
): Promise<Capture> {
  const { signal, onProgress } = options
  throwIfAborted(signal, 'beginning a capture')
  if (request.kind !== 'full') {
    throw new BackupError(`a capture of kind ${request.kind} is not possible`, { code: 'UNSUPPORTED', hint: 'Run a full backup.' })
  }
  const onStep = (text: string): void => onProgress?.({ type: 'step', text })
  await using session = await connect(settings, { signal })
  const server = await detectServer(session)
  const wanted = request.items === undefined ? undefined : new Set(request.items)
  const schemas = (await selectedSchemas(session, settings)).filter((schema) => wanted?.has(schema) ?? true)
  for (const item of wanted ?? []) {
    if (item !== accountsItem && !schemas.includes(item)) {
      throw new BackupError(`there is no schema ${item} to capture`, { code: 'NOT_FOUND', hint: 'List what there is with discover.' })
    }
  }
  const accounts = wanted === undefined ? settings.users : wanted.has(accountsItem)
  const read = () => readServerInventory(session, { settings, server, schemas, accounts, signal })
  onStep('read the definitions of all schemas')
  let inventory = await read()
  for (let attempt = 1; ; attempt++) {
    const tables = inventory.schemas.flatMap((schema) =>
      schema.failure === undefined
        ? schema.inventory.tables
            .filter(({ table }) => table.dataLeftOut === undefined)
            .map(({ table }) => ({ schema: schema.name, name: table.name, transactional: table.transactional }))
        : [],
    )
    const snapshot = await openSnapshot({ settings, server, tables, signal, onStep })
    try {
      const after = await read()
      const changes = inventoryChanges(inventory, after)
      if (changes.length === 0) {
        const sourceName =
          settings.socketPath === undefined ? `${settings.host}:${settings.port}` : `${server.hostname}:${settings.socketPath}`
        return new MysqlCapture({ settings, server, sourceName, inventory, snapshot })
      }
      if (attempt >= attemptsForStructure) {
        throw new BackupError(`the structure kept changing while the snapshot was opened: ${changes.slice(0, 5).join(', ')}`, {
          code: 'INCONSISTENT',
          retryable: true,
          hint: 'Run again when no schema change is in progress.',
        })
      }
      onStep(`open the snapshot again, since ${changes[0]}`)
      inventory = after
    } catch (error) {
      await snapshot.terminate()
      throw error
    }
    await snapshot.terminate()
  }
}
