import {
  type Agent,
  BackupError,
  type CaptureRequest,
  type OperationOptions,
  parseSettings,
  type Source,
  throwIfAborted,
} from '@backup-planet/core'
import packageFacts from '../package.json' with { type: 'json' }
import { beginFullCapture, type SelectedSource, selectSource } from './begin-capture.ts'
import { type MysqlAgentSettings, mysqlAgentSettingsSchema } from './mysql-agent-settings.ts'
import { planCapture, sourceItems } from './mysql-capture-plan.ts'
import { checkCapture } from './mysql-checks.ts'
import { connect, type MysqlConnection } from './mysql-connection.ts'
import { planMysqlRestore, runMysqlRestore } from './restore/index.ts'

/**
 * An agent for one MySQL, MariaDB or Percona server: full captures of schemas and accounts from one snapshot, restore of any of them, also
 * under another name. Throws `INVALID_SETTINGS` that names every problem; connects to nothing yet.
 */
export function createMysqlAgent(input: MysqlAgentSettings): Agent {
  const settings = parseSettings(mysqlAgentSettingsSchema, input, 'settings')
  const look = async <Found>(
    during: string,
    items: readonly string[] | undefined,
    options: OperationOptions | undefined,
    use: (source: SelectedSource, session: MysqlConnection) => Promise<Found> | Found,
  ): Promise<Found> => {
    throwIfAborted(options?.signal, during)
    await using session = await connect(settings, { signal: options?.signal })
    return await use(await selectSource(session, settings, items, options?.signal), session)
  }
  return {
    contract: 'agent/1',
    application: 'mysql',
    version: packageFacts.version,
    supports: { kinds: ['full'], pointInTime: false, rename: true },
    async *discover(options) {
      yield await look('discovering', undefined, options, describeSource)
    },
    async check(request, options) {
      refuseOtherKinds(request)
      return await look('checking', request.items, options, ({ server, inventory }, session) =>
        checkCapture(session, settings, server, inventory),
      )
    },
    async plan(request, options) {
      refuseOtherKinds(request)
      return await look('planning', request.items, options, ({ server, name, inventory }) => planCapture(settings, server, name, inventory))
    },
    async beginCapture(request, options) {
      refuseOtherKinds(request)
      return await beginFullCapture(settings, request, options)
    },
    planRestore: (request, options) => planMysqlRestore(settings, request, options),
    restore: (plan, files, options) => runMysqlRestore(settings, plan, files, options),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

function describeSource({ server, name, inventory }: SelectedSource): Source {
  return {
    id: server.id,
    name,
    version: server.version,
    items: sourceItems(inventory),
    facts: {
      flavour: server.flavour,
      hostname: server.hostname,
      binlog: server.logBin,
      binlogFormat: server.binlogFormat ?? null,
      gtid: server.gtidMode,
    },
  }
}

function refuseOtherKinds(request: CaptureRequest): void {
  if (request.kind === 'full') return
  throw new BackupError(`a capture of kind ${request.kind} is not possible`, {
    code: 'UNSUPPORTED',
    hint: 'Schedule full backups for this job.',
  })
}
