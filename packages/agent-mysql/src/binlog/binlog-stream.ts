import { BackupError, throwIfAborted } from '@backup-planet/core'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'
import { connect, killConnections, socketOf } from '../mysql-connection.ts'
import type { BinlogPiece, BinlogReached } from './dump-frames.ts'
import { largestDumpPosition } from './dump-packet.ts'
import { DumpSocket } from './dump-socket.ts'
import { ReceiveBuffers } from './receive-buffers.ts'

export type { BinlogPiece, BinlogReached } from './dump-frames.ts'

export interface BinlogStreamOptions {
  /** The first binlog. */
  readonly binlog: string
  /** Offset of the first event; the beginning when left out. */
  readonly position?: number | undefined
  /** The binlog before which the stream ends; behind the last event that the server has when left out. */
  readonly until?: string | undefined
  /** Goes on with what the server writes from now on, until it is aborted. */
  readonly follow?: FollowOptions | undefined
  /** After so long without a word from the server, while it has something to send, it is given up: ten minutes when left out. Not for `follow`. */
  readonly silenceSeconds?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface FollowOptions {
  /** How often the server says that there is nothing new; after four times as long without a word it is given up. */
  readonly heartbeatSeconds: number
  /** The server has nothing behind this place, and everything before it has been handed over. */
  readonly onHeartbeat?: ((reached: BinlogReached) => void) | undefined
}

/**
 * Reads binlogs from the server by its replication protocol, decrypted where they are encrypted, and otherwise byte by byte as its files are: a piece
 * belongs to one binlog, and the pieces of one come before those of the next; its bytes are good until the next one is asked for. A consumer that is slow makes the server wait. However the loop ends,
 * nothing of it goes on on the server.
 *
 * Throws `NOT_FOUND` for a binlog that the server has not (any more), `ACCESS_DENIED` without REPLICATION SLAVE, `UNREACHABLE` when the server goes
 * away, `CORRUPTED` for what is no binlog, `ABORTED`; a stream that does not follow ends by itself.
 */
export async function* streamBinlogs(
  settings: MysqlConnectionSettings,
  options: BinlogStreamOptions,
): AsyncGenerator<BinlogPiece, void, void> {
  const { signal } = options
  throwIfAborted(signal, `reading binlogs from ${options.binlog} on`)
  if ((options.position ?? 0) > largestDumpPosition) throw tooFar(options)
  const buffers = settings.ssl === undefined || settings.ssl === false ? new ReceiveBuffers() : undefined
  const openSocket = buffers === undefined ? {} : { openSocket: buffers.open }
  const connection = await connect(settings, { signal, setup: sessionStatements(options), ...openSocket })
  let stream: DumpSocket | undefined
  try {
    const [version] = await connection.rows('SELECT @@version, CURRENT_USER()', 'looking at the server before reading its binlogs')
    const [isMariadb, account] = [/MariaDB/i.test(version?.at(0) ?? ''), version?.at(1) ?? '']
    stream = new DumpSocket({ socket: socketOf(connection.driver), buffers, account, isMariadb }, options)
    for (let received = await stream.next(); received !== undefined; received = await stream.next()) {
      yield* received.pieces
      received.release()
      if (received.reached !== undefined) options.follow?.onHeartbeat?.(received.reached)
    }
  } finally {
    // A thread that waits for the next event does not notice that nobody listens any more.
    if (stream !== undefined && !stream.endedByServer) await killConnections(settings, [connection.threadId]).catch(() => undefined)
    stream?.destroy()
    await connection[Symbol.asyncDispose]()
  }
}

/**
 * MySQL reads the variables of replicas by both names, MariaDB by the old ones. A replica that can check CRC32 is sent what the file has; capability 4
 * is that of a replica that knows GTIDs, to which MariaDB sends every event as it is.
 */
function sessionStatements({ follow }: BinlogStreamOptions): readonly string[] {
  const heartbeat = Math.round((follow?.heartbeatSeconds ?? 30) * 1e9)
  return [
    "SET @master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32'",
    'SET @mariadb_slave_capability = 4',
    `SET @master_heartbeat_period = ${heartbeat}, @source_heartbeat_period = ${heartbeat}`,
    'SET SESSION net_write_timeout = 31536000',
  ]
}

function tooFar({ binlog, position }: BinlogStreamOptions): BackupError {
  return new BackupError(`the replication protocol cannot begin at ${binlog}:${position}`, {
    code: 'UNSUPPORTED',
    hint: 'It has no room for offsets of 4 GiB and more; read this binlog from its beginning.',
  })
}
