import type { Capture, CaptureFacts, Position, Stage } from '../contracts/index.ts'
import { throwIfAborted } from '../errors/backup-error.ts'
import { chunksOf } from './chunks-of.ts'
import type { MemoryApplication, MemoryChange } from './memory-application.ts'
import { sequenceOf } from './memory-positions.ts'

export const memoryRestoreGuide = '# Restore\n\nEach item is the file `content` in its folder; a log is the file `changes.json`.\n'

export interface MemoryLog {
  readonly from: Position
  readonly to: Position
  readonly changes: readonly MemoryChange[]
}

export function memoryFacts(application: MemoryApplication): Pick<CaptureFacts, 'application' | 'source' | 'restoreGuide'> {
  const source = { id: application.id, name: `memory:${application.id}`, version: '1' }
  return { application: 'memory', source, restoreGuide: memoryRestoreGuide }
}

/** What was received of the log of an application, as a capture that asks the application for nothing. */
export function receivedCapture(application: MemoryApplication, { from, to, changes }: MemoryLog, onDispose: () => void): Capture {
  let confirmed = false
  return {
    facts: { ...memoryFacts(application), kind: 'log', consistentAt: application.now().toISOString(), from, position: to, facts: {} },
    async copyTo(stage: Stage, options = {}) {
      for (const item of [...new Set(changes.map((change) => change.item))].sort()) {
        throwIfAborted(options.signal, `capture of ${item}`)
        const bytes = Buffer.from(JSON.stringify(changes.filter((change) => change.item === item)))
        await stage.write({ item, name: 'changes.json' }, chunksOf(bytes, [10_000]), options)
        await stage.sealItem({ item, from, to, bytes: bytes.length, facts: {} })
      }
    },
    async confirm(options = {}) {
      throwIfAborted(options.signal, 'confirmation')
      if (confirmed) throw new TypeError('a capture is confirmed at most once')
      confirmed = true
      application.truncateLog(sequenceOf(to))
    },
    async [Symbol.asyncDispose]() {
      onDispose()
    },
  }
}
