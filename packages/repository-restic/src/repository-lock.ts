import { hostname } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import {
  abortError,
  BackupError,
  currentOwner,
  type OperationOptions,
  ownerState,
  type ProcessOwner,
  throwIfAborted,
} from '@backup-planet/core'
import { seal } from './crypto/sealed-bytes.ts'
import { type LockRecord, parseLock } from './format/lock-record.ts'
import { type StorageId, storageIdOf } from './format/storage-id.ts'
import { encodeUnpacked } from './format/unpacked-file.ts'
import { userName } from './process-identity.ts'
import type { OpenRepository } from './repository-access.ts'
import { below, listObjects, objectKey, putObject, readSealedJson } from './repository-objects.ts'

/** restic, doc/design.rst, "Locks": what was not refreshed for so long belongs to nobody. */
export const staleAfterMilliseconds = 30 * 60_000
const refreshEveryMilliseconds = 5 * 60_000
/** How soon a process that slept knows that its lock may count no more, and one that could not refresh tries again. */
const lookEveryMilliseconds = 60_000
/** Before others may take our lock for stale, with room for clocks that differ. */
const lostAfterMilliseconds = staleAfterMilliseconds - 1.5 * refreshEveryMilliseconds
/** Two who lock at the same moment see each other after this. */
const settleMilliseconds = 200

/**
 * Locks of this process that were let go of and may still be in the store, since it did not answer then: nobody's, although their process lives. Of a lock that
 * was removed nothing is kept.
 */
const letGoOf = new Set<StorageId>()

export interface HeldLock extends AsyncDisposable {
  /** Aborted with `CONFLICT` when the lock could not be kept: whatever is being done must end before others act. */
  readonly lost: AbortSignal
  /** Throws `CONFLICT` unless the lock is there, fresh, and ours: the last look before a record is written. */
  assertHeld(options: OperationOptions): Promise<void>
  /** Lets go of it. Never throws: a lock that could not be removed is stale for this process at once, and for others after half an hour or when this process has ended. */
  [Symbol.asyncDispose](): Promise<void>
}

export interface FoundLock extends LockRecord {
  readonly id: StorageId
  readonly stale: boolean
  /** It is damaged, and counts as an exclusive one of nobody knows whom. */
  readonly unreadable?: boolean
}

export interface LockRequest {
  readonly exclusive: boolean
  /** How long to wait for others; 0 when left out. */
  readonly waitMilliseconds?: number | undefined
  readonly clock?: LockClock | undefined
}

export interface LockClock {
  now(): number
  /** The timer by which a lock is looked after; returns how to stop it. */
  every(milliseconds: number, action: () => void): () => void
  sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void>
}

export const systemLockClock: LockClock = {
  now: Date.now,
  every(milliseconds, action) {
    const timer = setInterval(action, milliseconds)
    timer.unref()
    return () => clearInterval(timer)
  },
  sleep: async (milliseconds, signal) => {
    await pause(milliseconds, undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
  },
}

/**
 * Locks a repository as restic does: looks, writes the lock, waits, and looks again, so that of two who want it at once at most
 * one gets an exclusive one. Stale locks do not count and are removed. Throws `CONFLICT` that names who holds it, and `ABORTED`.
 */
export async function lockRepository(repository: OpenRepository, request: LockRequest, options: OperationOptions): Promise<HeldLock> {
  const clock = request.clock ?? systemLockClock
  const deadline = clock.now() + (request.waitMilliseconds ?? 0)
  for (let delay = 1000; ; delay = Math.min(delay * 2, 30_000)) {
    const held = await tryLock(repository, request.exclusive, clock, options)
    if (!('blockedBy' in held)) return held
    const left = deadline - clock.now()
    if (left <= 0) throw alreadyLocked(repository, held.blockedBy, request.exclusive)
    await clock.sleep(Math.min(delay, left), options.signal)
    throwIfAborted(options.signal, `waiting for the lock on ${repository.uploader.destination}`)
  }
}

async function tryLock(
  repository: OpenRepository,
  exclusive: boolean,
  clock: LockClock,
  options: OperationOptions,
): Promise<HeldLock | { readonly blockedBy: FoundLock }> {
  const before = await blockingLock(repository, exclusive, undefined, clock, options)
  if (before !== undefined) return { blockedBy: before }
  const { id, bytes } = await newLock(repository, exclusive, clock.now())
  try {
    await putObject(repository.uploader, objectKey('locks', id), bytes, id, options)
    await clock.sleep(settleMilliseconds, options.signal)
    const after = await blockingLock(repository, exclusive, id, clock, options)
    if (after === undefined) return new RefreshedLock(repository, id, exclusive, clock)
    await removeLock(repository, id)
    return { blockedBy: after }
  } catch (error) {
    // Kept, also where it could be removed: what was on its way may arrive later.
    letGoOf.add(id)
    await removeLock(repository, id).catch(() => undefined)
    throw error
  }
}

/** Somebody else's lock that ours does not go with; stale ones are cleared on the way. */
async function blockingLock(
  repository: OpenRepository,
  exclusive: boolean,
  own: StorageId | undefined,
  clock: LockClock,
  options: OperationOptions,
): Promise<FoundLock | undefined> {
  for (const lock of await findLocks(repository, options, clock)) {
    if (lock.id === own) continue
    if (lock.stale) await removeLock(repository, lock.id, options)
    else if (exclusive || lock.exclusive) return lock
  }
  return undefined
}

/** Every lock there is. One that vanishes while it is read is passed over; a damaged one counts as exclusive. */
export async function findLocks(
  repository: OpenRepository,
  options: OperationOptions,
  clock: LockClock = systemLockClock,
): Promise<FoundLock[]> {
  const locks: FoundLock[] = []
  for await (const { id } of listObjects(repository.uploader, 'locks', options)) {
    try {
      const lock = await readSealedJson(repository, 'locks', id, parseLock, options)
      locks.push({ ...lock, id, stale: letGoOf.has(id) || (await isStale(lock, clock.now())) })
    } catch (error) {
      if (!BackupError.is(error)) throw error
      if (error.code === 'NOT_FOUND') continue
      if (error.code !== 'CORRUPTED') throw error
      locks.push({ id, time: '', exclusive: true, hostname: '', username: '', pid: 0, stale: false, unreadable: true })
    }
  }
  return locks
}

/** Removes stale locks, or all of them; returns how many. Who removes all must know that nobody works on the repository. */
export async function removeLocks(repository: OpenRepository, which: 'stale' | 'all', options: OperationOptions): Promise<number> {
  let removed = 0
  for (const lock of await findLocks(repository, options)) {
    if (which === 'stale' && !lock.stale) continue
    await removeLock(repository, lock.id, options)
    removed++
  }
  return removed
}

/**
 * As restic decides it, but for locks of ours: hosts and containers may share a name, and a number says nothing of a process in another one of them. Of such a
 * process nobody says that it is dead.
 */
async function isStale({ time, hostname: host, pid, started }: LockRecord, now: number): Promise<boolean> {
  if (now - Date.parse(time) >= staleAfterMilliseconds) return true
  if (host !== hostname() || pid <= 0) return false
  if (started === undefined) return !isRunning(pid)
  return (await ownerState({ ...(await thisProcess()), pid, started })) === 'dead'
}

let own: Promise<ProcessOwner> | undefined

/** Asked for once: it does not change. */
function thisProcess(): Promise<ProcessOwner> {
  own ??= currentOwner()
  return own
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Named before it is written, so that it can be removed whatever becomes of the writing. */
async function newLock(
  { key }: OpenRepository,
  exclusive: boolean,
  now: number,
): Promise<{ readonly id: StorageId; readonly bytes: Uint8Array }> {
  const lock: LockRecord = {
    time: new Date(now).toISOString(),
    exclusive,
    hostname: hostname(),
    username: userName(),
    pid: process.pid,
    ...(process.getuid === undefined ? {} : { uid: process.getuid() }),
    ...(process.getgid === undefined ? {} : { gid: process.getgid() }),
    started: (await thisProcess()).started,
  }
  const bytes = seal(key, encodeUnpacked(JSON.stringify(lock)))
  return { id: storageIdOf(bytes), bytes }
}

async function removeLock(
  { uploader }: OpenRepository,
  id: StorageId,
  options: OperationOptions = { signal: AbortSignal.timeout(30_000) },
): Promise<void> {
  await uploader.remove(objectKey('locks', id), below(options))
}

class RefreshedLock implements HeldLock {
  readonly #repository: OpenRepository
  readonly #exclusive: boolean
  readonly #clock: LockClock
  readonly #lost = new AbortController()
  readonly #ended = new AbortController()
  readonly #stop: () => void
  /** Every lock of ours that may be in the store, the one that counts and what could not be removed yet. */
  readonly #written: Set<StorageId>
  /** Those of them that have arrived. What was on its way when it ended may do so later. */
  readonly #arrived: Set<StorageId>
  #id: StorageId
  #refreshedAt: number
  #refreshing: Promise<void> | undefined

  constructor(repository: OpenRepository, id: StorageId, exclusive: boolean, clock: LockClock) {
    this.#repository = repository
    this.#id = id
    this.#written = new Set([id])
    this.#arrived = new Set([id])
    this.#exclusive = exclusive
    this.#clock = clock
    this.#refreshedAt = clock.now()
    this.#stop = clock.every(lookEveryMilliseconds, () => this.#look())
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  async assertHeld(options: OperationOptions): Promise<void> {
    const { uploader } = this.#repository
    for (let asked: StorageId | undefined; asked !== this.#id; ) {
      await unlessAborted(this.#refreshing, options.signal, `looking for the lock on ${uploader.destination}`)
      this.#assertFresh()
      asked = this.#id
      // Not found, and another one by now: it was refreshed while it was asked for.
      if ((await uploader.stat(objectKey('locks', asked), below(options))) !== undefined) return this.#lost.signal.throwIfAborted()
    }
    this.#lose('somebody removed it')
    this.#lost.signal.throwIfAborted()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended.signal.aborted) return
    this.#stop()
    this.#ended.abort()
    await this.#refreshing
    for (const id of this.#written) letGoOf.add(id)
    const letGo = async (id: StorageId): Promise<void> => {
      await removeLock(this.#repository, id)
      if (this.#arrived.has(id)) letGoOf.delete(id)
    }
    await Promise.allSettled([...this.#written].map(letGo))
  }

  #look(): void {
    const age = this.#clock.now() - this.#refreshedAt
    if (age > lostAfterMilliseconds) this.#loseByAge(age)
    if (age < refreshEveryMilliseconds || this.#lost.signal.aborted || this.#refreshing !== undefined) return
    this.#refreshing = this.#refresh()
      // The next look tries again; the lock is lost when none succeeds in time.
      .catch(() => undefined)
      .finally(() => {
        this.#refreshing = undefined
      })
  }

  /** The new lock is written before the old one goes, so that there is no moment without. */
  async #refresh(): Promise<void> {
    const { uploader } = this.#repository
    const options = { signal: AbortSignal.any([this.#ended.signal, AbortSignal.timeout(refreshEveryMilliseconds)]) }
    const now = this.#clock.now()
    const { id, bytes } = await newLock(this.#repository, this.#exclusive, now)
    this.#written.add(id)
    await putObject(uploader, objectKey('locks', id), bytes, id, options)
    this.#arrived.add(id)
    // Without the old one, somebody else may have had the repository alone for a while: a new one would only hide that.
    if ((await uploader.stat(objectKey('locks', this.#id), below(options))) === undefined) return this.#lose('somebody removed it')
    this.#id = id
    this.#refreshedAt = now
    for (const old of this.#written) {
      if (old === id) continue
      await removeLock(this.#repository, old, options)
      this.#written.delete(old)
      this.#arrived.delete(old)
    }
  }

  #assertFresh(): void {
    const age = this.#clock.now() - this.#refreshedAt
    if (age > lostAfterMilliseconds) this.#loseByAge(age)
    this.#lost.signal.throwIfAborted()
  }

  #loseByAge(milliseconds: number): void {
    this.#lose(`it could not be refreshed for ${Math.round(milliseconds / 60_000)} minutes`)
  }

  #lose(reason: string): void {
    if (this.#lost.signal.aborted) return
    this.#lost.abort(
      new BackupError(`the lock on ${this.#repository.uploader.destination} is lost: ${reason}`, {
        code: 'CONFLICT',
        retryable: true,
        hint: 'Others may have changed the repository meanwhile, so nothing was committed. Run again; what was sent is found and not sent twice.',
      }),
    )
  }
}

/** Waits for something that never rejects, unless it is aborted before. */
async function unlessAborted(settling: Promise<void> | undefined, signal: AbortSignal | undefined, during: string): Promise<void> {
  throwIfAborted(signal, during)
  if (settling === undefined || signal === undefined) return settling
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(abortError(signal, during))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.race([settling, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function alreadyLocked(
  { uploader }: OpenRepository,
  { hostname: host, username, pid, time, exclusive, unreadable = false }: FoundLock,
  wanted: boolean,
): BackupError {
  const holder = unreadable
    ? 'an unreadable lock'
    : `${username === '' ? '' : `${username} on `}${host}${pid > 0 ? `, process ${pid}` : ''}${time === '' ? '' : `, since ${time}`}`
  return new BackupError(
    `${uploader.destination} is locked ${exclusive ? 'exclusively ' : ''}by ${holder}${wanted && !exclusive ? ', and has to be ours alone for this' : ''}`,
    {
      code: 'CONFLICT',
      retryable: true,
      hint: unreadable
        ? 'Nobody can tell whose it is, and it does not end by itself. Once you are sure that nobody works on the repository, remove all locks with: backup-planet unlock --all.'
        : 'Wait until that process has ended. If it has been killed, its lock ends by itself after 30 minutes; backup-planet unlock --all removes it before, once you are sure that nobody works on the repository.',
    },
  )
}
