import { randomBytes } from 'node:crypto'
import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { encodeSegment } from '../naming/path-segment.ts'

/** A process, told apart from every other on every host and from a later one with the same number. */
export interface ProcessOwner {
  readonly host: string
  readonly pid: number
  /**
   * On Linux `<boot>.<ticks>.<namespace>`: the boot, the moment of start in it, and the PID namespace in which `pid` is its number. Earlier releases wrote no
   * namespace. `unknown` where the platform does not say.
   */
  readonly started: string
}

export async function currentOwner(): Promise<ProcessOwner> {
  return { host: encodeSegment(hostname()), pid: process.pid, started: await ownStart() }
}

/** `<prefix>~<host>~<pid>~<started>~<random>`: the name says it all, so that a file or folder carrying it is complete once it exists. */
export function ownedName(prefix: string, owner: ProcessOwner): string {
  return `${prefix}~${owner.host}~${owner.pid}~${owner.started}~${randomBytes(6).toString('hex')}`
}

/** The owner in a name written by `ownedName`; `undefined` for every other text. */
export function ownerInName(prefix: string, name: string): ProcessOwner | undefined {
  if (!name.startsWith(`${prefix}~`)) return undefined
  const match = /^(.+)~(\d+)~([a-z0-9.]+)~[0-9a-f]{12}$/.exec(name.slice(prefix.length + 1))
  const [host, pid, started] = [match?.[1], match?.[2], match?.[3]]
  return host === undefined || pid === undefined || started === undefined ? undefined : { host, pid: Number(pid), started }
}

export function isSameOwner(one: ProcessOwner, other: ProcessOwner): boolean {
  return one.host === other.host && one.pid === other.pid && one.started === other.started
}

/**
 * Whether the process still runs. `unknown` for one that cannot be asked for here: of another host, and, since hosts and containers may share a name, of another
 * boot or PID namespace. Of those only what they write tells whether they live. Where the platform knows neither boots nor namespaces the name of the host decides.
 */
export async function ownerState(owner: ProcessOwner): Promise<'alive' | 'dead' | 'unknown'> {
  if (owner.host !== encodeSegment(hostname())) return 'unknown'
  const own = await ownStart()
  if (own === 'unknown' && owner.started === 'unknown') return exists(owner.pid) ? 'alive' : 'dead'
  const [boot, , namespace] = own.split('.')
  const [itsBoot, itsTicks, itsNamespace] = owner.started.split('.')
  if (itsBoot !== boot || (itsNamespace !== undefined && itsNamespace !== namespace)) return 'unknown'
  const isThere = exists(owner.pid)
  const start = isThere ? await startOf(owner.pid) : undefined
  if (start === `${itsBoot}.${itsTicks}`) return 'alive'
  // An earlier release did not say by which namespace the number is.
  if (itsNamespace === undefined) return 'unknown'
  // Of one that is there and does not say since when, it is not known that it is another.
  return isThere && start === undefined ? 'alive' : 'dead'
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function ownStart(): Promise<string> {
  const [start, namespace] = await Promise.all([startOf(process.pid), ownNamespace()])
  if (start === undefined) return 'unknown'
  return namespace === undefined ? start : `${start}.${namespace}`
}

/** Field 22 of /proc/<pid>/stat (proc_pid_stat(5)), with the identity of the boot it counts from. */
async function startOf(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined
  try {
    const [text, boot] = await Promise.all([readFile(`/proc/${pid}/stat`, 'utf8'), readFile('/proc/sys/kernel/random/boot_id', 'utf8')])
    const ticks = text.slice(text.lastIndexOf(')') + 2).split(' ')[19]
    return ticks === undefined ? undefined : `${boot.replaceAll('-', '').slice(0, 8)}.${ticks}`
  } catch {
    return undefined
  }
}

/** The number in `pid:[4026531836]`, by which the kernel names the PID namespace (pid_namespaces(7), namespaces(7)). */
async function ownNamespace(): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined
  const target = await readlink('/proc/self/ns/pid').catch(() => '')
  return /^pid:\[(\d+)\]$/.exec(target)?.[1]
}
