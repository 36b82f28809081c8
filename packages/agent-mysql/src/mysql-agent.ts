import {
  type Agent,
  BackupError,
  type CaptureKind,
  type CaptureRequest,
  type OperationOptions,
  parseSettings,
  throwIfAborted,
} from '@backup-planet/core'
import packageFacts from '../package.json' with { type: 'json' }
import { beginCapture, refuseItems, selectSource } from './begin-capture.ts'
import { beginningReader } from './log/binlog-beginning.ts'
import { followBinlogs } from './log/binlog-follower.ts'
import { placeReader } from './log/binlog-place.ts'
import { checkLogCapture } from './log/log-checks.ts'
import { type Continuation, continuationOf } from './log/log-continuation.ts'
import { planLogCapture } from './log/log-plan.ts'
import { isWrittenSince } from './log/server-binlogs.ts'
import { type MysqlAgentSettings, type MysqlConnectionSettings, mysqlAgentSettingsSchema } from './mysql-agent-settings.ts'
import { planCapture } from './mysql-capture-plan.ts'
import { checkCapture } from './mysql-checks.ts'
import { connect, type MysqlConnection } from './mysql-connection.ts'
import { comparePositions, parsePosition } from './mysql-position.ts'
import { detectServer, type ServerFacts } from './mysql-server.ts'
import { describeSource } from './mysql-source.ts'
import {
  checkPhysicalCapture,
  discoverPhysical,
  isPhysicalPlan,
  isPhysicalRestore,
  planPhysical,
  planPhysicalRestore,
  runPhysicalRestore,
} from './physical/index.ts'
import { logChainGuide, planMysqlRestore, runMysqlRestore } from './restore/index.ts'
import { openMysqlScratch } from './scratch/index.ts'
import { sourceName } from './source-name.ts'

/**
 * An agent for one MySQL, MariaDB or Percona server: full captures of schemas and accounts from one snapshot, restore of any of them, also
 * under another name; with `mode: physical` fulls and differentials of its files instead, restored into an empty data directory, and what was backed up decides
 * how an agent restores it; logs that continue them, as they are or while they are written. Throws `INVALID_SETTINGS` that names every problem; connects to nothing yet.
 */
export function createMysqlAgent(input: MysqlAgentSettings): Agent {
  const settings = parseSettings(mysqlAgentSettingsSchema, input, 'settings')
  const look = async <Found>(
    during: string,
    options: OperationOptions | undefined,
    use: (session: MysqlConnection, signal: AbortSignal | undefined) => Promise<Found>,
  ): Promise<Found> => {
    throwIfAborted(options?.signal, during)
    await using session = await connect(settings, { signal: options?.signal })
    return await use(session, options?.signal)
  }
  const continued = (
    session: MysqlConnection,
    server: ServerFacts,
    { kind, chain }: CaptureRequest,
    signal: AbortSignal | undefined,
  ): Promise<Continuation> =>
    continuationOf({
      session,
      server,
      kind,
      chain,
      readBeginning: beginningReader(settings, signal),
      readPlace: placeReader(settings, signal),
    })
  const physical = settings.mode === 'physical'
  const kinds: readonly CaptureKind[] =
    physical && settings.physical?.incremental !== false ? ['full', 'differential', 'log'] : ['full', 'log']
  return {
    contract: 'agent/1',
    application: 'mysql',
    version: packageFacts.version,
    supports: { kinds, pointInTime: true, rename: !physical },
    comparePositions,
    parsePosition,
    replayGuide: logChainGuide,
    async *discover(options) {
      yield await look('discovering', options, async (session, signal) =>
        physical
          ? await discoverPhysical(session, settings, signal)
          : await describeSource(session, await selectSource(session, settings, undefined, signal)),
      )
    },
    async check(request, options) {
      refuseOtherKinds(kinds, request)
      return await look('checking', options, async (session, signal) => {
        const full = async () => {
          if (physical) return await checkPhysicalCapture(session, settings, request.items, signal)
          const { server, inventory } = await selectSource(session, settings, request.items, signal)
          return await checkCapture(session, settings, server, inventory)
        }
        if (request.kind !== 'log') return await full()
        refuseItems(request)
        const server = await detectServer(session)
        const problems = await checkLogCapture(session, settings, server)
        // What is missing would make it fail before it is known what can be continued.
        if (problems.some(({ severity }) => severity === 'error')) return problems
        if ((await continued(session, server, request, signal)).next.kind === 'log') return problems
        const said = new Set(problems.map(({ message }) => message))
        return [...problems, ...(await full()).filter(({ message }) => !said.has(message))]
      })
    },
    async plan(request, options) {
      refuseOtherKinds(kinds, request)
      return await look('planning', options, async (session, signal) => {
        const detected = await detectServer(session)
        const continuation = await continued(session, detected, request, signal)
        const { next, position } = continuation
        if (next.kind === 'log' && next.from !== undefined && position !== undefined) {
          refuseItems(request)
          const written = await isWrittenSince(session, next.from, position)
          return planLogCapture({ settings, source: sourceName(settings, detected), continuation, written })
        }
        if (physical) return await planPhysical({ session, settings, server: detected, request, next }, signal)
        const { server, name, inventory } = await selectSource(session, settings, request.items, signal)
        const plan = planCapture(settings, server, name, inventory)
        return next.reason === undefined ? plan : { ...plan, reason: next.reason.message }
      })
    },
    async beginCapture(request, options) {
      refuseOtherKinds(kinds, request)
      return await beginCapture(settings, request, options)
    },
    follow: (request, options) => followBinlogs(settings, request, options),
    planRestore: (request, options) =>
      isPhysicalRestore(request) ? planPhysicalRestore(settings, request, options) : planMysqlRestore(settings, request, options),
    restore: (plan, files, options) =>
      isPhysicalPlan(plan) ? runPhysicalRestore(settings, plan, files, options) : runMysqlRestore(settings, plan, files, options),
    openScratch: (request, options) =>
      openMysqlScratch(settings, request, (server) => createMysqlAgent(server === undefined ? input : reachedBy(server)), options),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/** What an agent needs to come to a server by its socket. */
function reachedBy({ socketPath, user, password, connectTimeoutSeconds }: MysqlConnectionSettings): MysqlAgentSettings {
  return { user, connectTimeoutSeconds, ...(socketPath && { socketPath }), ...(password !== undefined && { password }) }
}

function refuseOtherKinds(kinds: readonly CaptureKind[], { kind }: CaptureRequest): void {
  if (kinds.includes(kind)) return
  throw new BackupError(`a capture of kind ${kind} is not possible`, {
    code: 'UNSUPPORTED',
    hint: 'Schedule full and log backups for this job; differentials need mode: physical.',
  })
}
