import {
  type Backup,
  BackupError,
  type CaptureKind,
  historyName,
  historyNumber,
  historyOf,
  type NextCapture,
  nextKind,
  type Position,
  type ServerState,
} from '@backup-planet/core'
import type { MysqlSession } from '../mysql-connection.ts'
import { beginningOfBinlog, compareGtids, comparePositions } from '../mysql-position.ts'
import { type BinlogPosition, readBinlogPosition, type ServerFacts } from '../mysql-server.ts'
import { readUnloggedRestore, unloggedSince } from '../unlogged-restore.ts'
import type { ReadPlace } from './binlog-place.ts'
import { followsBinlog, listBinlogs, type ServerBinlog } from './server-binlogs.ts'

/** What a binlog begins with. */
export interface BinlogBeginning {
  /** The same for two binlogs only if they are the same one, whatever their names: see `BinlogFileFacts`. */
  readonly identity: string
  /** ISO 8601 in UTC, in seconds. */
  readonly createdAt?: string
  /** GTID set or list of everything before it; empty where there is none. */
  readonly gtidBefore: string
}

/** Reads it from the server. Throws `NOT_FOUND` for a file that is gone, `ACCESS_DENIED` without REPLICATION SLAVE. */
export type ReadBeginning = (binlog: string) => Promise<BinlogBeginning>

export interface ContinuationOptions {
  readonly session: MysqlSession
  readonly server: ServerFacts
  readonly kind: CaptureKind
  /** As in a capture request. */
  readonly chain: readonly Backup[]
  readonly readBeginning: ReadBeginning
  readonly readPlace: ReadPlace
}

/** What is captured next, and what the server said for it. */
export interface Continuation {
  readonly next: NextCapture
  readonly position: BinlogPosition | undefined
  /** The newest of the server's, without a hole between them, oldest first. */
  readonly binlogs: readonly ServerBinlog[]
}

/** What may follow the backups there are, decided from what they recorded and what the server says now. */
export async function continuationOf(options: ContinuationOptions): Promise<Continuation> {
  const { session, server, kind, chain } = options
  const position = await readBinlogPosition(session, server)
  const listed = server.logBin ? unbroken(await listBinlogs(session)) : []
  const ending = newestEnding(chain, server.id, listed)
  const now = ending === undefined ? 'same' : await compareBeginning(ending, listed, options)
  const binlogs = now === 'gone' ? listed.slice(listed.findIndex(({ name }) => name === ending?.file) + 1) : listed
  const [oldest] = binlogs
  const state: ServerState = {
    chain: server.id,
    ...(position === undefined ? {} : { position: serverPosition(server, position) }),
    ...(oldest === undefined ? {} : { oldest: { chain: server.id, value: { file: oldest.name, offset: beginningOfBinlog } } }),
    ...(typeof now === 'object' ? { broken: now.broken } : {}),
  }
  const history = historyOf(chain, comparePositions)
  const next = nextKind({ kind, history, server: state })
  const follows = chain.find(({ id }) => id === next.follows)
  if (follows === undefined || follows.id === ending?.backup) return { next, position, binlogs }
  // Logs go on where logs ended, which need not be the newest place.
  const then = await compareBeginning(endingOf(follows), listed, options)
  if (typeof then !== 'object') return { next, position, binlogs }
  return { next: nextKind({ kind, history, server: { ...state, broken: then.broken } }), position, binlogs }
}

export function serverPosition({ id }: ServerFacts, { file, offset, gtid }: BinlogPosition): Position {
  return { chain: id, value: { file, offset, gtid } }
}

/** Files whose numbers follow each other, up to the newest; one that the server lists with no bytes was deleted beside it. */
function unbroken(binlogs: readonly ServerBinlog[]): readonly ServerBinlog[] {
  let first = binlogs.length
  while (first > 0) {
    const [before, after] = [binlogs[first - 1], binlogs[first]]
    if (before === undefined || before.bytes === 0 || (after !== undefined && !followsBinlog(after.name, before.name))) break
    first--
  }
  return binlogs.slice(first)
}

/** Where a backup ends, in a file that the server lists. */
interface Ending {
  readonly backup: string
  readonly file: string
  readonly offset: string
  readonly gtid: string
  readonly identity: string | undefined
  readonly consistentAt: string
  /** Up to when no restore into the server is missing in its logs. */
  readonly clearUntil: string
}

/** Of the newest history of this server, the last place of which the binlog is still there. */
function newestEnding(chain: readonly Backup[], id: string, binlogs: readonly ServerBinlog[]): Ending | undefined {
  const numbers = chain.flatMap(({ position }) => (position === undefined ? [] : [historyNumber(position.chain, id) ?? 0]))
  const newest = historyName(id, Math.max(1, ...numbers))
  let last: { readonly backup: Backup; readonly position: Position } | undefined
  for (const backup of chain) {
    const { position } = backup
    if (position?.chain !== newest || !binlogs.some(({ name }) => name === position.value.file)) continue
    // Of two that end at the same place the later one was there when the file had come further.
    if (last === undefined || (comparePositions(position, last.position) ?? 1) >= 0) last = { backup, position }
  }
  return last === undefined ? undefined : endingOf(last.backup)
}

function endingOf(backup: Backup): Ending {
  const { file = '', offset = '', gtid = '' } = backup.position?.value ?? {}
  const { id, consistentAt } = backup
  const clearUntil = recordedText(backup, 'clearUntil') ?? consistentAt
  return { backup: id, file, offset, gtid, identity: recordedIdentity(backup), consistentAt, clearUntil }
}

/** Identity of the binlog that the position of a backup lies in, as its facts have it. */
export function recordedIdentity(backup: Backup): string | undefined {
  return recordedText(backup, 'identity')
}

function recordedText({ facts }: Backup, name: 'identity' | 'clearUntil'): string | undefined {
  const { binlog } = facts
  if (typeof binlog !== 'object' || binlog === null || !(name in binlog)) return undefined
  const value = (binlog as Readonly<Record<string, unknown>>)[name]
  return typeof value === 'string' ? value : undefined
}

/** Whether the binlog in which a backup ends is the one that it ended in. */
async function compareBeginning(
  ending: Ending,
  binlogs: readonly ServerBinlog[],
  { session, kind, readBeginning, readPlace }: ContinuationOptions,
): Promise<'same' | 'gone' | { readonly broken: string }> {
  const { backup, file, offset, identity, clearUntil } = ending
  const unlogged = unloggedSince(await readUnloggedRestore(session), clearUntil)
  if (unlogged !== undefined) return { broken: unlogged }
  const place = `the binlog ${file}, in which backup ${backup} ends,`
  const bytes = binlogs.find(({ name }) => name === file)?.bytes
  // A differential may follow a full whose binlog was purged long ago.
  if (bytes === undefined) return 'gone'
  if (file !== binlogs.at(-1)?.name && Number(offset) > bytes) {
    return { broken: `${place} has only ${bytes} bytes, and the backup ends at ${offset}` }
  }
  try {
    if (identity === undefined) return await compareUnidentified(ending, place, readBeginning, readPlace)
    const beginning = await readBeginning(file)
    if (beginning.identity === identity) return 'same'
    return { broken: `${place} has another beginning: the logs were reset, files were copied back, or it is another server` }
  } catch (error) {
    if (!BackupError.is(error)) throw error
    if (error.code === 'NOT_FOUND') return 'gone'
    // Reading binlogs is a right that only logs need: a full builds on nothing, and of a differential its pages are compared.
    if (kind !== 'log' && error.code === 'ACCESS_DENIED') return 'same'
    throw error
  }
}

/**
 * Where no identity was recorded, the binlog is taken for the same one only if the GTIDs at the place are those that were recorded, and it was begun before
 * the backup was made: after RESET MASTER neither is so. Without GTIDs the time alone must do, which has no more than seconds.
 */
async function compareUnidentified(
  { file, offset, gtid, consistentAt }: Ending,
  place: string,
  readBeginning: ReadBeginning,
  readPlace: ReadPlace,
): Promise<'same' | { readonly broken: string }> {
  const unproven = (found: string) => ({ broken: `${place} cannot be shown to be the same one: ${found}` })
  // The end of logs that were followed to the end of a file: the next one was begun later.
  const isBeginning = offset === beginningOfBinlog
  const found = isBeginning ? { gtid: (await readBeginning(file)).gtidBefore } : await readPlace(file, Number(offset))
  if (found === undefined) return unproven(`no transaction ends at ${offset}`)
  if (compareGtids(found.gtid, gtid) !== 0)
    return unproven(`GTID ${found.gtid || 'none'} is reached there, and the backup has ${gtid || 'none'}`)
  if (isBeginning) return gtid === '' ? unproven('the server keeps no GTIDs') : 'same'
  const createdAt = 'createdAt' in found ? found.createdAt : undefined
  if (createdAt !== undefined && Date.parse(createdAt) <= Date.parse(consistentAt)) return 'same'
  return unproven(`it was begun at ${createdAt ?? 'no known time'}, and the backup is of ${consistentAt}`)
}
