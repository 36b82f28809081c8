import type { OperationOptions, RemoteObject, Reopenable, Uploader } from '../contracts/index.ts'
import { throwIfAborted } from '../errors/backup-error.ts'
import { encodeSegment } from '../naming/path-segment.ts'
import { ownedName, ownerInName, ownerState, type ProcessOwner } from '../staging/process-owner.ts'

/** Before the keys of leases. As with {@link checkKeyPrefix}, no repository keeps anything there. */
export const leaseKeyPrefix = '.backup-planet-leases/'

const namePrefix = 'lease'

export interface Rival {
  readonly key: string
  readonly owner: ProcessOwner
}

/** Printable. */
export function nameOf(rival: Rival | undefined): string {
  return rival === undefined ? 'another process' : `process ${rival.owner.pid} on host ${rival.owner.host}`
}

/** When which state of the leases of others was seen first, by the monotonic clock of who looks; and which were given back here and could not be removed. */
export type LeaseObservations = Map<string, { readonly state: string; readonly since: number } | 'given back'>

export function leaseFolder(job: string): string {
  return `${leaseKeyPrefix}${encodeSegment(job)}/`
}

/** The key says all there is to know, so that listing is enough. */
export function leaseKey(job: string, owner: ProcessOwner): string {
  return leaseFolder(job) + ownedName(namePrefix, owner)
}

/** What a heartbeat stores. Its size changes with each, for stores whose clocks show whole seconds and that know no hash. */
export function heartbeat(owner: ProcessOwner, beat: number): Reopenable {
  const bytes = Buffer.from(`${JSON.stringify({ host: owner.host, pid: owner.pid, beat })}${' '.repeat(beat % 7)}\n`)
  return {
    size: bytes.length,
    async *open() {
      yield bytes
    },
  }
}

export interface LookForRivals {
  readonly uploader: Uploader
  readonly job: string
  /** Not a rival. */
  readonly own: string | undefined
  readonly observed: LeaseObservations
  readonly staleMilliseconds: number
  readonly monotonic: () => number
}

/**
 * The leases of others that may be held now. One is not, and is removed, when its process was one of this boot and container and is gone, or when nothing of it has changed
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
  for (const object of listed) {
    const owner = ownerInName(namePrefix, object.key.slice(folder.length))
    if (owner === undefined || object.key === own) continue
    const state = `${object.modifiedAt} ${object.size} ${object.sha256 ?? ''}`
    const known = observed.get(object.key)
    if (known !== 'given back' && known?.state !== state) observed.set(object.key, { state, since: monotonic() })
    const stale = known === 'given back' || (known?.state === state && began - known.since >= staleMilliseconds)
    if (stale || (await ownerState(owner)) === 'dead') await removeStale(uploader, object.key, options)
    else rivals.push({ key: object.key, owner })
  }
  return rivals
}

/** Where nothing may be removed, it stays what it is. */
async function removeStale(uploader: Uploader, key: string, options: OperationOptions): Promise<void> {
  try {
    await uploader.remove(key, options)
  } catch {
    throwIfAborted(options.signal, `removal of ${key}`)
  }
}
