/**
 * Numbers of binlog events. Sources: MySQL "Binary Log Event" (`Log_event_type`, libs/mysql/binlog/event/binlog_event.h) up to 9.x; MariaDB
 * "Replication Protocol, Event Types" for 160 and above.
 */
export const eventType = {
  START_V3: 1,
  QUERY: 2,
  STOP: 3,
  ROTATE: 4,
  INTVAR: 5,
  LOAD: 6,
  SLAVE: 7,
  CREATE_FILE: 8,
  APPEND_BLOCK: 9,
  EXEC_LOAD: 10,
  DELETE_FILE: 11,
  NEW_LOAD: 12,
  RAND: 13,
  USER_VAR: 14,
  FORMAT_DESCRIPTION: 15,
  XID: 16,
  BEGIN_LOAD_QUERY: 17,
  EXECUTE_LOAD_QUERY: 18,
  TABLE_MAP: 19,
  WRITE_ROWS_V0: 20,
  UPDATE_ROWS_V0: 21,
  DELETE_ROWS_V0: 22,
  WRITE_ROWS_V1: 23,
  UPDATE_ROWS_V1: 24,
  DELETE_ROWS_V1: 25,
  INCIDENT: 26,
  HEARTBEAT: 27,
  IGNORABLE: 28,
  ROWS_QUERY: 29,
  WRITE_ROWS: 30,
  UPDATE_ROWS: 31,
  DELETE_ROWS: 32,
  GTID: 33,
  ANONYMOUS_GTID: 34,
  PREVIOUS_GTIDS: 35,
  TRANSACTION_CONTEXT: 36,
  VIEW_CHANGE: 37,
  XA_PREPARE: 38,
  PARTIAL_UPDATE_ROWS: 39,
  TRANSACTION_PAYLOAD: 40,
  HEARTBEAT_V2: 41,
  GTID_TAGGED: 42,
  ANNOTATE_ROWS: 160,
  BINLOG_CHECKPOINT: 161,
  MARIADB_GTID: 162,
  GTID_LIST: 163,
  START_ENCRYPTION: 164,
  QUERY_COMPRESSED: 165,
  WRITE_ROWS_COMPRESSED_V1: 166,
  UPDATE_ROWS_COMPRESSED_V1: 167,
  DELETE_ROWS_COMPRESSED_V1: 168,
  WRITE_ROWS_COMPRESSED: 169,
  UPDATE_ROWS_COMPRESSED: 170,
  DELETE_ROWS_COMPRESSED: 171,
} as const

const names: readonly string[] = Object.entries(eventType).reduce<string[]>((list, [name, type]) => {
  list[type] = name
  return list
}, [])

/** `WRITE_ROWS`; `UNKNOWN_100` for a type that nobody has documented. */
export function eventTypeName(type: number): string {
  return names[type] ?? `UNKNOWN_${type}`
}

const rows: ReadonlySet<number> = new Set([20, 21, 22, 23, 24, 25, 30, 31, 32, 39, 166, 167, 168, 169, 170, 171])

/** Changed rows, in whatever form. */
export function isRowsEvent(type: number): boolean {
  return rows.has(type)
}

/** Sent in place of events while there are none; never part of a file. */
export function isHeartbeat(type: number): boolean {
  return type === eventType.HEARTBEAT || type === eventType.HEARTBEAT_V2
}

/** Bits of the flags in an event header. */
export const eventFlag = {
  IN_USE: 0x1,
  ARTIFICIAL: 0x20,
  IGNORABLE: 0x80,
  /** LOG_EVENT_THREAD_SPECIFIC_F: the statement depends on the number of the session. */
  THREAD_SPECIFIC: 0x4,
  /** LOG_EVENT_SUPPRESS_USE_F: no schema goes with the statement. */
  SUPPRESS_USE: 0x8,
} as const
