import { leaseKeyPrefix, type OperationOptions, type RemoteObject, type Reopenable, type Uploader } from '../contracts/index.ts'
import { throwIfAborted } from '../errors/backup-error.ts'
import { encodeSegment } from '../naming/path-segment.ts'
import { isSameOwner, ownedName, ownerInName, ownerState, type ProcessOwner } from '../staging/process-owner.ts'

const namePrefix = 'lease'

export interface Rival {
  readonly key: string
  readonly owner: ProcessOwner
}

/** Printable. */
export function nameOf(rival: Rival | undefined): string {
  return rival === undefined ? 'another process' : `process ${rival.owner.pid} on host ${rival.owner.host}`
}

/**
 * When which state of the leases of others was seen first, by the monotonic clock of who looks; and which were given back here and could not be removed:
 * `free` where the next lease of this process may be stored there.
 */
export type LeaseObservations = Map<string, { readonly state: string; readonly since: number } | 'given back' | 'free'>

export function leaseFolder(job: string): string {
  return `${leaseKeyPrefix}${encodeSegment(job)}/`
}

/** The key says all there is to know, so that listing is enough. */
export function leaseKey(job: string, owner: ProcessOwner): string {
  return leaseFolder(job) + ownedName(namePrefix, owner)
}

/** One that this process has given back and may store again, which nobody else in it takes then; a new one where there is none. */
export function freeLeaseKey(job: string, owner: ProcessOwner, observed: LeaseObservations): string {
  for (const [key, known] of observed) {
    const its = known === 'free' ? ownerOf(key, job) : undefined
    if (its === undefined || !isSameOwner(its, owner)) continue
    observed.delete(key)
    return key
  }
  return leaseKey(job, owner)
}

function ownerOf(key: string, job: string): ProcessOwner | undefined {
  const folder = leaseFolder(job)
  return key.startsWith(folder) ? ownerInName(namePrefix, key.slice(folder.length)) : undefined
}

/** Stored in place of a lease that was given back and could not be removed. Anybody may remove it. */
export const givenBackMark = contentOf('')
/** The same of one whose key its process stores again for its next lease: who removed it might remove that one. */
export const reusedMark = contentOf('-')
const longestMark = 1

/** What a heartbeat stores. Its size changes with each, for stores whose clocks show whole seconds and that know no hash. */
export function heartbeat(owner: ProcessOwner, beat: number): Reopenable {
  return contentOf(`${JSON.stringify({ host: owner.host, pid: owner.pid, beat })}${' '.repeat(beat % 7)}\n`)
}

function contentOf(text: string): Reopenable {
  const bytes = Buffer.from(text)
  return {
    size: bytes.length,
    async *open() {
      if (bytes.length > 0) yield Uint8Array.from(bytes)
    },
  }
}

export interface LookForRivals {
  readonly uploader: Uploader
  readonly job: string
  /** Not rivals. */
  readonly own: ReadonlySet<string>
  readonly observed: LeaseObservations
  readonly staleMilliseconds: number
  readonly monotonic: () => number
}

/**
 * The leases of others that may be held now. One is not, and is removed, when it is marked as given back, when its process was one of this boot and container and is gone, or when nothing of it has changed
 * for so long: by the own clock from the moment it was seen first, so that nobody's clock needs to agree with another.
 */
export async function findRivals(look: LookForRivals, options: OperationOptions): Promise<readonly Rival[]> {
  const { uploader, job, own, observed, staleMilliseconds, monotonic } = look
  const folder = leaseFolder(job)
  const began = monotonic()
  const listed: RemoteObject[] = []
  for await (const object of uploader.list(folder, options)) listed.push(object)
  for (const key of observed.keys()) if (key.startsWith(folder) && !listed.some((object) => object.key === key)) observed.delete(key)
  const rivals: Rival[] = []
  let removes = true
  for (const object of listed) {
    const owner = ownerOf(object.key, job)
    if (owner === undefined || own.has(object.key)) continue
    const state = `${object.modifiedAt} ${object.size} ${object.sha256 ?? ''}`
    const known = observed.get(object.key)
    const isKept = known === 'given back' || known === 'free'
    if (!isKept && known?.state !== state) observed.set(object.key, { state, since: monotonic() })
    const isStale = object.size <= longestMark || isKept || (known?.state === state && began - known.since >= staleMilliseconds)
    const isDead = (await ownerState(owner)) === 'dead'
    if (isStale || isDead) {
      const isReused = object.size === longestMark && !isDead
      if (removes && !isReused) removes = await removeStale(uploader, object.key, options)
    } else rivals.push({ key: object.key, owner })
  }
  return rivals
}

/** Whether it is gone. Where nothing may be removed, it stays what it is, and the others are not tried. */
async function removeStale(uploader: Uploader, key: string, options: OperationOptions): Promise<boolean> {
  try {
    await uploader.remove(key, options)
    return true
  } catch {
    throwIfAborted(options.signal, `removal of ${key}`)
    return false
  }
}
