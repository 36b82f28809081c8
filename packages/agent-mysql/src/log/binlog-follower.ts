import { type Backup, BackupError, type Capture, type FollowRequest, type OperationOptions, type Position } from '@backup-planet/core'
import { streamBinlogs } from '../binlog/binlog-stream.ts'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import { connect, type MysqlConnection } from '../mysql-connection.ts'
import { detectServer, type ServerFacts } from '../mysql-server.ts'
import { sourceName } from '../source-name.ts'
import { beginningReader } from './binlog-beginning.ts'
import { placeReader } from './binlog-place.ts'
import { FollowReceiver } from './follow-receiver.ts'
import { FollowSpool, type SpooledPart, type SpooledParts } from './follow-spool.ts'
import { endedUnloggedRestore, type FollowLook, FollowWatch, isCertainlyBefore, ledAstray } from './follow-watch.ts'
import { LogCapture } from './log-capture.ts'
import { continuationOf } from './log-continuation.ts'
import type { LogFile } from './log-file.ts'
import type { FollowedPlace } from './received-binlog.ts'

/** How often a server that has nothing new says so; one that says nothing for four times as long is gone. */
const heartbeatSeconds = 5

/**
 * Follows the server as a replica does, from where the logs of the chain end. What comes is kept in memory until it is due, `everyBytes` at the most while
 * what was yielded before is being stored; then the server waits. A single transaction that is larger is not kept: copying the capture that holds it reads
 * it from the server once more.
 */
export async function* followBinlogs(
  settings: ResolvedMysqlAgentSettings,
  request: FollowRequest,
  options: OperationOptions = {},
): AsyncGenerator<Capture, void, void> {
  const { signal } = options
  const begin = await beginFollowing(settings, request, options)
  if (begin === undefined) return
  await using _session = begin.session
  const { server, place, watch } = begin
  const spool = new FollowSpool(request.everyBytes, place, server.flavour === 'mariadb' ? 'mariadb' : 'mysql')
  const receiving = new FollowReceiver(spool, request.everySeconds, signal)
  const { file: binlog, offset: position } = place
  const pieces = streamBinlogs(settings, { binlog, position, follow: { heartbeatSeconds }, signal: receiving.signal })
  const received = receiving.receive(onFirst(pieces, () => options.onProgress?.({ type: 'following' })))
  const watching = watch.untilRestored(receiving.signal).then((error) => error !== undefined && receiving.fail(error))
  let { from, since } = begin
  try {
    while (await receiving.due()) {
      const spooled = receiving.take()
      const { now, restored } = await lookAt(watch, receiving)
      // What was written while the server was restored into is of no state that the logs lead to.
      if (restored !== undefined && !isCertainlyBefore(spooled.lastTime, restored, now)) throw ledAstray(restored)
      const at = momentOf(now, since, spooled)
      const to: Position = { chain: from.chain, value: spooled.to }
      yield new LogCapture({
        server,
        sourceName: sourceName(settings, server),
        from,
        since,
        to,
        identity: spooled.identity,
        clock: { before: at, after: at },
        files: spooled.parts.map(fileOf),
        open: (file, stop) => contentOf(settings, spooled.parts, file, stop),
        ...(now === undefined ? { clearUntil: watch.clearUntil } : {}),
      })
      from = to
      since = at
    }
  } finally {
    receiving.stop()
    await received
    await watching
  }
}

/** What cannot be asked any more ends following once all that has come was handed over: in honesty up to when it could. */
async function lookAt(watch: FollowWatch, receiving: FollowReceiver): Promise<FollowLook> {
  try {
    const seen = await watch.look()
    if (seen.restored !== undefined) receiving.fail(ledAstray(seen.restored))
    return seen
  } catch (error) {
    receiving.fail(error)
    return {}
  }
}

interface FollowBeginning {
  /** What the watch asks by. */
  readonly session: MysqlConnection
  readonly watch: FollowWatch
  readonly server: ServerFacts
  readonly from: Position
  /** `consistentAt` of the backup that is continued. */
  readonly since: string
  readonly place: FollowedPlace
}

/** `undefined` when it is aborted meanwhile. */
async function beginFollowing(
  settings: ResolvedMysqlAgentSettings,
  request: FollowRequest,
  options: OperationOptions,
): Promise<FollowBeginning | undefined> {
  const { signal } = options
  if (signal?.aborted) return undefined
  let session: MysqlConnection | undefined
  try {
    session = await connect(settings, { signal })
    return await beginningOf(settings, session, request, options)
  } catch (error) {
    await session?.[Symbol.asyncDispose]()
    if (signal?.aborted) return undefined
    throw error
  }
}

async function beginningOf(
  settings: ResolvedMysqlAgentSettings,
  session: MysqlConnection,
  { chain }: FollowRequest,
  options: OperationOptions,
): Promise<FollowBeginning> {
  const { signal } = options
  const server = await detectServer(session)
  if (!server.logBin) {
    throw new BackupError('the server writes no binlog (log_bin is off), and so cannot be followed', {
      code: 'UNSUPPORTED',
      hint: 'Set log_bin and server_id in the configuration of the server and start it again.',
    })
  }
  // Read before the continuation, which looks at it anew: so what begins in between is noticed there.
  const known = await endedUnloggedRestore(session, options)
  const readBeginning = beginningReader(settings, signal)
  const readPlace = placeReader(settings, signal)
  const { next } = await continuationOf({ session, server, kind: 'log', chain, readBeginning, readPlace })
  if (next.kind !== 'log' || next.from === undefined) {
    throw new BackupError(`the server cannot be followed: ${next.reason?.message ?? 'a full backup is due'}`, {
      code: 'NOT_FOUND',
      hint: 'Make a log backup: it becomes a full one where that is due, and can be followed from then on.',
    })
  }
  const { file = '', offset = '', gtid } = next.from.value
  const { identity, createdAt } = await readBeginning(file)
  const follows = chain.find(({ id }) => id === next.follows) as Backup
  const place = { file, offset: Number(offset), gtid, identity, createdAt }
  const since = follows.consistentAt
  return { session, server, from: next.from, since, place, watch: new FollowWatch(session, known, since) }
}

/**
 * Up to when the state after these parts is that of the server: up to their last commit, as far as they say; what the server wrote after it has not come. A
 * statement that began before it says nothing against an earlier moment; a server whose clock is before it was set back.
 */
function momentOf(clock: string | undefined, since: string, { lastTime }: SpooledParts): string {
  const begun = Date.parse(since)
  const last = lastTime === undefined ? begun : Math.ceil(lastTime)
  const now = clock === undefined ? undefined : Date.parse(clock)
  if (now !== undefined && now < begun) return new Date(Math.min(last, now)).toISOString()
  return new Date(Math.max(begun, Math.min(last, now ?? last))).toISOString()
}

/** The server begins with the head of the binlog, also where it has nothing new. */
async function* onFirst<T>(values: AsyncIterable<T>, tell: () => void): AsyncGenerator<T, void, void> {
  let told = false
  for await (const value of values) {
    if (!told) tell()
    told = true
    yield value
  }
}

function fileOf({ binlog, begin, end, closed, head, gtidBefore, identity, createdAt }: SpooledPart): LogFile {
  const whole = begin === 0 && closed
  return {
    file: whole ? binlog : `${binlog}.${String(begin).padStart(12, '0')}`,
    binlog,
    ...(begin === 0 ? {} : { begin, gtidBefore, identity, createdAt }),
    bytes: head.length + end - begin,
  }
}

async function* contentOf(
  settings: ResolvedMysqlAgentSettings,
  parts: readonly SpooledPart[],
  file: LogFile,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const part = parts.find(({ binlog, begin }) => binlog === file.binlog && begin === (file.begin ?? 0)) as SpooledPart
  if (part.head.length > 0) yield part.head
  if (part.content !== undefined) {
    yield* part.content
    return
  }
  const { binlog, begin, end } = part
  for await (const piece of streamBinlogs(settings, { binlog, ...(begin === 0 ? {} : { position: begin }), signal })) {
    if (piece.binlog !== binlog || piece.position >= end) return
    if (!piece.head) yield piece.bytes.subarray(0, end - piece.position)
    if (piece.position + piece.bytes.length >= end && !piece.head) return
  }
}
