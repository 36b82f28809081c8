import { BackupError, type Capture, type NextCapture, type OperationOptions, type Position, throwIfAborted } from '@backup-planet/core'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import { connect, type MysqlSession } from '../mysql-connection.ts'
import { beginningOfBinlog } from '../mysql-position.ts'
import { readBinlogPosition, readServerTime, type ServerFacts } from '../mysql-server.ts'
import { readUnloggedRestore, unloggedSince } from '../unlogged-restore.ts'
import { beginningReader } from './binlog-beginning.ts'
import { binlogContents } from './binlog-contents.ts'
import { LogCapture } from './log-capture.ts'
import type { Continuation, ReadBeginning } from './log-continuation.ts'
import type { LogFile } from './log-file.ts'
import { logSteps } from './log-steps.ts'
import { purgeBinlogs } from './purge-binlogs.ts'
import { isWrittenSince, listBinlogs, type ServerBinlog } from './server-binlogs.ts'

export interface BeginLogOptions {
  readonly settings: ResolvedMysqlAgentSettings
  readonly session: MysqlSession
  readonly server: ServerFacts
  readonly sourceName: string
  readonly continuation: Continuation
  /** `consistentAt` of the backup that is continued. */
  readonly since: string
  /** Identity of the binlog that it ends in, where that was recorded. */
  readonly identity: string | undefined
  readonly readBeginning: ReadBeginning
}

/**
 * Ends the binlog that is written to, so that the newest position lies in a complete file, and takes all files from the one in which the last backup
 * ends. Where nothing was written since, no file is begun and the log is empty. Throws `NOT_FOUND` when one of them was purged meanwhile, and `INCONSISTENT` when
 * somebody began to restore into the server without its binlogs.
 */
export async function beginLogCapture(options: BeginLogOptions, operation: OperationOptions): Promise<Capture> {
  const { settings, session, server, sourceName, continuation, since, identity, readBeginning } = options
  const { signal, onProgress } = operation
  const step = (text: string): void => onProgress?.({ type: 'step', text })
  const { from } = continuation.next as NextCapture & { readonly from: Position }
  throwIfAborted(signal, 'beginning a log backup')
  const common = { server, sourceName, from, since }
  const before = await readServerTime(session)
  const now = await readBinlogPosition(session, server)
  if (now !== undefined && !(await isWrittenSince(session, from, now))) {
    await assertNotRestored(session, since)
    step(logSteps.nothing)
    return new LogCapture({ ...common, to: from, identity, clock: { before, after: before }, files: [], open: nothing })
  }
  step(logSteps.flush)
  await session.run('FLUSH BINARY LOGS', 'beginning a new binlog file')
  const binlogs = await listBinlogs(session)
  const after = await readServerTime(session)
  await assertNotRestored(session, since)
  const complete = completeSince(binlogs, from)
  const active = binlogs.at(-1) as ServerBinlog
  const beginning = await readBeginning(active.name)
  const names = complete.map(({ name }) => name)
  const contents = await binlogContents({ settings, server, names, until: active.name, readBeginning, signal })
  step(logSteps.copy(complete, contents.method))
  return new LogCapture({
    ...common,
    to: { chain: continuation.next.chain, value: { file: active.name, offset: beginningOfBinlog, gtid: beginning.gtidBefore } },
    identity: beginning.identity,
    clock: { before, after },
    files: complete.map(({ name, bytes }): LogFile => ({ file: name, binlog: name, bytes })),
    open: ({ binlog }, stop) => contents.open(binlog, stop),
    close: async () => await contents[Symbol.asyncDispose](),
    onConfirmed: (confirming) => purgeAfter(settings, active.name, confirming),
  })
}

async function purgeAfter(settings: ResolvedMysqlAgentSettings, firstKept: string, { signal }: OperationOptions): Promise<void> {
  const { purgeBinlogs: purge } = settings
  if (purge === 'never') return
  await using session = await connect(settings, { signal })
  await purgeBinlogs({ session, firstKept, keepHours: purge.keepHours, readBeginning: beginningReader(settings, signal) })
}

/** All files from the one in which the last backup ends, but the one that is written to. */
function completeSince(binlogs: readonly ServerBinlog[], { value: { file } }: Position): readonly ServerBinlog[] {
  const first = binlogs.findIndex(({ name }) => name === file)
  if (first >= 0) return binlogs.slice(first, -1)
  throw new BackupError(`binlog ${file}, in which the last backup ends, was purged just now`, {
    code: 'NOT_FOUND',
    retryable: true,
    hint: 'Run again: a full backup then begins a new chain. Let the server keep binlogs for longer.',
  })
}

/** Between the decision for a log and its end the server may have been restored into. */
async function assertNotRestored(session: MysqlSession, since: string): Promise<void> {
  const restored = unloggedSince(await readUnloggedRestore(session), since)
  if (restored === undefined) return
  throw new BackupError(`the binlogs do not lead to the state of the server: ${restored}`, {
    code: 'INCONSISTENT',
    retryable: true,
    hint: 'Nothing was stored. Run again: a full backup then begins a new chain.',
  })
}

async function* nothing(): AsyncGenerator<Uint8Array, void, void> {}
