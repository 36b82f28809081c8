import { historyOf } from '../chain/chain-history.ts'
import { nextKind } from '../chain/next-kind.ts'
import type { Capture, FollowRequest, OperationOptions, Position } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { type MemoryApplication, type MemoryChange, type MemorySession, nobodyAnswers } from './memory-application.ts'
import { receivedCapture } from './memory-log-capture.ts'
import { compareSequences, positionAt, sequenceOf } from './memory-positions.ts'

/** Follows the log of a memory application. Gives what comes as captures, the last one after an abort or the death of the application. */
export async function* followMemory(
  application: MemoryApplication,
  request: FollowRequest,
  { signal, onProgress }: OperationOptions = {},
  counts: { begun: number; disposed: number } = { begun: 0, disposed: 0 },
): AsyncGenerator<Capture, void, void> {
  if (signal?.aborted) return
  let from = beginOf(application, request)
  const session = application.connect('follow')
  try {
    onProgress?.({ type: 'following' })
    for (;;) {
      const ended = await somethingToStore(application, session, sequenceOf(from), request, signal)
      const changes = changesAfter(application, from)
      if (changes.length > 0) {
        const to = positionAt(from.chain, changes.at(-1)?.sequence ?? 0)
        counts.begun++
        yield receivedCapture(application, { from, to, changes }, () => counts.disposed++)
        from = to
      }
      if (ended === 'aborted') return
      if (ended === 'died') throw nobodyAnswers(application.id)
    }
  } finally {
    session.disconnect()
  }
}

function beginOf(application: MemoryApplication, { chain }: FollowRequest): Position {
  const { id, sequence, log } = application
  const server = { chain: id, position: positionAt(id, sequence), oldest: positionAt(id, (log[0]?.sequence ?? sequence + 1) - 1) }
  const { from, reason } = nextKind({ kind: 'log', history: historyOf(chain, compareSequences), server })
  if (from !== undefined) return from
  throw lost(application, reason?.message ?? 'there is nothing to follow')
}

function changesAfter(application: MemoryApplication, from: Position): readonly MemoryChange[] {
  const changes = application.log.filter(({ sequence }) => sequence > sequenceOf(from))
  const [first] = changes
  const missing = first === undefined ? application.sequence > sequenceOf(from) : first.sequence !== sequenceOf(from) + 1
  if (missing) throw lost(application, `its log no longer has what follows ${sequenceOf(from)}`)
  return changes
}

/** Waits until something is to be stored, the application dies, or the signal is aborted. */
async function somethingToStore(
  application: MemoryApplication,
  session: MemorySession,
  after: number,
  { everySeconds, everyBytes }: FollowRequest,
  signal: AbortSignal | undefined,
): Promise<'due' | 'died' | 'aborted'> {
  const pending = () => application.log.filter(({ sequence }) => sequence > after)
  const enough = () => pending().reduce((sum, { content = '' }) => sum + content.length, 0) >= everyBytes
  return await new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined
    const look = () => {
      if (!session.open) end('died')
      else if (signal?.aborted) end('aborted')
      else if (pending().length > 0 && enough()) end('due')
      else if (pending().length > 0) timer ??= setTimeout(() => end('due'), everySeconds * 1000)
    }
    const stopWatching = application.watch(look)
    const end = (why: 'due' | 'died' | 'aborted') => {
      clearTimeout(timer)
      stopWatching()
      signal?.removeEventListener('abort', look)
      resolve(why)
    }
    signal?.addEventListener('abort', look, { once: true })
    look()
  })
}

function lost({ id }: MemoryApplication, why: string): BackupError {
  return new BackupError(`memory:${id} cannot be followed from what is backed up: ${why}`, {
    code: 'NOT_FOUND',
    hint: 'Make a backup, which is a full where nothing can be continued, and follow from there.',
  })
}
