import type { ByteRange, OperationOptions, RemoteObject, Reopenable, RetainedObject, Uploader } from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { assertSafePath } from '../naming/safe-path.ts'
import { clampRange } from '../uploaders/byte-range.ts'
import { checkedContent } from '../uploaders/checked-content.ts'
import { createFaultPlan, type FaultPlan, faultError, type UploaderFault, withOneBitTurned } from './faults.ts'

export interface MemoryObject {
  readonly bytes: Uint8Array
  readonly modifiedAt: string
  readonly sha256: string
}

export interface MemoryUploaderSettings {
  /** The place; give the same map to two uploaders to let them work on one place. */
  readonly objects?: Map<string, MemoryObject>
  readonly faults?: readonly UploaderFault[]
  readonly supports?: Partial<Uploader['supports']>
  readonly destination?: string
  /** Offers `removeAll`; false when left out. */
  readonly removesSeveral?: boolean
  readonly now?: () => Date
}

export interface MemoryUploader extends Uploader {
  /** What is stored; may be changed to play a damaged store. */
  readonly objects: Map<string, MemoryObject>
  readonly calls: FaultPlan['calls']
  injectFault(fault: UploaderFault): void
  /** A second uploader on the same place, without the faults of this one. */
  another(): MemoryUploader
}

/** Keeps every promise of the contract, in memory, and breaks the ones it is told to. */
export function createMemoryUploader(settings: MemoryUploaderSettings = {}): MemoryUploader {
  const objects = settings.objects ?? new Map<string, MemoryObject>()
  const plan = createFaultPlan(settings.faults)
  const now = settings.now ?? (() => new Date())
  const remote = (key: string, object: MemoryObject): RemoteObject => ({
    key,
    size: object.bytes.byteLength,
    modifiedAt: object.modifiedAt,
    sha256: object.sha256,
  })

  async function removeAll(keys: readonly string[], options: OperationOptions = {}): Promise<readonly RetainedObject[]> {
    throwIfAborted(options.signal, `removal of ${keys.length} objects`)
    for (const key of keys) assertSafePath(key, 'key')
    await plan.begin('remove', options.signal)
    for (const key of keys) objects.delete(key)
    return []
  }

  return {
    contract: 'uploader/1',
    destination: settings.destination ?? 'memory://',
    supports: { atomicReplace: true, concurrency: 4, rangeRead: true, resume: false, ...settings.supports },
    objects,
    calls: plan.calls,
    injectFault: (fault) => plan.add(fault),
    another: () => createMemoryUploader({ ...settings, objects, faults: [] }),

    async upload(key: string, content: Reopenable, options: OperationOptions = {}) {
      throwIfAborted(options.signal, `upload of ${key}`)
      assertSafePath(key, 'key')
      const fault = await plan.begin('upload', options.signal)
      const checked = checkedContent(content, `upload of ${key}`, options)
      const chunks: Uint8Array[] = []
      for await (const chunk of checked) {
        chunks.push(Uint8Array.from(chunk))
        if (fault?.action === 'fail-half-way') throw faultError(fault)
      }
      if (fault?.action === 'fail-half-way') throw faultError(fault)
      const { sha256 } = checked.facts()
      const bytes = Buffer.concat(chunks)
      const object = { bytes: fault?.action === 'corrupt' ? withOneBitTurned(bytes) : bytes, modifiedAt: now().toISOString(), sha256 }
      objects.set(key, object)
      return remote(key, object)
    },

    async *download(key: string, range?: ByteRange, options: OperationOptions = {}) {
      throwIfAborted(options.signal, `download of ${key}`)
      assertSafePath(key, 'key')
      const fault = await plan.begin('download', options.signal)
      const object = objects.get(key)
      if (object === undefined) {
        throw new BackupError(`object ${key} does not exist`, {
          code: 'NOT_FOUND',
          hint: 'Check the key; the object was never stored or was removed.',
        })
      }
      const { begin, end } = clampRange(range, object.bytes.byteLength)
      const bytes = fault?.action === 'corrupt' ? withOneBitTurned(object.bytes.subarray(begin, end)) : object.bytes.subarray(begin, end)
      const half = Math.ceil(bytes.byteLength / 2)
      for (let offset = 0; offset < bytes.byteLength; offset += 1000) {
        throwIfAborted(options.signal, `download of ${key}`)
        if (fault?.action === 'fail-half-way' && offset >= half) throw faultError(fault)
        yield Uint8Array.prototype.slice.call(bytes, offset, offset + 1000)
      }
      if (fault?.action === 'fail-half-way') throw faultError(fault)
      throwIfAborted(options.signal, `download of ${key}`)
    },

    async stat(key: string, options: OperationOptions = {}) {
      throwIfAborted(options.signal, `stat of ${key}`)
      assertSafePath(key, 'key')
      await plan.begin('stat', options.signal)
      const object = objects.get(key)
      return object === undefined ? undefined : remote(key, object)
    },

    async *list(prefix: string, options: OperationOptions = {}) {
      throwIfAborted(options.signal, `list of ${prefix}`)
      const fault = await plan.begin('list', options.signal)
      let listed = 0
      for (const [key, object] of objects) {
        throwIfAborted(options.signal, `list of ${prefix}`)
        if (!key.startsWith(prefix)) continue
        if (fault?.action === 'fail-half-way' && listed > 0) throw faultError(fault)
        yield remote(key, object)
        listed++
      }
      if (fault?.action === 'fail-half-way') throw faultError(fault)
    },

    async remove(key: string, options: OperationOptions = {}) {
      throwIfAborted(options.signal, `removal of ${key}`)
      assertSafePath(key, 'key')
      await plan.begin('remove', options.signal)
      objects.delete(key)
    },

    ...(settings.removesSeveral === true ? { removeAll } : {}),

    classify: (error) => (BackupError.is(error) ? error.code : 'UNKNOWN'),

    async [Symbol.asyncDispose]() {},
  }
}
