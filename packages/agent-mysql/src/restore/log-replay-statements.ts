import { BackupError, type OperationOptions } from '@backup-planet/core'
import type { FormatDescription } from '../binlog/binlog-event.ts'
import { endsStatement } from '../binlog/binlog-event.ts'
import { eventType, eventTypeName, isRowsEvent } from '../binlog/binlog-event-type.ts'
import { shownStatement, statementKind } from '../binlog/statement-text.ts'
import type { MysqlConnection } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import type { ReplayAction } from './log-replay-actions.ts'
import type { ReplayEvent } from './log-replay-events.ts'
import { halfDoneHint, interrupted, loadHint } from './log-replay-interrupted.ts'
import { queryParts } from './log-replay-query.ts'
import { ReplaySession } from './log-replay-session.ts'
import type { ReplaySource } from './log-replay-sources.ts'
import { xidText } from './log-replay-units.ts'
import { type CollationNames, variableStatement } from './log-replay-variables.ts'

export interface StatementsOptions extends OperationOptions {
  /** One that takes several statements at once, and texts as bytes: each character stands for one. */
  readonly connection: MysqlConnection
  readonly collations: CollationNames
  readonly maxAllowedPacket: number
  readonly mariadb: boolean
}

/** What is sent at once where it can wait; less than any `max_allowed_packet`. */
const batchBytes = 64 * 1024

/**
 * Applies logs without tools: rows by BINLOG statements, other statements as they were logged with the variables of their sessions, several
 * transactions at once. Throws `UNSUPPORTED` for what cannot be applied exactly, before it is.
 */
export async function replayByStatements(sources: AsyncIterable<ReplaySource>, options: StatementsOptions): Promise<void> {
  const replay = new StatementReplay(options)
  for await (const source of sources) {
    replay.begin(source.name)
    for await (const action of source.actions) await replay.take(action)
    await replay.flush()
  }
}

class StatementReplay {
  readonly #options: StatementsOptions
  readonly #session = new ReplaySession()
  #name = ''
  #format: FormatDescription | undefined
  #batch: string[] = []
  #bytes = 0
  #rows: Buffer[] = []

  constructor(options: StatementsOptions) {
    this.#options = options
  }

  begin(name: string): void {
    this.#name = name
  }

  async take(action: ReplayAction): Promise<void> {
    switch (action.type) {
      case 'format':
        this.#format = action.format
        return await this.#addBinlog(binlogStatement([action.event.bytes]))
      case 'own':
        return await this.#add(action.sql)
      case 'between':
        return await this.#query(action.event, action.before, action.after)
      case 'event':
        return await this.#event(action.event)
      case 'boundary':
        if (this.#bytes >= batchBytes) await this.flush()
    }
  }

  async #event(event: ReplayEvent): Promise<void> {
    if (event.type === eventType.TABLE_MAP || isRowsEvent(event.type)) {
      this.#rows.push(event.bytes)
      if (event.type === eventType.TABLE_MAP || !endsStatement(event.body, event.fixedBytes)) return
      const rows = this.#rows
      this.#rows = []
      return await this.#addRows(rows, event)
    }
    switch (event.type) {
      case eventType.XID:
        return await this.#add('COMMIT')
      case eventType.XA_PREPARE:
        return await this.#add(xaStatement(event))
      case eventType.QUERY:
      case eventType.QUERY_COMPRESSED:
        return await this.#query(event, '', '')
      case eventType.INTVAR:
      case eventType.RAND:
      case eventType.USER_VAR:
        return await this.#add(variableStatement(event, this.#options.collations, this.#name))
    }
    throw new BackupError(
      `binlog ${this.#name} at offset ${event.begin}: LOAD DATA was logged as a statement with its file (${eventTypeName(event.type)}), which is not sent`,
      { code: 'UNSUPPORTED', hint: loadHint },
    )
  }

  async #addRows(rows: readonly Buffer[], event: ReplayEvent): Promise<void> {
    const statement = binlogStatement(rows)
    const limit = this.#options.maxAllowedPacket - 1024
    if (statement.length <= limit) return await this.#addBinlog(statement)
    // MariaDB documentation, "BINLOG": in two parts, each of which goes in a packet of its own.
    const text = base64(rows)
    const half = Math.ceil(text.length / 2)
    if (!this.#options.mariadb || half > limit) {
      const wanted = Math.ceil(text.length / (this.#options.mariadb ? 2 : 1) / 1024 / 1024) + 1
      throw new BackupError(
        `binlog ${this.#name} at offset ${event.begin}: a row of ${event.bytes.length} bytes does not fit into max_allowed_packet of the target`,
        {
          code: 'UNSUPPORTED',
          hint: `Run SET GLOBAL max_allowed_packet = ${wanted} * 1024 * 1024 on the target, then execute the same plan again.`,
        },
      )
    }
    await this.flush()
    await this.#send(`SET @binlog_fragment_0='${text.slice(0, half)}'`)
    await this.#send(`SET @binlog_fragment_1='${text.slice(half)}'`)
    await this.#send('BINLOG @binlog_fragment_0, @binlog_fragment_1')
  }

  async #query(event: ReplayEvent, before: string, after: string): Promise<void> {
    const { statement } = queryParts(event)
    const text = statement.toString('latin1')
    const error = event.body.readUInt16LE(9)
    const kind = statementKind(statement)
    if (this.#format === undefined || (kind !== 'other' && kind !== 'xa-finish' && kind !== 'xa-start')) return await this.#add(text)
    for (const sql of this.#session.prepare(event, this.#format, this.#name)) await this.#add(sql)
    if (/^\s*(?:\/\*.*?\*\/\s*)*(?:DROP|CREATE|ALTER|USE|SET)\b/is.test(text)) this.#session.forgetSchema()
    if (error === 0) return await this.#add(`${before}${text}${after}`)
    await this.#expectError(event, error, before, text, after)
  }

  /** It failed on the source after it had done something, and must do the same here. */
  async #expectError(event: ReplayEvent, expected: number, before: string, text: string, after: string): Promise<void> {
    if (interrupted.has(expected)) {
      throw new BackupError(
        `binlog ${this.#name} at offset ${event.begin}: ${shownStatement(Buffer.from(text, 'latin1'))} was ended half done on the source (error ${expected}), and nobody knows how far it had come`,
        { code: 'UNSUPPORTED', hint: halfDoneHint },
      )
    }
    await this.flush()
    try {
      await this.#send(`${before}${text}`)
    } catch (error) {
      if (errorNumber(error) !== expected) throw error
      await this.#add(after.replace(/^\s*;/, ''))
      return
    }
    throw new BackupError(
      `binlog ${this.#name} at offset ${event.begin}: ${shownStatement(Buffer.from(text, 'latin1'))} failed with error ${expected} on the source, and not here`,
      { code: 'INCONSISTENT', hint: 'The target is not as the source was. Restore anew, to a target that holds nothing else.' },
    )
  }

  /** Seen on MariaDB 10.11: answers to what follows one of these come out of step, so it is the last that is sent at once. */
  async #addBinlog(statement: string): Promise<void> {
    await this.#add(statement)
    await this.flush()
  }

  /** Statements that do not fit together are sent apart. */
  async #add(sql: string): Promise<void> {
    if (sql === '') return
    if (this.#bytes > 0 && this.#bytes + sql.length > this.#options.maxAllowedPacket - 1024) await this.flush()
    this.#batch.push(sql)
    this.#bytes += sql.length + 2
  }

  async flush(): Promise<void> {
    const batch = this.#batch
    this.#batch = []
    this.#bytes = 0
    if (batch.length > 0) await this.#send(batch.join('\n;'))
  }

  async #send(sql: string): Promise<void> {
    await this.#options.connection.send({ sql }, `replaying ${this.#name}`)
  }
}

function binlogStatement(events: readonly Buffer[]): string {
  return `BINLOG '${base64(events)}'`
}

/** Every event apart, as the tools write them: then the padding of one is not in the middle of a text. */
function base64(events: readonly Buffer[]): string {
  return `\n${events.map((event) => event.toString('base64')).join('\n')}\n`
}

/** MySQL "XA_prepare_event": one phase, format, bytes of the two parts, both parts. */
function xaStatement({ body }: ReplayEvent): string {
  const xid = xidText(body.subarray(13), body.readUInt32LE(5), body.readUInt32LE(9), body.readUInt32LE(1))
  return body[0] === 1 ? `XA COMMIT ${xid} ONE PHASE` : `XA PREPARE ${xid}`
}
