import {
  BackupError,
  type OperationOptions,
  type RestoredFiles,
  type RestoredItem,
  type RestorePlan,
  type RestoreReport,
  throwIfAborted,
} from '@backup-planet/core'
import { accountsItem } from '../dump-layout.ts'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'
import { connect, type MysqlConnection } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import type { ServerRow } from '../mysql-rows.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { noteUnloggedBegin, noteUnloggedEnd } from '../unlogged-restore.ts'
import { type AccountRestoreContext, checkAccounts, createAccounts, grantAccounts } from './account-restore.ts'
import { ItemFailures } from './item-failures.ts'
import { replayFactsOf } from './log-replay-facts.ts'
import { readReplayState } from './log-replay-journal.ts'
import { preflightLogs } from './log-replay-preflight.ts'
import { LogRun, plannedChoice } from './log-replay-run.ts'
import { checkTable } from './restore-checks.ts'
import { type ItemContents, readContents } from './restore-contents.ts'
import { abandonHint, journalSchema, planDigest, RestoreJournal, readJournalHead } from './restore-journal.ts'
import { parseRestoreOptions } from './restore-options.ts'
import { connectForRestore } from './restore-session.ts'
import { readTarget, targetFingerprint } from './restore-target.ts'
import { loadRows } from './rows-restore.ts'
import { type PreparedSchema, prepareSchema, type SchemaRestoreContext } from './schema-preparation.ts'
import {
  addForeignKeys,
  addKeys,
  checkCollation,
  createEvents,
  createRoutines,
  createSchema,
  createTriggers,
  createViewPlaceholders,
  createViews,
  enableEvents,
  eventsMayRun,
} from './schema-restore.ts'
import { relaxCommits, restoreGtid, setBack } from './server-variables.ts'
import { schemasInViewOrder } from './view-order.ts'

/**
 * Executes a plan. Everything of the backup is read and checked before the first change, so that a damaged item fails untouched.
 * Throws `CONFLICT` before any change when the target is not as the plan found it, when another restore runs there, or has begun there and
 * not ended. A restore that was cut, or whose items failed in part, leaves its journal on the target: called again with the same plan
 * it goes on where it stopped, and no row goes in twice.
 */
export async function runMysqlRestore(
  settings: MysqlConnectionSettings,
  plan: RestorePlan,
  files: RestoredFiles,
  options: OperationOptions = {},
): Promise<RestoreReport> {
  throwIfAborted(options.signal, 'the restore')
  const restore = parseRestoreOptions(plan.request.options)
  refusePlan(plan)
  const failures = new ItemFailures(options)
  await using probe = await connect(settings, { signal: options.signal })
  await holdTarget(probe)
  const items = itemsOfFull(plan)
  const schemas = items.filter((item) => item.item !== accountsItem).map((item) => item.to)
  const target = await readTarget(probe, schemas, schemas.length < items.length)
  const resumed = await compareTarget(probe, plan, targetFingerprint(target))
  const replay = replayFactsOf(plan)
  const preflight =
    replay === undefined
      ? undefined
      : await preflightLogs({ ...options, files, facts: replay, stop: plan.request.stop, choice: plannedChoice(replay, restore) })
  // Once logs are replayed, the target is no longer as the full backup was.
  const isFullDone = resumed && replay !== undefined && (await readReplayState(probe)) !== undefined
  const contents = isFullDone ? [] : await readContents(items, files, failures, { ...options, restore })
  await using connection = await connectForRestore(settings, target.server, {
    signal: options.signal,
    localFiles: false,
    binlog: restore.binlog,
    sourceVersion: contents[0]?.sourceVersion ?? '',
  })
  const journal = resumed ? await RestoreJournal.open(connection) : undefined
  const draft = {
    ...options,
    connection,
    server: target.server,
    failures,
    restore,
    rename: new Map(items.filter((item) => item.to !== item.item).map((item) => [item.item, item.to])),
    collations: target.collations,
    overwrites: new Map(items.map((item) => [item.item, item.overwrites])),
  }
  const prepared = prepareAll(contents, { ...draft, journal: journal ?? unopened() }, failures)
  const context: SchemaRestoreContext = { ...draft, journal: journal ?? (await RestoreJournal.create(connection, plan)) }
  if (!restore.binlog && target.server.logBin) await noteUnloggedBegin(connection)
  const logs =
    replay === undefined || preflight === undefined
      ? undefined
      : new LogRun({ ...options, ...context, settings, plan, files, facts: replay, preflight })
  // Awaited here, because the connection ends with this function.
  return await new Run(settings, plan, files, context, target.server, target.localInfile, prepared, contents, logs, options).restore()
}

/** The first backup of a plan is the full one; all others are logs, whose item is no schema. */
function itemsOfFull(plan: RestorePlan): RestorePlan['items'] {
  return plan.items.filter((item) => item.backup === plan.backups[0])
}

/** Also long enough for the server to notice that the session of a killed run is gone. */
const lockSeconds = 10

/** Lets no two restores write to one server at once, as long as the session lives. Throws `CONFLICT` when another one does. */
async function holdTarget(session: MysqlConnection): Promise<void> {
  let row: ServerRow | undefined
  try {
    ;[row] = await session.rows(`SELECT GET_LOCK('${journalSchema}', ${lockSeconds}) AS held`, 'waiting for another restore to end')
  } catch (error) {
    // ER_NOT_SUPPORTED_YET, ER_UNKNOWN_ERROR: clusters that refuse locks of sessions; the journal alone stands guard there.
    if ([1105, 1235].includes(errorNumber(error) ?? 0)) return
    throw error
  }
  if (row?.nullable('held') === '1') return
  throw new BackupError('another restore to this server is running', {
    code: 'CONFLICT',
    hint: 'Wait until it has ended, then plan anew. SHOW PROCESSLIST on the target shows its sessions.',
  })
}

/** Checks every statement; items that do not pass fail here. */
function prepareAll(contents: readonly ItemContents[], context: SchemaRestoreContext, failures: ItemFailures): PreparedSchema[] {
  return contents.flatMap((one) => {
    try {
      if (one.item === accountsItem) checkAccounts(one.accounts)
      else return [prepareSchema(one, context)]
    } catch (error) {
      failures.fail(one.item, error)
    }
    return []
  })
}

/** Preparing changes nothing, so it needs no journal; one that does is a mistake. */
function unopened(): RestoreJournal {
  return new Proxy({} as RestoreJournal, {
    get() {
      throw new TypeError('the journal of the restore is not open yet')
    },
  })
}

function refusePlan(plan: RestorePlan): void {
  const problem = plan.problems.find((candidate) => candidate.severity === 'error')
  if (plan.application !== 'mysql' || plan.contract !== 'restore-plan/1') {
    throw new BackupError(`plan ${plan.id} is of ${plan.application}`, {
      code: 'INVALID_INPUT',
      hint: 'Execute it with the agent that made it.',
    })
  }
  if (problem !== undefined)
    throw new BackupError(`the plan cannot be executed: ${problem.message}`, { code: problem.code, hint: problem.hint })
}

/** Whether the plan was begun here before. */
async function compareTarget(connection: MysqlConnection, plan: RestorePlan, fingerprint: string): Promise<boolean> {
  const head = await readJournalHead(connection)
  const changed = (what: string, hint: string) => new BackupError(what, { code: 'CONFLICT', hint })
  const again = 'Plan the restore anew, look at what it would do now, and execute that plan.'
  if (head !== undefined && planDigest(head.plan) !== planDigest(plan)) {
    throw changed(`another restore (plan ${head.plan.id}) began on this server at ${head.beganAt} and has not ended`, abandonHint)
  }
  const [machine, found] = fingerprint.split('.')
  const [plannedMachine, planned] = plan.target.fingerprint.split('.')
  if (machine !== plannedMachine) throw changed(`the server is not the one that plan ${plan.id} was made for, or it was changed`, again)
  if (head === undefined && found !== planned) throw changed(`what lies on the target has changed since plan ${plan.id} was made`, again)
  return head !== undefined
}

class Run {
  readonly #settings: MysqlConnectionSettings
  readonly #plan: RestorePlan
  readonly #files: RestoredFiles
  readonly #context: SchemaRestoreContext
  readonly #server: ServerFacts
  readonly #localInfile: boolean
  readonly #prepared: readonly PreparedSchema[]
  readonly #contents: readonly ItemContents[]
  readonly #logs: LogRun | undefined
  readonly #options: OperationOptions
  readonly #checks = new Map<string, RestoredItem['checks'][number][]>()

  constructor(
    settings: MysqlConnectionSettings,
    plan: RestorePlan,
    files: RestoredFiles,
    context: SchemaRestoreContext,
    server: ServerFacts,
    localInfile: boolean,
    prepared: readonly PreparedSchema[],
    contents: readonly ItemContents[],
    logs: LogRun | undefined,
    options: OperationOptions,
  ) {
    this.#settings = settings
    this.#plan = plan
    this.#files = files
    this.#context = context
    this.#server = server
    this.#localInfile = localInfile
    this.#prepared = prepared
    this.#contents = contents
    this.#logs = logs
    this.#options = options
  }

  async restore(): Promise<RestoreReport> {
    const { connection, journal, failures, restore } = this.#context
    const accounts = this.#contents.filter((one) => one.item === accountsItem && !failures.has(one.item))
    for (const item of this.#plan.items) {
      if (!failures.has(item.item)) this.#options.onProgress?.({ type: 'item', phase: 'restore', item: item.item, state: 'begun' })
    }
    if (restore.relaxedCommits) await relaxCommits(connection, journal)
    try {
      await this.#accounts('create accounts and roles', accounts, createAccounts)
      await this.#phase('create schemas, sequences and tables', createSchema)
      await this.#rows()
      await this.#phase('add secondary keys', addKeys)
      await this.#phase('add foreign keys', addForeignKeys)
      await this.#phase('create placeholders of views', createViewPlaceholders)
      await this.#phase('create routines', createRoutines)
      await this.#phase(
        'create views',
        createViews,
        schemasInViewOrder(
          this.#prepared,
          (prepared) => prepared.contents.to,
          (prepared) => prepared.views,
        ),
      )
      await this.#phase('create triggers', createTriggers)
      await this.#accounts('grant to accounts', accounts, grantAccounts)
      await this.#phase('create events', createEvents)
      await this.#phase('compare with what the backup recorded', (prepared) => this.#check(prepared))
      if (restore.restoreGtid && !failures.any && this.#logs === undefined)
        await restoreGtid(connection, this.#server, this.#plan, this.#contents.find((one) => one.gtid !== '')?.gtid ?? '')
      // What is enabled does not run before the logs are replayed, which may change or drop it again.
      await this.#logs?.stopEvents()
      await this.#phase('enable events', enableEvents)
      await this.#phase('compare the defaults of schemas', checkCollation)
      await this.#logs?.replay()
    } finally {
      if (restore.relaxedCommits) await setBack(journal, this.#settings)
    }
    // What failed can be tried again with the same plan.
    if (!failures.any && this.#logs?.failed !== true) {
      if (!restore.binlog && this.#server.logBin) await noteUnloggedEnd(connection)
      await journal.remove(connection)
    }
    for (const { item, backup } of this.#plan.items) {
      const failed = backup === this.#plan.backups[0] ? failures.has(item) : this.#logs?.failed === true
      if (!failed) this.#options.onProgress?.({ type: 'item', phase: 'restore', item, state: 'ended' })
    }
    return this.#report()
  }

  async #phase(
    text: string,
    action: (prepared: PreparedSchema, context: SchemaRestoreContext) => Promise<void>,
    order = this.#prepared,
  ): Promise<void> {
    this.#options.onProgress?.({ type: 'step', text })
    for (const prepared of order) {
      const { item } = prepared.contents
      if (this.#context.failures.has(item)) continue
      throwIfAborted(this.#options.signal, text)
      try {
        await action(prepared, this.#context)
      } catch (error) {
        this.#context.failures.fail(item, error)
      }
    }
  }

  async #accounts(
    text: string,
    contents: readonly ItemContents[],
    action: (accounts: ItemContents['accounts'], context: AccountRestoreContext) => Promise<void>,
  ): Promise<void> {
    const { failures } = this.#context
    for (const one of contents) {
      if (failures.has(one.item)) continue
      this.#options.onProgress?.({ type: 'step', text })
      try {
        await action(one.accounts, { ...this.#context, item: one.item, problem: (problem) => failures.problem(problem) })
      } catch (error) {
        failures.fail(one.item, error)
      }
    }
  }

  async #rows(): Promise<void> {
    this.#options.onProgress?.({ type: 'step', text: 'load the rows' })
    await loadRows(this.#prepared, this.#files, {
      ...this.#context,
      settings: this.#settings,
      localInfile: this.#localInfile,
      largestInsert: Math.max(16_384, Math.min(1024 * 1024, Math.floor(this.#server.maxAllowedPacket / 2))),
    })
  }

  async #check(prepared: PreparedSchema): Promise<void> {
    const { connection, journal, restore } = this.#context
    // They were compared before the first event could run.
    if (journal.isDone(prepared.contents.item, eventsMayRun)) return
    const checks: RestoredItem['checks'][number][] = []
    this.#checks.set(prepared.contents.item, checks)
    for (const { table } of prepared.tables) checks.push(...(await checkTable(connection, prepared.contents, table, restore.verify)))
    const failed = checks.filter((check) => !check.passed)
    if (failed.length === 0) return
    throw new BackupError(
      `${prepared.contents.to} is not as it was backed up: ${failed.map((check) => `${check.name} is ${check.found}, not ${check.expected}`).join('; ')}`,
      { code: 'INCONSISTENT', hint: 'Make sure that nobody else writes to the schema, drop it, and restore it again.' },
    )
  }

  #report(): RestoreReport {
    const { failures } = this.#context
    return {
      items: [...this.#fullItems(), ...(this.#logs?.items() ?? [])],
      problems: failures.problems,
    }
  }

  #fullItems(): RestoreReport['items'] {
    const { failures } = this.#context
    return itemsOfFull(this.#plan).map((item) => {
      const failure = failures.get(item.item)
      const prepared = this.#prepared.find((one) => one.contents.item === item.item)
      const rows = [...(prepared?.contents.chunks.values() ?? [])].reduce((sum, chunk) => sum + chunk.rows, 0)
      return {
        item: item.item,
        to: item.to,
        ...(failure === undefined ? {} : { failure }),
        checks: this.#checks.get(item.item) ?? [],
        facts: prepared === undefined ? {} : { tables: prepared.tables.length, rows, files: prepared.contents.chunks.size },
      }
    })
  }
}
