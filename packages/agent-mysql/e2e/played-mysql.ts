import type { AddressInfo } from 'node:net'
import mysql, { type Connection } from 'mysql2'

/** Answers to what begins so; the first one that fits counts. A number is an error, `[]` no rows. */
export type PlayedAnswers = readonly (readonly [statement: RegExp, answer: number | readonly Readonly<Record<string, string>>[]])[]

export interface PlayedMysql extends AsyncDisposable {
  readonly port: number
  readonly statements: readonly string[]
}

/** A server that is not at hand, as far as somebody has written down what it answers. SET and everything else without rows succeeds. */
export async function playMysql(version: string, answers: PlayedAnswers): Promise<PlayedMysql> {
  const statements: string[] = []
  const open = new Set<Connection>()
  // The types of the driver lack its server.
  const server = mysql.createServer(() => undefined) as unknown as PlayedServer
  server.on('connection', (connection) => {
    open.add(connection as unknown as Connection)
    connection.on('error', () => undefined)
    connection.serverHandshake({
      protocolVersion: 10,
      serverVersion: version,
      connectionId: open.size,
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
      statements.push(sql)
      respond(connection, answers.find(([statement]) => statement.test(sql))?.[1] ?? [])
      // The next command counts its packets from the beginning.
      connection._resetSequenceId()
    }
    connection.on('query', reply)
    // What the driver makes of SET.
    connection.on('stmt_prepare', reply)
    // Binlogs are not played: ER_SPECIFIC_ACCESS_DENIED_ERROR.
    connection.on('packet', (_, known) => {
      if (!known) connection.writeError({ code: 1227, message: 'Access denied; you need REPLICATION SLAVE' })
    })
    connection.on('quit', () => connection.stream.end())
  })
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server._server.address() as AddressInfo).port))
  })
  return {
    port,
    statements,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        for (const connection of open) (connection as unknown as PlayedConnection).stream.destroy()
        server.close(() => resolve())
      }),
  }
}

function respond(connection: PlayedConnection, answer: PlayedAnswers[number][1]): void {
  if (typeof answer === 'number') connection.writeError({ code: answer, message: `error ${answer}` })
  else if (answer[0] === undefined) connection.writeOk()
  else connection.writeTextResult(answer, columnsOf(answer[0]))
}

function columnsOf(first: Readonly<Record<string, string>>): readonly object[] {
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
  readonly stream: { end(): void; destroy(): void }
  on(event: 'packet', listener: (packet: unknown, known: boolean) => void): void
  on(event: string, listener: (sql: string) => void): void
  serverHandshake(facts: object): void
  _resetSequenceId(): void
  writeOk(): void
  writeError(error: object): void
  writeTextResult(rows: unknown, columns: readonly object[]): void
}
