import { constants, inflateSync } from 'node:zlib'
import { eventType } from './binlog-event-type.ts'

/**
 * The format of binlogs, version 4 (MySQL 5.0 and later, MariaDB): MySQL "Binary Log Event" and MariaDB "Replication Protocol". All numbers are
 * little-endian. Every function here is total over bytes: `undefined` for a body that does not hold what its type must hold.
 */
export const binlogMagic: Uint8Array = Uint8Array.of(0xfe, 0x62, 0x69, 0x6e)
/** What a binlog begins with that MySQL 8 has encrypted (`binlog_encryption`). */
export const encryptedBinlogMagic: Uint8Array = Uint8Array.of(0xfd, 0x62, 0x69, 0x6e)
export const eventHeaderBytes = 19
export const checksumBytes = 4

export interface EventHeader {
  /** Seconds since 1970. */
  readonly timestamp: number
  readonly type: number
  readonly serverId: number
  /** Of the whole event, with header and checksum. */
  readonly size: number
  /** Where the event ends in the file of the server, modulo 2^32; 0 in events that are in no file. */
  readonly logPos: number
  readonly flags: number
}

/** The header at `offset`, of which 19 bytes must be there. */
export function readEventHeader(bytes: Buffer, offset = 0): EventHeader {
  return {
    timestamp: bytes.readUInt32LE(offset),
    type: bytes[offset + 4] ?? 0,
    serverId: bytes.readUInt32LE(offset + 5),
    size: bytes.readUInt32LE(offset + 9),
    logPos: bytes.readUInt32LE(offset + 13),
    flags: bytes.readUInt16LE(offset + 17),
  }
}

export type BinlogChecksum = 'none' | 'crc32' | 'unknown'

export interface FormatDescription {
  /** `10.11.18-MariaDB-log`. */
  readonly serverVersion: string
  readonly flavour: 'mysql' | 'mariadb'
  /** When the server started, in the first file after that; 0 in all others. Seconds since 1970. */
  readonly created: number
  readonly headerBytes: number
  readonly checksum: BinlogChecksum
  /** Whether the FORMAT_DESCRIPTION itself ends with a CRC32, as from MySQL 5.6.1 and MariaDB 5.3 on, whatever `checksum` is. */
  readonly ownChecksum: boolean
  /** By type - 1. */
  readonly postHeaderBytes: Uint8Array
}

/** Events of MySQL 5.5 end with INCIDENT and HEARTBEAT: no server without checksums knows more types. */
const typesWithoutChecksums = 27

/** @param event the whole event */
export function readFormatDescription(event: Buffer): FormatDescription | undefined {
  const fixed = eventHeaderBytes + 57
  if (event.length < fixed || event.readUInt16LE(19) !== 4) return undefined
  const end = event.indexOf(0, 21)
  const serverVersion = event.toString('latin1', 21, end < 0 || end > 71 ? 71 : end)
  const flavour = /MariaDB/i.test(serverVersion) ? 'mariadb' : 'mysql'
  const ownChecksum = knowsChecksums(serverVersion, flavour)
  const types = event.length - fixed - (ownChecksum ? 1 + checksumBytes : 0)
  if (types < 13 || (!ownChecksum && types > typesWithoutChecksums)) return undefined
  const algorithm = ownChecksum ? event[event.length - checksumBytes - 1] : 0
  return {
    serverVersion,
    flavour,
    created: event.readUInt32LE(71),
    headerBytes: event[75] ?? 0,
    checksum: algorithm === 0 ? 'none' : algorithm === 1 ? 'crc32' : 'unknown',
    ownChecksum,
    postHeaderBytes: Uint8Array.prototype.slice.call(event, fixed, fixed + types),
  }
}

/** MySQL 5.6.1 and MariaDB 5.3 brought checksums; what calls itself nothing of that kind has none. */
function knowsChecksums(serverVersion: string, flavour: 'mysql' | 'mariadb'): boolean {
  const [, major, minor, patch] = /^(\d+)\.(\d+)\.(\d+)/.exec(serverVersion) ?? []
  if (major === undefined) return false
  const version = Number(major) * 1_000_000 + Number(minor) * 1000 + Number(patch)
  return version >= (flavour === 'mariadb' ? 5_003_000 : 5_006_001)
}

export interface Rotate {
  readonly position: bigint
  readonly binlog: string
}

/** @param body without header and checksum */
export function readRotate(body: Buffer): Rotate | undefined {
  if (body.length < 9) return undefined
  return { position: body.readBigUInt64LE(0), binlog: body.toString('latin1', 8) }
}

export interface QueryEvent {
  readonly schema: string
  /** The statement, or its beginning where the body is cut. */
  readonly statement: Buffer
}

/**
 * @param body without header and checksum, or its beginning
 * @param postHeaderBytes 13; 11 before MySQL 5.0, without status variables
 */
export function readQuery(body: Buffer, type: number, postHeaderBytes: number): QueryEvent | undefined {
  if (postHeaderBytes < 11 || body.length < postHeaderBytes) return undefined
  const schemaBytes = body[8] ?? 0
  const statusBytes = postHeaderBytes >= 13 ? body.readUInt16LE(11) : 0
  const schemaBegin = postHeaderBytes + statusBytes
  const begin = schemaBegin + schemaBytes + 1
  if (begin > body.length || body[begin - 1] !== 0) return undefined
  const text = body.subarray(begin)
  const statement = type === eventType.QUERY_COMPRESSED ? inflatedBeginning(text) : text
  return statement === undefined ? undefined : { schema: body.toString('utf8', schemaBegin, begin - 1), statement }
}

/** Of a compressed statement as much is unpacked as anybody wants to read of it. */
const packedBytesRead = 1024

/** MariaDB "Compressed events": one byte of 0x80 | algorithm << 4 | bytes of the length, the length, then zlib. */
function inflatedBeginning(packed: Buffer): Buffer | undefined {
  const mark = packed[0] ?? 0
  const begin = 1 + (mark & 0x07)
  if ((mark & 0xf0) !== 0x80 || begin > packed.length) return undefined
  try {
    return inflateSync(packed.subarray(begin, begin + packedBytesRead), { finishFlush: constants.Z_SYNC_FLUSH })
  } catch {
    return undefined
  }
}

/** `schema.table` of a TABLE_MAP. @param body without header and checksum, or its beginning */
export function readTableMap(body: Buffer, postHeaderBytes: number): string | undefined {
  const schemaBytes = body[postHeaderBytes]
  if (schemaBytes === undefined) return undefined
  const tableAt = postHeaderBytes + 1 + schemaBytes + 1
  const tableBytes = body[tableAt]
  if (tableBytes === undefined || tableAt + 1 + tableBytes >= body.length) return undefined
  const schema = body.toString('utf8', postHeaderBytes + 1, tableAt - 1)
  return `${schema}.${body.toString('utf8', tableAt + 1, tableAt + 1 + tableBytes)}`
}

/** Whether these are the last rows of a statement. @param postHeaderBytes 8 or 10; 6 in MySQL 5.1 */
export function endsStatement(body: Buffer, postHeaderBytes: number): boolean {
  const flagsAt = postHeaderBytes === 6 ? 4 : 6
  return ((body[flagsAt] ?? 0) & 1) === 1
}

/** What the server has to say of changes that it lost. */
export function readIncident(body: Buffer): string | undefined {
  if (body.length < 2) return undefined
  const bytes = body[2] ?? 0
  return body.toString('utf8', 3, 3 + bytes)
}
