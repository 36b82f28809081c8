import { crc32 } from 'node:zlib'
import { BinlogBuilder } from '../src/binlog/__fixtures__/binlog-builder.ts'
import { artificialRotate, eofPayload, errorPayload, eventPayloads } from '../src/binlog/__fixtures__/dump-answer.ts'
import { taggedGtidBody } from '../src/binlog/__fixtures__/serialized-message.ts'
import { eventType } from '../src/binlog/binlog-event-type.ts'
import type { PlayedSession } from './played-mysql.ts'
import type { ScriptedVersion } from './scripted-version.ts'

export const scriptedUuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562'

interface BuiltBinlog {
  readonly name: string
  readonly builder: BinlogBuilder
}

/** What a session has said of itself as a replica. */
export interface ReplicaVariables {
  readonly knowsChecksums: boolean
  readonly knowsGtids: boolean
}

export interface DumpAsked {
  readonly binlog: string
  readonly position: number
  readonly flags: number
  readonly serverId: number
}

/** Of FORMAT_DESCRIPTION: whether the file is being written to. The checksum is that of the event without it. */
const inUseOffset = 4 + 17

/** The binlogs of a scripted server, which sends them as real ones do: MySQL "COM_BINLOG_DUMP", MariaDB "Replication Protocol". */
export class ScriptedBinlogs {
  readonly asked: DumpAsked[] = []
  readonly #version: ScriptedVersion
  readonly #checksums: boolean
  readonly #tag: string | undefined
  readonly #binlogs: BuiltBinlog[] = []
  readonly #followers: ((payload: Buffer) => void)[] = []
  #transactions = 0n

  /** @param tag of the GTIDs, which MySQL 8.3 has brought */
  constructor(
    version: ScriptedVersion,
    { checksums = true, tag }: { readonly checksums?: boolean; readonly tag?: string | undefined } = {},
  ) {
    this.#version = version
    this.#checksums = checksums
    this.#tag = tag
    this.#begin()
  }

  get #isMariadb(): boolean {
    return this.#version.flavour === 'mariadb'
  }

  get #active(): BuiltBinlog {
    return this.#binlogs.at(-1) as BuiltBinlog
  }

  get position(): { readonly file: string; readonly offset: number; readonly gtid: string } {
    return { file: this.#active.name, offset: this.#active.builder.offset, gtid: this.#gtids() }
  }

  list(): readonly { readonly name: string; readonly bytes: number }[] {
    return this.#binlogs.map(({ name, builder }) => ({ name, bytes: builder.offset }))
  }

  /** As its file is. */
  bytes(name: string): Buffer {
    const binlog = this.#binlogs.find((one) => one.name === name) as BuiltBinlog
    const bytes = binlog.builder.bytes()
    if (binlog === this.#active) bytes.writeUInt16LE(1, inUseOffset)
    return bytes
  }

  /** A transaction that writes a row. */
  commit(): void {
    const { builder } = this.#active
    const sent = builder.offset
    this.#transactions++
    builder.time++
    const number = this.#transactions
    const committedAt = builder.time * 1_000_000 + 250_000
    if (this.#isMariadb) builder.mariadbGtid(0, number)
    else if (this.#tag !== undefined) {
      builder.event(eventType.GTID_TAGGED, taggedGtidBody({ uuid: scriptedUuid, number, tag: this.#tag, committedAt: BigInt(committedAt) }))
    } else builder.mysqlGtid(scriptedUuid, number, this.#version.numbers[0] >= 8 ? { committedAt } : {})
    if (this.#isMariadb) builder.event(eventType.ANNOTATE_ROWS, Buffer.from('INSERT INTO shop.line VALUES (1)'))
    else builder.query('BEGIN', { schema: 'shop' })
    builder.tableMap('shop', 'line').rows().xid()
    this.#sendFrom(this.#active, sent)
  }

  /** FLUSH BINARY LOGS. */
  rotate(): void {
    const { builder } = this.#active
    const sent = builder.offset
    builder.rotate(this.#nameOf(this.#binlogs.length + 1))
    this.#sendFrom(this.#active, sent)
    this.#begin()
    for (const follower of this.#followers) for (const payload of this.#payloads(this.#active, 4)) follower(payload)
  }

  /** Events behind a place, as SHOW BINLOG EVENTS lists them. */
  eventsFrom(name: string, from: number): readonly { readonly pos: number; readonly end: number; readonly type: string }[] {
    const names: Readonly<Record<number, string>> = {
      [eventType.FORMAT_DESCRIPTION]: 'Format_desc',
      [eventType.PREVIOUS_GTIDS]: 'Previous_gtids',
      [eventType.GTID_LIST]: 'Gtid_list',
      [eventType.BINLOG_CHECKPOINT]: 'Binlog_checkpoint',
    }
    return this.#events(name)
      .filter(({ pos }) => pos >= from)
      .map(({ pos, end, type }) => ({ pos, end, type: names[type] ?? 'Query' }))
  }

  /** @param payload of COM_BINLOG_DUMP: position, flags, number of the replica, name */
  serve(payload: Buffer, session: PlayedSession, replica: ReplicaVariables): void {
    const asked = {
      position: payload.readUInt32LE(0),
      flags: payload.readUInt16LE(4),
      serverId: payload.readUInt32LE(6),
      binlog: payload.toString('utf8', 10),
    }
    this.asked.push(asked)
    let sequence = 1
    const send = (payload: Buffer): void => {
      const header = Buffer.alloc(4)
      header.writeUIntLE(payload.length, 0, 3)
      header[3] = sequence++ & 0xff
      session.socket.write(Buffer.concat([header, payload]))
    }
    const first = this.#binlogs.findIndex(({ name }) => name === asked.binlog)
    if (first < 0) {
      send(errorPayload(1236, 'Could not find first log file name in binary log index file'))
      return
    }
    if (this.#checksums && !replica.knowsChecksums) {
      send(errorPayload(1236, 'Slave can not handle replication events with the checksum that master is configured to log'))
      return
    }
    for (const binlog of this.#binlogs.slice(first)) {
      const begin = binlog.name === asked.binlog ? asked.position : 4
      for (const event of this.#payloads(binlog, begin)) {
        // MariaDB keeps them from whoever does not ask for them, and GTIDs from replicas of before GTIDs.
        if (event[5] === eventType.ANNOTATE_ROWS && (asked.flags & 2) === 0) continue
        if ([eventType.MARIADB_GTID, eventType.GTID_LIST].some((type) => event[5] === type) && !replica.knowsGtids) continue
        send(event)
      }
    }
    if ((asked.flags & 1) === 0) {
      this.#followers.push(send)
      return
    }
    send(eofPayload)
    // V: MariaDB closes the connection behind the EOF.
    if (this.#isMariadb) session.socket.destroy()
  }

  #payloads(binlog: BuiltBinlog, begin: number): readonly Buffer[] {
    const bytes = this.bytes(binlog.name)
    const [description] = eventPayloads(bytes)
    const events = this.#events(binlog.name)
      .filter(({ pos }) => pos >= Math.max(begin, 5))
      .map(({ pos, end }) => eventPayload(bytes.subarray(pos, end)))
    const rotate = artificialRotate(binlog.name, { position: begin, checksum: this.#checksums })
    return [rotate, begin > 4 ? withoutPlace(description as Buffer) : (description as Buffer), ...events]
  }

  #sendFrom(binlog: BuiltBinlog, begin: number): void {
    const bytes = this.bytes(binlog.name)
    const events = this.#events(binlog.name).filter(({ pos }) => pos >= begin)
    for (const follower of this.#followers) for (const { pos, end } of events) follower(eventPayload(bytes.subarray(pos, end)))
  }

  #events(name: string): readonly { readonly pos: number; readonly end: number; readonly type: number }[] {
    const bytes = this.bytes(name)
    const events: { pos: number; end: number; type: number }[] = []
    for (let pos = 4; pos < bytes.length; ) {
      const end = pos + bytes.readUInt32LE(pos + 9)
      events.push({ pos, end, type: bytes[pos + 4] as number })
      pos = end
    }
    return events
  }

  #begin(): void {
    const builder = new BinlogBuilder({ serverVersion: this.#version.version, checksums: this.#checksums })
    builder.time += this.#binlogs.length * 10
    const done = this.#transactions
    if (this.#isMariadb) {
      builder.gtidList(done === 0n ? [] : [[0, 1, done]])
      builder.event(
        eventType.BINLOG_CHECKPOINT,
        Buffer.concat([Buffer.of(16, 0, 0, 0), Buffer.from(this.#nameOf(this.#binlogs.length + 1))]),
      )
    } else if (this.#tag === undefined) builder.previousGtids(done === 0n ? [] : [[scriptedUuid, [[1n, done]]]])
    else builder.event(eventType.PREVIOUS_GTIDS, taggedPreviousGtids(this.#tag, done), { flags: 0x80 })
    this.#binlogs.push({ name: this.#nameOf(this.#binlogs.length + 1), builder })
  }

  #nameOf(number: number): string {
    return `${this.#isMariadb ? 'mysql-bin' : 'binlog'}.${String(number).padStart(6, '0')}`
  }

  #gtids(): string {
    const done = this.#transactions
    if (done === 0n) return ''
    if (this.#isMariadb) return `0-1-${done}`
    return `${scriptedUuid}${this.#tag === undefined ? '' : `:${this.#tag}`}:${done === 1n ? '1' : `1-${done}`}`
  }
}

/** The FORMAT_DESCRIPTION as it comes before events from the middle of a binlog: with log_pos 0. */
function withoutPlace(payload: Buffer): Buffer {
  const copy = Buffer.from(payload)
  copy.writeUInt32LE(0, 1 + 13)
  copy.writeUInt16LE(0, 1 + 17)
  copy.writeUInt32LE(crc32(copy.subarray(1, copy.length - 4)), copy.length - 4)
  return copy
}

function eventPayload(event: Buffer): Buffer {
  return Buffer.concat([Buffer.of(0), event])
}

/** PREVIOUS_GTIDS as MySQL 8.3 writes it where there are tags: the format, 1, in the first and the last byte of the count. */
function taggedPreviousGtids(tag: string, done: bigint): Buffer {
  const count = done === 0n ? 0 : 1
  if (count === 0) return Buffer.alloc(8)
  const intervals = Buffer.alloc(24)
  intervals.writeBigUInt64LE(1n)
  intervals.writeBigInt64LE(1n, 8)
  intervals.writeBigInt64LE(done + 1n, 16)
  const name = Buffer.concat([Buffer.of(tag.length << 1), Buffer.from(tag)])
  return Buffer.concat([Buffer.from([1, count, 0, 0, 0, 0, 0, 1]), Buffer.from(scriptedUuid.replaceAll('-', ''), 'hex'), name, intervals])
}
