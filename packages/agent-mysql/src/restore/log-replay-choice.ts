import { BackupError } from '@backup-planet/core'
import { endsStatement, readQuery } from '../binlog/binlog-event.ts'
import { eventFlag, eventType, isRowsEvent } from '../binlog/binlog-event-type.ts'
import { shownStatement, statementKind } from '../binlog/statement-text.ts'
import { type LeftOut, leavesNothingOut } from '../dump/left-out-facts.ts'
import { withBody, withFlags, withStatementEnd } from './log-replay-edits.ts'
import type { ReplayEvent } from './log-replay-events.ts'
import { withoutLeftOut } from './log-replay-left-out.ts'
import { queryParts } from './log-replay-query.ts'
import { tableOf } from './log-replay-resume.ts'
import { isSchemaAway } from './log-replay-schemas.ts'
import { isTableReplayed, serverSchema, statementFate } from './log-replay-selection.ts'
import { loggedDialect } from './log-replay-status.ts'
import type { UnitPiece } from './log-replay-units.ts'

/** What of the logs is applied. */
export interface LogChoice {
  /** GTIDs of transactions that are left out. */
  readonly skipped: ReadonlySet<string>
  /** Schemas that are restored; all when left out, but for what never is: the journal of a restore, and tables of the server itself. */
  readonly schemas?: ReadonlySet<string>
  /** `lower_case_table_names` of the source: 0 tells names apart by case. Left out where it is not known. */
  readonly lowerCaseTableNames?: number
  /** What the full backup does not hold. */
  readonly leftOut?: LeftOut
  /** Tables as `schema.table` in lower case that had triggers; those whose triggers are left out of the logs are added while they are read. */
  readonly triggered?: Set<string>
  /** Accounts as `user@host` that statements leave as they are; `all` applies no statement on accounts. */
  readonly accountsLeftAlone: ReadonlySet<string> | 'all'
  /** Told once of each statement on accounts that was left out. */
  readonly onAccountsLeftAlone?: (statement: string, accounts: readonly string[]) => void
  /** Told of each statement that gives or takes rights on what was left out. */
  readonly onRightsLeftOut?: (statement: string) => void
  /** Told of each table of the server itself whose changes are left out. */
  readonly onServerTable?: (table: string) => void
  /** Told of each transaction that was left out by its GTID. */
  readonly onSkipped?: (gtid: string) => void
}

/** Whether every schema and table is wanted that is not the server's own. */
export function isWhole({ schemas, leftOut }: LogChoice): boolean {
  return schemas === undefined && (leftOut === undefined || leavesNothingOut(leftOut))
}

/** The same choice, for looking at logs before they are applied. */
export function silent({
  onAccountsLeftAlone: _,
  onRightsLeftOut: __,
  onServerTable: ___,
  onSkipped: ____,
  ...choice
}: LogChoice): LogChoice {
  return choice
}

/** Leaves out what is not wanted. Throws `UNSUPPORTED` for a statement of which nobody can tell whether it is. */
export async function* chosenUnits(
  units: AsyncIterable<UnitPiece>,
  choice: LogChoice,
  name: string,
): AsyncGenerator<UnitPiece, void, void> {
  let leftOut = false
  let filter = new UnitFilter(choice, name)
  for await (const piece of units) {
    if (piece.type === 'format') {
      yield piece
      continue
    }
    if (piece.type === 'begin') {
      const { gtid } = piece.unit
      leftOut = gtid !== undefined && choice.skipped.has(gtid)
      if (leftOut && gtid !== undefined) choice.onSkipped?.(gtid)
      filter = new UnitFilter(choice, name)
    }
    if (leftOut) continue
    if (piece.type !== 'event') yield piece
    else for (const event of filter.pass(piece.event)) yield endsAlike(event, piece.event) ? { ...piece, event } : { type: 'event', event }
  }
}

/** Whether an event that was passed on is the one that was given, as it is or as it can be executed: others were held back before it. */
function endsAlike(passed: ReplayEvent, given: ReplayEvent): boolean {
  return passed === given || passed.type === eventType.QUERY
}

class UnitFilter {
  readonly #choice: LogChoice
  readonly #name: string
  /** Numbers of tables in row events whose rows are left out. */
  readonly #leftOut = new Set<string>()
  /** Variables that are for the next statement only. */
  #variables: ReplayEvent[] = []
  /** Rows that are not passed on yet, because they may have to end their statement. */
  #rows: ReplayEvent | undefined

  constructor(choice: LogChoice, name: string) {
    this.#choice = choice
    this.#name = name
  }

  /** The event, with what was held back for it; nothing where it is left out. */
  pass(event: ReplayEvent): readonly ReplayEvent[] {
    const { type } = event
    if (isRowsEvent(type)) return this.#passRows(event)
    const rows = this.#rows === undefined ? [] : [this.#rows]
    this.#rows = undefined
    return [...rows, ...this.#passOther(event)]
  }

  /** The last rows of a statement that are wanted must end it, where those that did are left out. */
  #passRows(event: ReplayEvent): readonly ReplayEvent[] {
    const wanted = this.#isRowsWanted(event)
    const ends = endsStatement(event.body, event.fixedBytes)
    const before = this.#rows
    if (!wanted && !ends) return []
    this.#rows = wanted && !ends ? event : undefined
    if (wanted) return [...(before === undefined ? [] : [before]), ...(ends ? [event] : [])]
    return before === undefined ? [] : [withStatementEnd(before)]
  }

  #passOther(event: ReplayEvent): readonly ReplayEvent[] {
    const { type } = event
    if (type === eventType.TABLE_MAP) return this.#isRowsWanted(event) ? [event] : []
    if (type === eventType.INTVAR || type === eventType.RAND || type === eventType.USER_VAR) {
      this.#variables.push(event)
      return []
    }
    if (type === eventType.EXECUTE_LOAD_QUERY) this.#refuseUnseen(event)
    const wanted = (type !== eventType.QUERY && type !== eventType.QUERY_COMPRESSED) || this.#isStatementWanted(event)
    const variables = this.#variables
    this.#variables = []
    return wanted ? [...variables, this.#adapted(event)] : []
  }

  /** A statement as it can be executed where what was left out is not there. */
  #adapted(event: ReplayEvent): ReplayEvent {
    if (isWhole(this.#choice) || (event.type !== eventType.QUERY && event.type !== eventType.QUERY_COMPRESSED)) return event
    const { head, statement } = queryParts(event)
    if (statementKind(statement) !== 'other') return event
    const schema = readQuery(event.body, event.type, event.fixedBytes)?.schema ?? ''
    const text = statement.toString('latin1')
    const adapted = withoutLeftOut(text, loggedDialect(event), schema, (name, table) => isTableReplayed(this.#choice, name, table))
    const edited = adapted === text ? event : withBody(event, eventType.QUERY, [head, Buffer.from(adapted, 'latin1')])
    return isSchemaAway(this.#choice, schema) ? withFlags(edited, edited.flags | eventFlag.SUPPRESS_USE) : edited
  }

  #isRowsWanted(event: ReplayEvent): boolean {
    if (event.type !== eventType.TABLE_MAP && this.#leftOut.size === 0) return true
    // Six bytes; four in MySQL 5.1.
    const id = event.body.toString('latin1', 0, event.fixedBytes === 6 ? 4 : 6)
    if (event.type === eventType.TABLE_MAP) {
      const [schema = '', table = ''] = tableOf(event.body, event.fixedBytes) ?? []
      if (schema === serverSchema) this.#choice.onServerTable?.(`${schema}.${table}`)
      if (isTableReplayed(this.#choice, schema, table)) this.#leftOut.delete(id)
      else this.#leftOut.add(id)
    }
    return !this.#leftOut.has(id)
  }

  #isStatementWanted(event: ReplayEvent): boolean {
    const { accountsLeftAlone, onAccountsLeftAlone, onRightsLeftOut } = this.#choice
    const { statement } = queryParts(event)
    if (statementKind(statement) !== 'other') return true
    const schema = readQuery(event.body, event.type, event.fixedBytes)?.schema ?? ''
    const fate = statementFate(statement.toString('utf8'), loggedDialect(event), schema, this.#choice)
    switch (fate.is) {
      case 'replayed':
        return true
      case 'left out':
        if (fate.triggered !== undefined) this.#choice.triggered?.add(fate.triggered)
        return false
      case 'of the server':
        this.#choice.onServerTable?.(fate.table)
        return false
      case 'of rights left out':
        if (accountsLeftAlone !== 'all') onRightsLeftOut?.(shownStatement(statement))
        return false
      case 'of accounts': {
        if (accountsLeftAlone === 'all') return false
        const alone = fate.accounts.filter((account) => accountsLeftAlone.has(account))
        if (alone.length > 0) onAccountsLeftAlone?.(shownStatement(statement), alone)
        return alone.length === 0
      }
      case 'refused':
        throw this.#unsupported(event, `${shownStatement(statement)} ${fate.because}`)
    }
  }

  /** What has its data elsewhere is not looked into. */
  #refuseUnseen(event: ReplayEvent): void {
    if (isWhole(this.#choice)) return
    throw this.#unsupported(event, 'LOAD DATA was logged as a statement, of which nobody can tell which schemas it touches')
  }

  #unsupported(event: ReplayEvent, what: string): BackupError {
    return new BackupError(`binlog ${this.#name} at offset ${event.begin}: ${what}`, {
      code: 'UNSUPPORTED',
      hint: 'Restore all items, to another server if need be, or to a moment before this statement.',
    })
  }
}
