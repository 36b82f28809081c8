import type { PackUsage } from './pack-usage.ts'

export interface PrunePolicy {
  /** How much of what is kept may be unused, from 0 to 1; at 1 nothing is written anew. */
  readonly maxUnusedShare: number
  /** Packs below this are merged. */
  readonly smallBytes: number
}

export interface PrunePlan {
  /** Nothing of them is used. */
  readonly remove: readonly PackUsage[]
  /** What is used of them is to be written anew, before they are removed. */
  readonly repack: readonly PackUsage[]
  readonly keep: readonly PackUsage[]
}

/** A pack of many tiny blobs never becomes large, however often it is merged. */
const manyBlobs = 5000

/** What shall become of each pack. Young ones stay as they are. Does nothing twice: what it leads to, it leaves alone. */
export function planPrune(packs: readonly PackUsage[], policy: PrunePolicy): PrunePlan {
  const remove = packs.filter(({ young, usedBytes }) => !young && usedBytes === 0)
  const used = packs.filter(({ young, usedBytes }) => !young && usedBytes > 0)
  const wasteful = mostWasteful(used, policy.maxUnusedShare)
  const repack = [...wasteful, ...(policy.maxUnusedShare < 1 ? smallOnes(used, wasteful, policy.smallBytes) : [])]
  const gone = new Set([...remove, ...repack])
  return { remove, repack, keep: packs.filter((pack) => !gone.has(pack)) }
}

/** The worst, until what is left of unused bytes is within the share. */
function mostWasteful(packs: readonly PackUsage[], maxUnusedShare: number): PackUsage[] {
  if (maxUnusedShare >= 1) return []
  const usedBytes = packs.reduce((sum, pack) => sum + pack.usedBytes, 0)
  let unusedBytes = packs.reduce((sum, pack) => sum + pack.unusedBytes, 0)
  const worstFirst = packs.filter((pack) => pack.unusedBytes > 0).sort((left, right) => unusedShare(right) - unusedShare(left))
  const repack: PackUsage[] = []
  for (const pack of worstFirst) {
    if (unusedBytes <= maxUnusedShare * (usedBytes + unusedBytes)) break
    repack.push(pack)
    unusedBytes -= pack.unusedBytes
  }
  return repack
}

/** Alone a small pack stays, unless others of its type are written anyway. */
function smallOnes(packs: readonly PackUsage[], repacked: readonly PackUsage[], smallBytes: number): PackUsage[] {
  const already = new Set(repacked)
  const small = packs.filter((pack) => !already.has(pack) && pack.size < smallBytes && pack.blobs < manyBlobs)
  return [...Map.groupBy(small, ({ type }) => type)]
    .filter(([type, ones]) => ones.length > 1 || repacked.some((pack) => pack.type === type))
    .flatMap(([, ones]) => ones)
}

function unusedShare({ usedBytes, unusedBytes }: PackUsage): number {
  return unusedBytes / (usedBytes + unusedBytes)
}
