import { setTimeout as pause } from 'node:timers/promises'
import { BackupError, type Uploader } from '@backup-planet/core'
import type { MemoryUploader } from '@backup-planet/core/testing'

export type FaultyOperation = 'upload' | 'download' | 'stat' | 'list' | 'remove'

/**
 * `overloaded`: nothing is done, as with a status of 503. `cut`: the connection breaks in the middle. `short`: what is read ends too early,
 * without an error. `lost`: it is done, and the answer does not arrive. `slow`: it takes its time. `hidden`: what was stored is shown by none
 * of the next calls. `turned`: a bit of what is read is another. `lie`: a bit of what is stored is another, and the store says it is as sent.
 */
export const faultsOf = {
  upload: ['overloaded', 'cut', 'lost', 'slow', 'hidden'],
  download: ['overloaded', 'cut', 'short', 'slow', 'turned'],
  stat: ['overloaded', 'slow'],
  list: ['overloaded', 'cut', 'slow'],
  remove: ['overloaded', 'lost', 'slow'],
} as const satisfies Readonly<Record<FaultyOperation, readonly string[]>>

export interface PlannedFault {
  readonly operation: FaultyOperation
  /** From 0: which call of the operation. */
  readonly call: number
  readonly kind: (typeof faultsOf)[FaultyOperation][number] | 'lie'
}

export interface FaultyStore {
  readonly uploader: Uploader
  /** From now on everything works, and everything that is stored is shown. */
  heal(): void
  /** The faults that came to pass. */
  readonly met: readonly PlannedFault[]
}

/** For so many calls of any kind a hidden object is not shown. */
const hiddenCalls = 25

export function faultyStore(store: MemoryUploader, plan: readonly PlannedFault[]): FaultyStore {
  const calls = { upload: 0, download: 0, stat: 0, list: 0, remove: 0 }
  const met: PlannedFault[] = []
  const hidden = new Map<string, number>()
  let healed = false
  let all = 0

  const begin = async (operation: FaultyOperation): Promise<PlannedFault['kind'] | undefined> => {
    all++
    const call = calls[operation]++
    const fault = healed ? undefined : plan.find((planned) => planned.operation === operation && planned.call === call)
    if (fault === undefined) return undefined
    met.push(fault)
    if (fault.kind === 'overloaded') throw failure('OVERLOADED', `${operation} ${call}: too many requests`)
    if (fault.kind === 'slow') await pause(20)
    return fault.kind
  }
  const isHidden = (key: string): boolean => !healed && (hidden.get(key) ?? 0) > all

  return {
    met,
    heal() {
      healed = true
    },
    uploader: {
      ...store,
      async upload(key, content, options) {
        const kind = await begin('upload')
        if (kind === 'cut') {
          for await (const _ of content.open()) throw failure('UNREACHABLE', `upload of ${key} was cut`)
        }
        const remote = await store.upload(key, content, options)
        if (kind === 'hidden') hidden.set(key, all + hiddenCalls)
        if (kind === 'lie') turnStored(store, key)
        if (kind === 'lost') throw failure('TIMED_OUT', `upload of ${key} was not answered`)
        return remote
      },
      async *download(key, range, options) {
        const kind = await begin('download')
        if (isHidden(key)) throw failure('NOT_FOUND', `object ${key} does not exist`)
        let chunks = 0
        for await (const chunk of store.download(key, range, options)) {
          if (kind === 'turned' && chunks === 0) yield turned(chunk)
          else if (kind === 'short' && chunks === 0) yield chunk.subarray(0, chunk.byteLength >> 1)
          else yield chunk
          if (kind === 'short') return
          chunks++
          if (kind === 'cut') throw failure('UNREACHABLE', `download of ${key} was cut`)
        }
      },
      async stat(key, options) {
        await begin('stat')
        return isHidden(key) ? undefined : await store.stat(key, options)
      },
      async *list(prefix, options) {
        const kind = await begin('list')
        let given = 0
        for await (const object of store.list(prefix, options)) {
          if (isHidden(object.key)) continue
          if (kind === 'cut' && given++ > 0) throw failure('UNREACHABLE', `list of ${prefix} was cut`)
          yield object
        }
        if (kind === 'cut') throw failure('UNREACHABLE', `list of ${prefix} was cut`)
      },
      async remove(key, options) {
        const kind = await begin('remove')
        await store.remove(key, options)
        if (kind === 'lost') throw failure('TIMED_OUT', `removal of ${key} was not answered`)
      },
    },
  }
}

function failure(code: 'OVERLOADED' | 'UNREACHABLE' | 'TIMED_OUT' | 'NOT_FOUND', message: string): BackupError {
  return new BackupError(message, { code, hint: 'Try again.' })
}

function turned(bytes: Uint8Array): Buffer {
  const copy = Buffer.from(bytes)
  if (copy.length > 0) copy.writeUInt8(copy.readUInt8(copy.length >> 1) ^ 4, copy.length >> 1)
  return copy
}

function turnStored({ objects }: MemoryUploader, key: string): void {
  const object = objects.get(key)
  if (object !== undefined) objects.set(key, { ...object, bytes: turned(object.bytes) })
}
