import type {
  Backup,
  ByteRange,
  Finding,
  ItemFacts,
  ItemFailure,
  ManifestItem,
  OperationOptions,
  Repository,
  RepositoryFile,
  StageContents,
  StagedFile,
  StoreRequest,
  StreamedFile,
} from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { clampRange } from '../uploaders/byte-range.ts'
import { abortable, checkedContent } from '../uploaders/checked-content.ts'
import { chunksOf, sha256Of } from './chunks-of.ts'
import { withOneBitTurned } from './faults.ts'

export interface MemoryFile {
  readonly item: string
  readonly name: string
  readonly size: number
  readonly sha256: string
  readonly bytes: Buffer
}

interface UnfinishedRun {
  readonly job: string
  touchedAt: number
  readonly files: Map<string, MemoryFile>
}

/** What two memory repositories share when they work on one place. */
export interface MemoryRepositoryPlace {
  readonly records: Map<string, Backup>
  readonly files: Map<string, readonly MemoryFile[]>
  readonly guides: Map<string, string>
  readonly unfinished: Map<string, UnfinishedRun>
  /** Ids of backups that the store refuses to remove, each with the reason. */
  readonly retained: Map<string, string>
}

export interface MemoryRepository extends Repository {
  readonly place: MemoryRepositoryPlace
  another(): MemoryRepository
  /** Turns a bit in the first file that has any; throws when there is none. */
  corruptSomething(): void
  /** The next call of this method rejects with `error`; `store` does so right before it commits. */
  failNext(method: 'store' | 'remove', error: unknown): void
  /** Once so many backups are removed from now on, the next removal rejects with `error`, as where a process is killed or a store goes away. */
  failAfterRemovals(count: number, error: unknown): void
}

/** Keeps every promise of the contract, in memory. */
export function createMemoryRepository(
  place: MemoryRepositoryPlace = { records: new Map(), files: new Map(), guides: new Map(), unfinished: new Map(), retained: new Map() },
): MemoryRepository {
  const failures = new Map<string, unknown>()
  let failingRemoval: { left: number; readonly error: unknown } | undefined

  function failIfTold(method: string): void {
    if (!failures.has(method)) return
    const error = failures.get(method)
    failures.delete(method)
    throw error
  }

  async function send(request: StoreRequest, contents: StageContents, options: OperationOptions): Promise<Backup> {
    const { run } = request
    const unfinished: UnfinishedRun = place.unfinished.get(run.id) ?? { job: run.job, touchedAt: Date.now(), files: new Map() }
    place.unfinished.set(run.id, unfinished)
    const items: (ItemFacts & { failure?: ItemFailure })[] = []
    const receiving: Promise<unknown>[] = []
    for await (const event of abortable(contents.drain(options), 'store', options)) {
      unfinished.touchedAt = Date.now()
      if (event.type === 'file') {
        const file = await receive(event.file, options)
        unfinished.files.set(JSON.stringify([file.item, file.name]), file)
        await contents.note({ sent: [file.item, file.name] })
        await event.file.release()
      } else if (event.type === 'stream') {
        receiving.push(
          receiveStream(event.file, options).then((file) => file && unfinished.files.set(JSON.stringify([file.item, file.name]), file)),
        )
        receiving.at(-1)?.catch(() => undefined)
      } else if (event.type === 'item') {
        items.push(event.item)
      } else if (event.type === 'item-failed') {
        items.push({ item: event.item, facts: {}, failure: event.failure })
      } else if (event.type === 'sealed') {
        await Promise.all(receiving)
        throwIfAborted(options.signal, 'store')
        failIfTold('store')
        const kept = [...unfinished.files.values()].filter((file) =>
          items.some((item) => item.item === file.item && item.failure === undefined),
        )
        const { facts } = event
        const backup: Backup = {
          format: 'backup-planet/manifest/1',
          id: run.id,
          job: run.job,
          application: facts.application,
          agent: request.agent,
          source: facts.source,
          kind: facts.kind,
          status: items.some((item) => item.failure !== undefined) ? 'partial' : 'complete',
          beganAt: run.beganAt,
          ...(run.limitedTo === undefined ? {} : { limitedTo: run.limitedTo }),
          consistentAt: facts.consistentAt,
          endedAt: new Date().toISOString(),
          ...(facts.from === undefined ? {} : { from: facts.from }),
          ...(facts.position === undefined ? {} : { position: facts.position }),
          ...(facts.covers === undefined ? {} : { covers: facts.covers }),
          items: items.map((item) => ({
            ...item,
            ...(item.failure === undefined ? { files: kept.filter((file) => file.item === item.item).map(factsOf) } : {}),
          })),
          facts: facts.facts,
          storage: {},
        }
        place.files.set(run.id, kept)
        place.guides.set(run.id, facts.restoreGuide)
        place.records.set(run.id, JSON.parse(JSON.stringify(backup)) as Backup)
        place.unfinished.delete(run.id)
        return backup
      }
    }
    throw new BackupError(`stage of ${run.id} ended without being sealed`, { code: 'CORRUPTED' })
  }

  function filesOf(backup: Backup): readonly MemoryFile[] {
    const files = place.files.get(backup.id)
    if (files === undefined || !place.records.has(backup.id)) throw missing(`backup ${backup.id}`)
    return files
  }

  return {
    contract: 'repository/1',
    destination: 'memory://',
    supports: { read: true, deduplicates: false, streams: true },
    place,
    another: () => createMemoryRepository(place),
    failNext: (method, error) => failures.set(method, error),
    failAfterRemovals(count, error) {
      failingRemoval = { left: count, error }
    },
    corruptSomething() {
      for (const [id, files] of place.files) {
        const index = files.findIndex((file) => file.size > 0)
        if (index < 0) continue
        place.files.set(
          id,
          files.map((file, at) => (at === index ? { ...file, bytes: withOneBitTurned(file.bytes) } : file)),
        )
        return
      }
      throw new TypeError('there is nothing to corrupt')
    },

    async store(request, contents, options = {}) {
      throwIfAborted(options.signal, 'store')
      // A run that was killed between its record and the removal of its stage is sent again: it is already there.
      const committed = place.records.get(request.run.id)
      return committed ?? (await send(request, contents, options))
    },

    async *list(filter = {}, options = {}) {
      throwIfAborted(options.signal, 'list')
      const backups = [...place.records.values()].sort((a, b) =>
        a.beganAt === b.beganAt ? (a.id < b.id ? -1 : 1) : a.beganAt < b.beganAt ? -1 : 1,
      )
      for (const backup of backups) {
        throwIfAborted(options.signal, 'list')
        const isMeant = (filter.job ?? backup.job) === backup.job && (filter.id ?? backup.id) === backup.id
        if (isMeant && Date.parse(backup.beganAt) >= Date.parse(filter.beganSince ?? backup.beganAt)) yield backup
      }
    },

    async inventory(backup, options = {}): Promise<readonly ManifestItem[]> {
      throwIfAborted(options.signal, 'inventory')
      const record = place.records.get(backup.id)
      if (record === undefined) throw missing(`backup ${backup.id}`)
      return record.items
    },

    async *open(backup, file, range?: ByteRange, options: OperationOptions = {}) {
      throwIfAborted(options.signal, `read of ${file.name}`)
      const found = filesOf(backup).find((candidate) => candidate.item === file.item && candidate.name === file.name)
      if (found === undefined) throw missing(`file ${file.name} of ${file.item}`)
      yield* contentOf(found, range, options)
    },

    async *read(backup, select, options = {}): AsyncGenerator<RepositoryFile, void> {
      throwIfAborted(options.signal, `read of ${backup.id}`)
      for (const file of filesOf(backup)) {
        throwIfAborted(options.signal, `read of ${backup.id}`)
        if (select(file)) yield { item: file.item, name: file.name, size: file.size, content: contentOf(file, undefined, options) }
      }
    },

    async readGuide(backup, options = {}) {
      throwIfAborted(options.signal, 'read of the restore guide')
      return place.guides.get(backup.id)
    },

    async remove(backups, options = {}) {
      throwIfAborted(options.signal, 'removal')
      failIfTold('remove')
      let bytes = 0
      const removed: string[] = []
      for (const { id } of backups) {
        throwIfAborted(options.signal, 'removal')
        if (!place.records.has(id)) continue
        const reason = place.retained.get(id)
        if (reason !== undefined) return { removed, bytes, retained: [{ key: id, reason }] }
        if (failingRemoval !== undefined && failingRemoval.left-- === 0) {
          const { error } = failingRemoval
          failingRemoval = undefined
          throw error
        }
        place.records.delete(id)
        removed.push(id)
        for (const file of place.files.get(id) ?? []) bytes += file.size
        place.files.delete(id)
        place.guides.delete(id)
      }
      return { removed, bytes, retained: [] }
    },

    async *verify(request = {}, options = {}): AsyncGenerator<Finding, void> {
      for (const backup of place.records.values()) {
        throwIfAborted(options.signal, 'verification')
        if ((request.job ?? backup.job) !== backup.job || (request.id ?? backup.id) !== backup.id) continue
        const damaged = (place.files.get(backup.id) ?? []).filter(
          (file) => request.readData === true && sha256Of(file.bytes) !== file.sha256,
        )
        for (const file of damaged) {
          const message = `file ${file.name} of ${file.item} in backup ${backup.id} is damaged`
          yield { severity: 'error', backup: backup.id, key: file.name, code: 'CORRUPTED', message, hint: 'Restore from another backup.' }
        }
        if (damaged.length === 0) yield { severity: 'ok', backup: backup.id, message: `backup ${backup.id} is whole` }
      }
    },

    async removeUnfinished({ olderThanSeconds, job, runs }, options = {}) {
      throwIfAborted(options.signal, 'removal of unfinished runs')
      const removed: string[] = []
      let bytes = 0
      for (const [id, run] of place.unfinished) {
        if (runs?.includes(id) === false) continue
        if ((job ?? run.job) !== run.job || Date.now() - run.touchedAt < olderThanSeconds * 1000) continue
        place.unfinished.delete(id)
        removed.push(id)
        for (const file of run.files.values()) bytes += file.size
      }
      return { removed, bytes, retained: [] }
    },

    async [Symbol.asyncDispose]() {},
  }
}

async function receive(file: StagedFile, options: OperationOptions): Promise<MemoryFile> {
  const content = checkedContent({ size: file.size, sha256: file.sha256, open: () => file.open() }, `store of ${file.name}`, options)
  const chunks: Uint8Array[] = []
  for await (const chunk of content) {
    chunks.push(Uint8Array.from(chunk))
    options.onProgress?.({ type: 'bytes', phase: 'store', item: file.item, bytes: chunk.byteLength })
  }
  return { ...factsOf(file), item: file.item, bytes: Buffer.concat(chunks) }
}

/** `undefined` when the content failed on the agent's side: such a file does not exist. */
async function receiveStream(file: StreamedFile, options: OperationOptions): Promise<MemoryFile | undefined> {
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of abortable(file.read(), `store of ${file.name}`, options)) {
      chunks.push(Uint8Array.from(chunk))
      options.onProgress?.({ type: 'bytes', phase: 'store', item: file.item, bytes: chunk.byteLength })
    }
  } catch (error) {
    if (file.failed) return undefined
    file.refuse(error)
    throw error
  }
  const bytes = Buffer.concat(chunks)
  const facts = { size: bytes.length, sha256: sha256Of(bytes) }
  file.accept(facts)
  return { item: file.item, name: file.name, ...facts, bytes }
}

async function* contentOf(file: MemoryFile, range: ByteRange | undefined, options: OperationOptions): AsyncGenerator<Uint8Array, void> {
  const { begin, end } = clampRange(range, file.size)
  if (sha256Of(file.bytes) !== file.sha256) {
    throw new BackupError(`file ${file.name} of ${file.item} is damaged`, { code: 'CORRUPTED', hint: 'Restore from another backup.' })
  }
  yield* abortable(chunksOf(file.bytes.subarray(begin, end), [10_000]), `read of ${file.name}`, options)
}

function factsOf(file: { readonly name: string; readonly size: number; readonly sha256: string }) {
  return { name: file.name, size: file.size, sha256: file.sha256 }
}

function missing(what: string): BackupError {
  return new BackupError(`${what} does not exist`, { code: 'NOT_FOUND', hint: 'List the backups to see what there is.' })
}
