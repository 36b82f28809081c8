import { createHash } from 'node:crypto'

/** One change in the history of a memory application; `content` is missing where the item was removed. */
export interface MemoryChange {
  readonly sequence: number
  readonly at: string
  readonly item: string
  readonly content?: string
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
  write(item: string, content: Uint8Array | string): void
  remove(item: string): void
  connect(name: string): { disconnect(): void }
  truncateLog(upTo: number): void
  /** Of everything that is in it; equal only when nothing has changed. */
  fingerprint(): string
}

export function createMemoryApplication(
  items: Readonly<Record<string, Uint8Array | string>> = {},
  id = 'memory-server-1',
): MemoryApplication {
  const held = new Map<string, Buffer>()
  const sessions = new Set<string>()
  let log: MemoryChange[] = []
  let sequence = 0

  function record(item: string, content?: Buffer): void {
    sequence++
    const change = { sequence, at: new Date().toISOString(), item }
    log.push(content === undefined ? change : { ...change, content: content.toString('base64') })
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
    write(item, content) {
      const bytes = Buffer.from(content)
      held.set(item, bytes)
      record(item, bytes)
    },
    remove(item) {
      if (held.delete(item)) record(item)
    },
    connect(name) {
      const session = `${name}-${sessions.size + 1}-${Math.random()}`
      sessions.add(session)
      return { disconnect: () => void sessions.delete(session) }
    },
    truncateLog(upTo) {
      log = log.filter((change) => change.sequence > upTo)
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
