import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { encodeSegment } from '../naming/path-segment.ts'

/** A process, told apart from every other on every host and from a later one with the same number. */
export interface ProcessOwner {
  readonly host: string
  readonly pid: number
  /** Boot and moment of start on Linux; `unknown` where the platform does not say. */
  readonly started: string
}

export async function currentOwner(): Promise<ProcessOwner> {
  return { host: encodeSegment(hostname()), pid: process.pid, started: (await startOf(process.pid)) ?? 'unknown' }
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

/** Whether the process still runs; `unknown` for one of another host. */
export async function ownerState(owner: ProcessOwner): Promise<'alive' | 'dead' | 'unknown'> {
  if (owner.host !== encodeSegment(hostname())) return 'unknown'
  if (!exists(owner.pid)) return 'dead'
  const started = await startOf(owner.pid)
  if (started === undefined || owner.started === 'unknown') return 'alive'
  return started === owner.started ? 'alive' : 'dead'
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
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
