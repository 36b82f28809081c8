import {
  BackupError,
  type OperationOptions,
  type Progress,
  type RestoredFiles,
  type RestoredItem,
  type RestorePlan,
} from '@backup-planet/core'
import { binlogItem } from '../dump-layout.ts'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'
import type { MysqlConnection } from '../mysql-connection.ts'
import { mysqlError } from '../mysql-errors.ts'
import type { ServerFacts } from '../mysql-server.ts'
import type { ItemFailures } from './item-failures.ts'
import { replayLogs } from './log-replay.ts'
import { accountsLeftAlone } from './log-replay-accounts.ts'
import type { LogChoice } from './log-replay-choice.ts'
import type { ReplayFacts } from './log-replay-facts.ts'
import { gtidAtEnd } from './log-replay-gtid.ts'
import type { Preflight } from './log-replay-preflight.ts'
import { preparedTransactions } from './prepared-transactions.ts'
import type { RestoreJournal } from './restore-journal.ts'
import type { MysqlRestoreOptions } from './restore-options.ts'
import { endsRestore } from './restore-session.ts'
import { restoreGtid, startEvents, stopEvents } from './server-variables.ts'

export interface LogRunOptions extends OperationOptions {
  readonly settings: MysqlConnectionSettings
  readonly plan: RestorePlan
  readonly files: RestoredFiles
  readonly facts: ReplayFacts
  readonly preflight: Preflight
  readonly restore: MysqlRestoreOptions
  readonly server: ServerFacts
  readonly connection: MysqlConnection
  readonly journal: RestoreJournal
  readonly failures: ItemFailures
}

/** What is chosen of the logs, as far as it is known before anything is changed. */
export function plannedChoice(facts: ReplayFacts, restore: MysqlRestoreOptions): LogChoice {
  return {
    skipped: new Set(restore.skipGtids),
    triggered: new Set(facts.leftOut?.triggered?.map((name) => name.toLowerCase())),
    accountsLeftAlone: 'all',
    ...(facts.leftOut === undefined ? {} : { leftOut: facts.leftOut }),
    ...(facts.lowerCaseTableNames === undefined ? {} : { lowerCaseTableNames: facts.lowerCaseTableNames }),
    ...(facts.schemas === undefined ? {} : { schemas: new Set(facts.schemas) }),
  }
}

/** The logs of a restore: beside its items they succeed or fail as one. */
export class LogRun {
  readonly #options: LogRunOptions
  #failure: RestoredItem['failure']
  #appliedTo = ''
  readonly #serverTables = new Set<string>()

  constructor(options: LogRunOptions) {
    this.#options = options
  }

  get failed(): boolean {
    return this.#failure !== undefined
  }

  /** Before any event is enabled: what events did on the source is in the logs. */
  async stopEvents(): Promise<void> {
    await stopEvents(this.#options.connection, this.#options.journal)
  }

  async replay(): Promise<void> {
    const { failures, onProgress, preflight } = this.#options
    if (failures.any)
      return this.#fail(
        new BackupError('the logs were not replayed, since items of the full backup failed', {
          code: 'INCONSISTENT',
          hint: 'See to the items that failed, then execute the same plan again.',
        }),
      )
    onProgress?.({ type: 'step', text: `replay the logs up to ${preflight.endText}` })
    try {
      await this.#replay()
    } catch (error) {
      this.#fail(error)
    }
  }

  async #replay(): Promise<void> {
    const { facts, preflight, restore, connection, journal } = this.#options
    const alone = facts.accounts ? await accountsLeftAlone(connection, journal, restore.users) : 'all'
    await replayLogs({
      ...this.#options,
      onProgress: (progress) => this.#tell(progress),
      end: preflight.end,
      binlog: restore.binlog,
      anyWay: restore.replay === 'auto',
      choice: {
        ...plannedChoice(facts, restore),
        accountsLeftAlone: alone,
        onAccountsLeftAlone: (statement, accounts) => this.#leftAlone(statement, accounts),
        onRightsLeftOut: (statement) => this.#rightsLeftOut(statement),
        onServerTable: (table) => this.#serverTable(table),
      },
    })
    this.#appliedTo = preflight.endText
    if (restore.restoreGtid) {
      const { files, plan, server } = this.#options
      await restoreGtid(connection, server, plan, await gtidAtEnd(files, facts, preflight.end, this.#options))
    }
    for (const problem of await preparedTransactions(connection)) this.#options.failures.problem(problem)
    await startEvents(connection, journal)
  }

  /** Problems are reported too. */
  #tell(progress: Progress): void {
    if (progress.type === 'problem') this.#options.failures.problem(progress.problem)
    else this.#options.onProgress?.(progress)
  }

  #fail(error: unknown): void {
    const failure = mysqlError(error, 'replaying the logs')
    if (!BackupError.is(failure) || endsRestore(failure)) throw failure
    const { code, message, hint } = failure
    this.#failure = { code, message, ...(hint === undefined ? {} : { hint }) }
    this.#options.onProgress?.({ type: 'item', phase: 'restore', item: binlogItem, state: 'failed' })
  }

  #leftAlone(statement: string, accounts: readonly string[]): void {
    this.#options.failures.problem({
      severity: 'warning',
      code: 'ALREADY_EXISTS',
      item: binlogItem,
      message: `${accounts.join(', ')} on the target was left as it is: ${statement} in the logs was not applied`,
      hint: 'Run it by hand if it shall count here too.',
    })
  }

  #rightsLeftOut(statement: string): void {
    this.#options.failures.problem({
      severity: 'warning',
      code: 'UNSUPPORTED',
      item: binlogItem,
      message: `${statement} in the logs was not applied: the full backup leaves out what it is about`,
      hint: 'Run it by hand once that is on the target, if it shall count here too.',
    })
  }

  #serverTable(table: string): void {
    if (this.#serverTables.has(table)) return
    this.#serverTables.add(table)
    this.#options.failures.problem({
      severity: 'warning',
      code: 'UNSUPPORTED',
      item: binlogItem,
      message: `changes of ${table} in the logs were not applied: tables of the server itself are left as they are`,
      hint: 'What CREATE USER, GRANT and the like have done is applied as the option users says; write the rest by hand if it shall count here too.',
    })
  }

  items(): readonly RestoredItem[] {
    const { plan } = this.#options
    return plan.items
      .filter((item) => item.backup !== plan.backups[0])
      .map(({ item, to }) => ({
        item,
        to,
        ...(this.#failure === undefined ? {} : { failure: this.#failure }),
        checks: [],
        facts: this.#failure === undefined ? { appliedTo: this.#appliedTo } : {},
      }))
  }
}
