import { historyOf } from '../chain/chain-history.ts'
import { nextKind } from '../chain/next-kind.ts'
import type { Agent, Capture, CaptureFacts, CaptureRequest, OperationOptions, Position, SourceItem } from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { chunksOf } from './chunks-of.ts'
import { createMemoryApplication, type MemoryApplication, type MemoryChange } from './memory-application.ts'
import { followMemory } from './memory-follow.ts'
import { memoryFacts } from './memory-log-capture.ts'
import { compareSequences, parseSequence, positionAt } from './memory-positions.ts'
import { createMemoryRestore } from './memory-restore.ts'
import { openMemoryScratch } from './memory-scratch.ts'

export interface MemoryAgentSettings {
  /** The application to work on; a new one with `items` when left out. */
  readonly server?: MemoryApplication
  readonly items?: Readonly<Record<string, Uint8Array | string>>
  /** Called before each item is copied; may change the application, wait or throw. */
  readonly beforeItem?: (item: string) => void | Promise<void>
}

export interface MemoryAgent extends Agent {
  readonly server: MemoryApplication
  /** How often each of these happened. */
  readonly counts: { readonly begun: number; readonly confirmed: number; readonly disposed: number }
}

interface Chosen {
  readonly kind: 'full' | 'log'
  readonly chain: string
  readonly reason?: string
  readonly from?: Position
  readonly changes: readonly MemoryChange[]
}

/**
 * Backs up, follows and restores a memory application: fulls, and logs that continue a chain and become a full, with the reason,
 * when the application no longer holds what follows the chain. Confirming truncates the application's log. Restores to any moment.
 */
export function createMemoryAgent(settings: MemoryAgentSettings = {}): MemoryAgent {
  const application = settings.server ?? createMemoryApplication(settings.items)
  const counts = { begun: 0, confirmed: 0, disposed: 0 }
  const restoring = createMemoryRestore(application)

  function position(chain: string): Position {
    return positionAt(chain, application.sequence)
  }

  function select(request: CaptureRequest): string[] {
    for (const item of request.items ?? []) {
      if (!application.items.has(item))
        throw new BackupError(`item ${item} does not exist`, { code: 'NOT_FOUND', hint: 'Choose one that discover lists.' })
    }
    return [...application.items.keys()].filter((item) => request.items?.includes(item) ?? true).sort()
  }

  function choose(request: CaptureRequest): Chosen {
    if (request.kind === 'differential') {
      throw new BackupError('the memory application has no differentials', { code: 'UNSUPPORTED', hint: 'Use the kind full or log.' })
    }
    const server = { chain: application.id, position: position(application.id), oldest: positionAt(application.id, oldestHeld() - 1) }
    const { kind, chain, from, reason } = nextKind({ kind: request.kind, history: historyOf(request.chain, compareSequences), server })
    if (kind !== 'log' || from === undefined) return { kind: 'full', chain, ...(reason && { reason: reason.message }), changes: [] }
    return { kind, chain, from, changes: application.log.filter((change) => change.sequence > Number(from.value.sequence)) }
  }

  /** The first change that is in the log, or will be. */
  function oldestHeld(): number {
    return application.log[0]?.sequence ?? application.sequence + 1
  }

  const describe = (item: string): SourceItem => ({ name: item, bytes: application.items.get(item)?.length ?? 0 })

  return {
    contract: 'agent/1',
    application: 'memory',
    version: '0.0.0',
    supports: { kinds: ['full', 'log'], pointInTime: true, rename: true },
    server: application,
    counts,
    comparePositions: compareSequences,
    parsePosition: parseSequence,
    follow: (request, options) => followMemory(application, request, options, counts),

    async *discover(options: OperationOptions = {}) {
      throwIfAborted(options.signal, 'discover')
      yield {
        id: application.id,
        name: `memory:${application.id}`,
        version: '1',
        items: [...application.items.keys()].sort().map(describe),
        facts: {},
      }
    },

    async check(request, options = {}) {
      throwIfAborted(options.signal, 'check')
      return select(request)
        .filter((item) => application.unreadable.has(item))
        .map((item) => ({
          severity: 'error' as const,
          code: 'APPLICATION' as const,
          message: `item ${item} cannot be read`,
          hint: `Repair the item ${item}, or leave it out.`,
          item,
        }))
    },

    async plan(request, options = {}) {
      throwIfAborted(options.signal, 'plan')
      const { kind, reason, changes } = choose(request)
      const items = select(request).map(describe)
      const what = kind === 'full' ? `copy ${items.length} items` : `copy ${changes.length} changes`
      const steps = ['remember the content of every item', what, 'truncate the log'].map((text, index) => ({ number: index + 1, text }))
      return { application: 'memory', source: `memory:${application.id}`, kind, ...(reason === undefined ? {} : { reason }), items, steps }
    },

    async beginCapture(request, options = {}): Promise<Capture> {
      throwIfAborted(options.signal, 'capture')
      const items = select(request)
      const { kind, chain, reason, from, changes } = choose(request)
      const session = application.connect('capture')
      const contents = new Map(application.items)
      const captured = position(chain)
      counts.begun++
      let confirmed = false
      let disposed = false
      const facts: CaptureFacts = {
        ...memoryFacts(application),
        kind,
        ...(reason === undefined ? {} : { reason }),
        consistentAt: application.now().toISOString(),
        position: captured,
        ...(from === undefined ? {} : { from }),
        facts: reason === undefined ? {} : { promoted: reason },
      }
      return {
        facts,
        async copyTo(stage, copyOptions = {}) {
          for (const item of items) {
            throwIfAborted(copyOptions.signal, `capture of ${item}`)
            await settings.beforeItem?.(item)
            if (application.unreadable.has(item)) {
              await stage.failItem(item, { code: 'APPLICATION', message: `item ${item} cannot be read`, hint: `Repair the item ${item}.` })
              continue
            }
            copyOptions.onProgress?.({ type: 'item', phase: 'capture', item, state: 'begun' })
            const mine = changes.filter((change) => change.item === item)
            const name = kind === 'full' ? 'content' : 'changes.json'
            const bytes = kind === 'full' ? (contents.get(item) ?? Buffer.alloc(0)) : Buffer.from(JSON.stringify(mine))
            await stage.write({ item, name }, chunksOf(bytes, [10_000]), copyOptions)
            await stage.sealItem({ item, ...(from === undefined ? {} : { from }), to: captured, bytes: bytes.length, facts: {} })
            copyOptions.onProgress?.({ type: 'item', phase: 'capture', item, state: 'ended' })
          }
        },
        async confirm(confirmOptions = {}) {
          throwIfAborted(confirmOptions.signal, 'confirmation')
          if (confirmed) throw new TypeError('a capture is confirmed at most once')
          confirmed = true
          counts.confirmed++
          application.truncateLog(Number(captured.value.sequence))
        },
        async [Symbol.asyncDispose]() {
          if (disposed) return
          disposed = true
          session.disconnect()
          counts.disposed++
        },
      }
    },

    planRestore: restoring.planRestore,
    restore: restoring.restore,
    openScratch: openMemoryScratch(application, (server) => createMemoryAgent({ server })),
    async [Symbol.asyncDispose]() {},
  }
}
