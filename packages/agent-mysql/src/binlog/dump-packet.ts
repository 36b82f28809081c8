/** How COM_BINLOG_DUMP is asked for. Sources: MySQL "COM_BINLOG_DUMP", MariaDB "COM_BINLOG_DUMP". */
export interface DumpRequest {
  readonly binlog: string
  /** Offset of the first event that is sent; 4 is the first one of all. */
  readonly position: number
  /** Of a replica that there is no other of. */
  readonly serverId: number
  /** End behind the last event, instead of waiting for the next one. */
  readonly nonBlocking: boolean
  /** MariaDB leaves ANNOTATE_ROWS out for those who do not ask for it. */
  readonly annotateRows: boolean
}

const comBinlogDump = 0x12
/** The largest offset that the command has room for. */
export const largestDumpPosition = 2 ** 32 - 1

/** The whole packet, which begins a command and so has the number 0. */
export function dumpPacket(request: DumpRequest): Buffer {
  const name = Buffer.from(request.binlog, 'utf8')
  const packet = Buffer.alloc(15 + name.length)
  packet.writeUIntLE(packet.length - 4, 0, 3)
  packet[4] = comBinlogDump
  packet.writeUInt32LE(request.position, 5)
  packet.writeUInt16LE((request.nonBlocking ? 1 : 0) | (request.annotateRows ? 2 : 0), 9)
  packet.writeUInt32LE(request.serverId, 11)
  name.copy(packet, 15)
  return packet
}

/** An error as the server sends it, in the shape of the driver's. */
export interface ServerError {
  readonly errno: number
  readonly message: string
}

/** @param payload of an ERR packet, beginning with 0xff; the state, behind a #, is left out where servers leave it out */
export function readErrorPacket(payload: Buffer): ServerError {
  const errno = payload.length < 3 ? 0 : payload.readUInt16LE(1)
  return { errno, message: payload.toString('utf8', payload[3] === 0x23 ? 9 : 3) }
}
