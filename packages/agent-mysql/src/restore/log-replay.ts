import { BackupError, commandRunner, type OperationOptions, type RestoredFiles } from '@backup-planet/core'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'
import { connect, killConnections, type MysqlConnection, type MysqlSession } from '../mysql-connection.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { chosenUnits, type LogChoice, silent } from './log-replay-choice.ts'
import type { ReplayFacts } from './log-replay-facts.ts'
import {
  cannotResume,
  createReplayState,
  forgetTemporaryTables,
  type ReplayState,
  readReplayState,
  replaySession,
  takeReplayLock,
  waitForReplayEnd,
} from './log-replay-journal.ts'
import { replayThroughTools } from './log-replay-pipe.ts'
import { checkResumable } from './log-replay-resume.ts'
import { type ReplayPlace, ReplaySources } from './log-replay-sources.ts'
import { replayByStatements } from './log-replay-statements.ts'
import { findReplayTools } from './log-replay-tools.ts'
import { endsRestore } from './restore-session.ts'

export interface ReplayOptions extends OperationOptions {
  readonly settings: MysqlConnectionSettings
  readonly server: ServerFacts
  readonly files: RestoredFiles
  readonly facts: ReplayFacts
  readonly end: ReplayPlace | undefined
  readonly choice: LogChoice
  /** Whether the replay goes into the binlog of the target. */
  readonly binlog: boolean
}

/** The rows of a long statement are applied in pieces of at most so many bytes. */
const largestPiece = 4 * 1024 * 1024

/**
 * Applies the logs to what the full backup has left on the target. The journal says at every moment what is applied; a replay that was cut goes on right
 * there. Throws `CONFLICT` where that cannot be known, what the logs and the server throw otherwise, with the place up to which everything is applied.
 */
export async function replayLogs(options: ReplayOptions): Promise<ReplayState> {
  const { settings, facts, choice, signal } = options
  await using control = await connect(settings, { signal, setup: binlogSetup(options) })
  await waitForReplayEnd(control)
  const begin = { log: 0, offset: facts.logs[0]?.begin ?? 0 }
  const found = await readReplayState(control)
  if (found?.temporaryTables === true) throw cannotResume('temporary tables of the source lived in the session that was cut')
  const state = found ?? (await createReplayState(control, begin))
  let unchecked = found !== undefined
  const sources = new ReplaySources({
    ...options,
    logs: facts.logs,
    begin: state,
    pieceBytes: Math.min(largestPiece, Math.floor(options.server.maxAllowedPacket / 2)),
    onLog: async (units, log) => {
      // What is left out has left no mark: the mark is of the first unit that is applied.
      if (unchecked && (await checkResumable(chosenUnits(units, silent(choice), log.binlog), state, control, log.binlog))) unchecked = false
    },
  })
  try {
    for (let session = 1; await sources.hasNext(); session++) {
      if (session > 1) await forgetTemporaryTables(control)
      await replaySessionOf(sources, options)
      await waitForReplayEnd(control)
    }
  } catch (error) {
    throw await stopped(error, control, options)
  } finally {
    await sources.close()
  }
  return (await readReplayState(control)) ?? state
}

async function replaySessionOf(sources: ReplaySources, options: ReplayOptions): Promise<void> {
  const { settings, facts, server } = options
  const setup = sessionSetup(options)
  if (facts.way === 'tools') {
    const tools = await findReplayTools(facts.flavour, commandRunner, options)
    if (tools === undefined) {
      throw new BackupError(`the ${facts.flavour} client and the tool for its binlogs are no longer found`, {
        code: 'NOT_FOUND',
        hint: 'Install them, or plan anew with the option replay set to statements.',
      })
    }
    return await replayThroughTools(sources.session(), { ...options, tools, runner: commandRunner, setup })
  }
  await using connection = await connect(settings, { signal: options.signal, severalStatements: true, setup })
  await replayByStatements(sources.session(), {
    ...options,
    connection,
    collations: await readCollations(connection),
    maxAllowedPacket: server.maxAllowedPacket,
    mariadb: server.flavour === 'mariadb',
  })
}

function sessionSetup({ binlog, server }: ReplayOptions): string[] {
  return [
    ...binlogSetup({ binlog }),
    'SET SESSION wait_timeout = 2147483, net_read_timeout = 3600, net_write_timeout = 3600, lock_wait_timeout = 3600',
    ...(server.flavour === 'mariadb' ? ['SET SESSION max_statement_time = 0'] : []),
    // As the tools say it: XA transactions are let go of once they are prepared.
    'SET SESSION pseudo_slave_mode = 1',
    takeReplayLock,
  ]
}

/** Of every session that writes, the journal included: replicas that do not have it would end at it. */
function binlogSetup({ binlog }: Pick<ReplayOptions, 'binlog'>): string[] {
  return binlog ? [] : ['SET SESSION sql_log_bin = 0']
}

async function readCollations(session: MysqlSession) {
  const rows = await session.rows(
    'SELECT ID AS id, CHARACTER_SET_NAME AS character_set, COLLATION_NAME AS collation FROM information_schema.COLLATIONS WHERE ID IS NOT NULL AND CHARACTER_SET_NAME IS NOT NULL',
    'listing the collations of the target',
  )
  return new Map(
    rows.map((row) => [row.number('id'), { characterSet: row.text('character_set'), collation: row.text('collation') }] as const),
  )
}

/** The error with the place up to which everything is applied. What still runs on the server after an abort is ended. */
async function stopped(error: unknown, control: MysqlConnection, options: ReplayOptions): Promise<unknown> {
  if (options.signal?.aborted === true) {
    await endSession(options.settings).catch(() => undefined)
    return error
  }
  if (!BackupError.is(error) || endsRestore(error)) return error
  const state = await waitForReplayEnd(control).then(
    () => readReplayState(control),
    () => undefined,
  )
  if (state === undefined) return error
  const log = options.facts.logs[state.log]
  const half = state.begun ? ', and the change right after it may be there in part' : ''
  return new BackupError(`${error.message}; everything up to ${log?.binlog}:${state.offset} is applied${half}`, {
    code: error.code,
    hint: error.hint,
    cause: error,
  })
}

async function endSession(settings: MysqlConnectionSettings): Promise<void> {
  await using session = await connect(settings)
  const id = await replaySession(session)
  if (id !== undefined) await killConnections(settings, [id])
}
