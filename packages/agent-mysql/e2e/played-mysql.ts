import type { AddressInfo } from 'node:net'
import mysql from 'mysql2'

/** A number is an error, `[]` no rows. */
export type PlayedAnswer = number | readonly Readonly<Record<string, string | null>>[]
/** Answers to what begins so; the first one that fits counts. */
export type PlayedAnswers = readonly (readonly [statement: RegExp, answer: PlayedAnswer])[]

/** One connection to a played server. */
export interface PlayedSession {
  /** What the client knows as the id of its thread. */
  readonly id: number
  readonly socket: { write(bytes: Uint8Array): void; destroy(): void }
}

export interface PlayedScript {
  answer(sql: string, session: PlayedSession): PlayedAnswer
  /** @param payload of COM_BINLOG_DUMP behind the number of the command; what is sent for it goes through the socket */
  binlogDump?(payload: Buffer, session: PlayedSession): void
}

export interface HeardStatement {
  readonly session: number
  readonly sql: string
}

export interface PlayedMysql extends AsyncDisposable {
  readonly port: number
  readonly statements: readonly string[]
  readonly heard: readonly HeardStatement[]
  /** Closes one connection, or all, as a KILL or a crash does. */
  kill(session?: number): void
}

const comBinlogDump = 0x12

/**
 * A server that is not at hand, as far as somebody has written down what it answers. With a list, SET and everything else without rows succeeds. Every account
 * is let in, by the only method that mysql2's server knows: what versions do at the login is not played.
 *
 * @param version as the server greets with it
 */
export async function playMysql(version: string, script: PlayedAnswers | PlayedScript): Promise<PlayedMysql> {
  const { answer, binlogDump }: PlayedScript =
    'answer' in script ? script : { answer: (sql) => script.find(([statement]) => statement.test(sql))?.[1] ?? [] }
  const heard: HeardStatement[] = []
  const open = new Map<number, PlayedConnection>()
  // The types of the driver lack its server.
  const server = mysql.createServer(() => undefined) as unknown as PlayedServer
  server.on('connection', (connection) => {
    // An answer is many small packets, of which each would else wait for the acknowledgement of the one before.
    connection.stream.setNoDelay(true)
    const id = open.size + 1
    open.set(id, connection)
    const session: PlayedSession = { id, socket: connection.stream }
    connection.on('error', () => undefined)
    connection.serverHandshake({
      protocolVersion: 10,
      serverVersion: version,
      connectionId: id,
      statusFlags: 2,
      characterSet: 45,
      // Without CLIENT_SSL and CLIENT_DEPRECATE_EOF.
      capabilityFlags: 0xff_ff_ff & ~0x800 & ~0x1_00_00_00,
      authCallback: (_: unknown, accept: (error: null) => void) => {
        accept(null)
        connection._resetSequenceId()
      },
    })
    const reply = (sql: string): void => {
      heard.push({ session: id, sql })
      respond(connection, answer(sql, session))
      // The next command counts its packets from the beginning.
      connection._resetSequenceId()
    }
    connection.on('query', reply)
    // What the driver makes of SET.
    connection.on('stmt_prepare', reply)
    connection.on('ping', () => {
      connection.writeOk()
      connection._resetSequenceId()
    })
    connection.on('quit', () => connection.stream.end())
    connection.on('packet', ({ buffer, start, end }, _known, command) => {
      if (command !== comBinlogDump) return
      // ER_SPECIFIC_ACCESS_DENIED_ERROR, where binlogs are not played.
      if (binlogDump === undefined) connection.writeError({ code: 1227, message: 'Access denied; you need REPLICATION SLAVE' })
      else binlogDump(Buffer.from(buffer.subarray(start + 5, end)), session)
    })
  })
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server._server.address() as AddressInfo).port))
  })
  const kill = (session?: number): void => {
    for (const [id, connection] of open) if (session === undefined || session === id) connection.stream.destroy()
  }
  return {
    port,
    get statements() {
      return heard.map(({ sql }) => sql)
    },
    heard,
    kill,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        kill()
        server.close(() => resolve())
      }),
  }
}

function respond(connection: PlayedConnection, answer: PlayedAnswer): void {
  if (typeof answer === 'number') connection.writeError({ code: answer, message: `error ${answer}` })
  else if (answer[0] === undefined) connection.writeOk()
  else connection.writeTextResult(answer, columnsOf(answer[0]))
}

function columnsOf(first: Readonly<Record<string, unknown>>): readonly object[] {
  return Object.keys(first).map((name) => ({
    catalog: 'def',
    schema: '',
    table: '',
    orgTable: '',
    name,
    orgName: name,
    characterSet: 45,
    columnLength: 1024,
    columnType: 253,
    flags: 0,
    decimals: 0,
  }))
}

interface PlayedServer {
  readonly _server: { address(): unknown }
  on(event: 'connection', listener: (connection: PlayedConnection) => void): void
  listen(port: number, host: string, listening: () => void): void
  close(closed: () => void): void
}

interface PlayedConnection {
  readonly stream: { write(bytes: Uint8Array): void; setNoDelay(on: boolean): void; end(): void; destroy(): void }
  on(event: 'packet', listener: (packet: { buffer: Buffer; start: number; end: number }, known: boolean, command: number) => void): void
  on(event: 'query' | 'stmt_prepare' | 'ping' | 'quit' | 'error', listener: (sql: string) => void): void
  serverHandshake(facts: object): void
  _resetSequenceId(): void
  writeOk(): void
  writeError(error: object): void
  writeTextResult(rows: unknown, columns: readonly object[]): void
}
