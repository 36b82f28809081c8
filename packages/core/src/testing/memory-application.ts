import { createHash } from 'node:crypto'
import { BackupError } from '../errors/backup-error.ts'

/** One change in the history of a memory application; `content` is missing where the item was removed. */
export interface MemoryChange {
  readonly sequence: number
  readonly at: string
  readonly item: string
  readonly content?: string
}

export interface MemorySession {
  /** Until it is disconnected, or the application dies. */
  readonly open: boolean
  disconnect(): void
}

/** A real little application: items with content, a log of changes that grows until it is truncated, sessions that hold locks. */
export interface MemoryApplication {
  readonly id: string
  readonly items: ReadonlyMap<string, Buffer>
  /** Changes since the last truncation, oldest first. */
  readonly log: readonly MemoryChange[]
  /** Of the last change ever. */
  readonly sequence: number
  /** Names of those who work on it now. */
  readonly sessions: ReadonlySet<string>
  /** Items that cannot be read, as a database with a damaged table. */
  readonly unreadable: Set<string>
  /** Items that cannot be removed, as a database whose account has lost a right. */
  readonly unremovable: Set<string>
  write(item: string, content: Uint8Array | string): void
  remove(item: string): void
  connect(name: string): MemorySession
  truncateLog(upTo: number): void
  /** What its clock shows. */
  now(): Date
  /** Dies: sessions end, and nobody can connect until it is started again. */
  stop(): void
  start(): void
  /** Called after every change, and when it dies. Returns how to be called no more. */
  watch(listener: () => void): () => void
  /** Of everything that is in it; equal only when nothing has changed. */
  fingerprint(): string
}

export function createMemoryApplication(
  items: Readonly<Record<string, Uint8Array | string>> = {},
  id = 'memory-server-1',
  clock: () => Date = () => new Date(),
): MemoryApplication {
  const held = new Map<string, Buffer>()
  const sessions = new Set<string>()
  let log: MemoryChange[] = []
  let sequence = 0
  let stopped = false
  const listeners = new Set<() => void>()
  const tell = () => {
    for (const listener of listeners) listener()
  }

  function record(item: string, content?: Buffer): void {
    sequence++
    const change = { sequence, at: clock().toISOString(), item }
    log.push(content === undefined ? change : { ...change, content: content.toString('base64') })
    tell()
  }

  const application: MemoryApplication = {
    id,
    items: held,
    get log() {
      return log
    },
    get sequence() {
      return sequence
    },
    sessions,
    unreadable: new Set(),
    unremovable: new Set(),
    write(item, content) {
      const bytes = Buffer.from(content)
      held.set(item, bytes)
      record(item, bytes)
    },
    remove(item) {
      if (application.unremovable.has(item)) {
        throw new BackupError(`item ${item} of ${id} cannot be removed`, { code: 'ACCESS_DENIED', hint: 'Let it go first.' })
      }
      if (held.delete(item)) record(item)
    },
    connect(name) {
      if (stopped) throw nobodyAnswers(id)
      const session = `${name}-${sessions.size + 1}-${Math.random()}`
      sessions.add(session)
      return {
        get open() {
          return sessions.has(session)
        },
        disconnect: () => void sessions.delete(session),
      }
    },
    truncateLog(upTo) {
      log = log.filter((change) => change.sequence > upTo)
    },
    now: clock,
    stop() {
      stopped = true
      sessions.clear()
      tell()
    },
    start() {
      stopped = false
    },
    watch(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    fingerprint() {
      const hash = createHash('sha256')
      for (const [item, content] of [...held].sort(([a], [b]) => (a < b ? -1 : 1))) {
        hash.update(JSON.stringify([item, content.length])).update(content)
      }
      return hash.digest('hex')
    },
  }
  for (const [item, content] of Object.entries(items)) application.write(item, content)
  return application
}

export function nobodyAnswers(id: string): BackupError {
  return new BackupError(`nobody answers at memory:${id}`, { code: 'UNREACHABLE', retryable: true, hint: 'Start the server.' })
}
