import { BackupError, commandRunner, type OperationOptions, type Problem, type RestoredFiles } from '@backup-planet/core'
import { binlogItem } from '../dump-layout.ts'
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
import { type ReplayWay, wayFor } from './log-replay-way.ts'
import { abandonHint } from './restore-journal.ts'
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
  /** Whether what one way of replaying refuses is left to the other one. */
  readonly anyWay: boolean
}

/** The rows of a long statement are applied in pieces of at most so many bytes. */
const largestPiece = 4 * 1024 * 1024

/**
 * Applies the logs to what the full backup has left on the target. The journal says at every moment what is applied; a replay that was cut goes on right
 * there, and so does the other way of replaying where that may be tried. Throws `CONFLICT` where that cannot be known, what the logs and the server throw
 * otherwise, with the place up to which everything is applied.
 */
export async function replayLogs(options: ReplayOptions): Promise<ReplayState> {
  await using control = await connect(options.settings, { signal: options.signal, setup: binlogSetup(options) })
  let way = options.facts.way
  let changedAt: string | undefined
  for (;;) {
    try {
      return await replayBy(way, control, options)
    } catch (error) {
      const change = await otherWay(error, control, options)
      // Refused by both.
      if (change === undefined || change.at === changedAt) throw await stopped(error, control, options)
      const { message } = error as BackupError
      options.onProgress?.({ type: 'problem', problem: changedWay(change.way, message) })
      way = change.way
      changedAt = change.at
    }
  }
}

interface WayChange {
  readonly way: ReplayWay
  /** How far the replay has come. */
  readonly at: string
}

/** Another session has nothing of the temporary tables of the one that ended. */
async function otherWay(error: unknown, control: MysqlConnection, options: ReplayOptions): Promise<WayChange | undefined> {
  const way = wayFor(error)
  if (way === undefined || !options.anyWay || options.signal?.aborted === true) return undefined
  if (way === 'tools' && (await findReplayTools(options.facts.flavour, commandRunner, options)) === undefined) return undefined
  await waitForReplayEnd(control)
  const state = await readReplayState(control)
  return state === undefined || state.temporaryTables ? undefined : { way, at: `${state.log}:${state.offset}` }
}

function changedWay(way: ReplayWay, message: string): Problem {
  return {
    severity: 'warning',
    code: 'UNSUPPORTED',
    item: binlogItem,
    message: `${message}; from there on the logs are replayed ${way === 'tools' ? 'by the tools of the server' : 'by statements'}`,
    hint: 'Nothing is missing by that. Set the option replay where logs shall be replayed in one way alone.',
  }
}

async function replayBy(way: ReplayWay, control: MysqlConnection, options: ReplayOptions): Promise<ReplayState> {
  const { facts, choice } = options
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
      await replaySessionOf(way, sources, options)
      await waitForReplayEnd(control)
    }
  } finally {
    await sources.close()
  }
  return (await readReplayState(control)) ?? state
}

async function replaySessionOf(way: ReplayWay, sources: ReplaySources, options: ReplayOptions): Promise<void> {
  const { settings, facts, server } = options
  const setup = sessionSetup(options)
  if (way === 'tools') {
    const tools = await findReplayTools(facts.flavour, commandRunner, options)
    if (tools === undefined) {
      throw new BackupError(`the ${facts.flavour} client and the tool for its binlogs are no longer found`, {
        code: 'NOT_FOUND',
        hint: 'Install them, or restore again with the option replay set to statements: the replay goes on where it has ended.',
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
    hint: wayFor(error) !== undefined && state.temporaryTables ? `${otherWayAnew} ${abandonHint}` : error.hint,
    cause: error,
  })
}

/** In place of the hint that the replay goes on. */
const otherWayAnew =
  'Another setting of the option replay can do this, but not from here on: temporary tables of the source live in the session that has ended. Begin anew with it.'

async function endSession(settings: MysqlConnectionSettings): Promise<void> {
  await using session = await connect(settings)
  const id = await replaySession(session)
  if (id !== undefined) await killConnections(settings, [id])
}
