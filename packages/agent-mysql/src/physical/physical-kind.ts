import type { Backup, CaptureKind, NextCapture, Position } from '@backup-planet/core'
import { versionNumbers } from '../mysql-server.ts'
import { type InstanceFacts, instanceFacts } from './physical-layout.ts'

/** What a server says of itself now, as far as its pages depend on it. */
export interface PhysicalState {
  readonly version: string
  readonly logBin: boolean
  /** Log sequence number, a decimal. */
  readonly lsn: string
  /** Identity of its data directory. */
  readonly datadir: string
}

export interface PhysicalKind {
  readonly kind: CaptureKind
  /** What the position of the new backup carries as its chain. */
  readonly chain: string
  /** Of a differential: what it is put over. */
  readonly base?: { readonly id: string; readonly from: Position; readonly lsn: string }
  /** Why it is a full, where another kind was wanted. */
  readonly reason?: string
}

/**
 * What follows: positions decide first, as the core has found in `next`, and pages must be comparable besides. A tool that is given the LSN of another history copies nothing of it and says
 * that all is well, so it is never asked to.
 */
export function nextPhysicalKind(wanted: CaptureKind, next: NextCapture, backups: readonly Backup[], server: PhysicalState): PhysicalKind {
  const { chain } = next
  const full = (reason: string): PhysicalKind => ({ kind: 'full', chain, reason })
  if (wanted === 'full') return { kind: 'full', chain }
  if (!server.logBin) return full('the server writes no binlog, so that nothing says which of its backups follows which')
  if (next.kind !== 'differential' || next.from === undefined) return full(next.reason?.message ?? 'there is nothing to build on')
  const base = backups.find(({ id }) => id === next.follows)
  const facts = base === undefined ? undefined : instanceFacts(base)
  if (base === undefined || facts === undefined)
    return full(`the full backup ${next.follows} is not physical, and has no pages to build on`)
  const difference = differenceOf(base, facts, server)
  return difference === undefined
    ? { kind: 'differential', chain, base: { id: base.id, from: next.from, lsn: facts.toLsn } }
    : full(difference)
}

function differenceOf(base: Backup, facts: InstanceFacts, server: PhysicalState): string | undefined {
  const [major, minor] = versionNumbers(server.version)
  const [baseMajor, baseMinor] = versionNumbers(base.source.version)
  if (major !== baseMajor || minor !== baseMinor) {
    return `backup ${base.id} is of version ${base.source.version} and the server is ${server.version} now`
  }
  if (facts.datadir !== server.datadir)
    return `the data directory is another one than in backup ${base.id}: it was restored, copied or made anew`
  if (BigInt(facts.lastLsn) > BigInt(server.lsn)) {
    return `backup ${base.id} reaches to LSN ${facts.lastLsn} and the server is only at ${server.lsn}: its data were set back`
  }
  return undefined
}
