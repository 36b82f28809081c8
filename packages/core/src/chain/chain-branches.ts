import type { ChainHistory } from './chain-history.ts'
import { type ChainLink, linksOf, oldestFirst } from './chain-link.ts'
import type { Reach } from './chain-reach.ts'
import { historyNumber } from './server-histories.ts'

/** The name for backups without a position, each of which stands for itself. */
export const noChain = ''

export function chainOf({ to }: ChainLink): string {
  return to?.chain ?? noChain
}

/** The names of the chains of which there are backups, the newest first. */
export function chainNames(history: ChainHistory): string[] {
  return namesWithin({ links: linksOf(history) })
}

export function namesWithin(reach: Pick<Reach, 'links'>): string[] {
  return chainsNewestFirst(reach).filter((name) => name !== noChain)
}

/**
 * The chains of a job, the newest first: one that continues another is newer than it, whatever the clocks said; else the one whose last
 * backup is newer.
 */
export function chainsNewestFirst({ links }: Pick<Reach, 'links'>): string[] {
  const last = new Map<string, number>()
  for (const link of links.toSorted(oldestFirst)) last.set(chainOf(link), Date.parse(link.backup.endedAt))
  const names = [...last.keys()]
  const continues = (younger: string, older: string) =>
    links.some(({ kind, from, to }) => kind === 'log' && from?.chain === older && to?.chain === younger) ||
    (historyNumber(younger, older) ?? 1) > 1 ||
    successors(younger, older)
  const pairs = names.flatMap((older) =>
    names.flatMap((younger) => (younger !== older && continues(younger, older) ? [{ older, younger }] : [])),
  )
  // Once for each chain is enough where they follow each other, and ends where positions claim that they go round.
  for (let round = 0; round < names.length && pairs.length > 0; round++) {
    for (const { older, younger } of pairs) last.set(younger, Math.max(last.get(younger) as number, (last.get(older) as number) + 1))
  }
  return names.sort((a, b) => (last.get(b) as number) - (last.get(a) as number) || (a < b ? -1 : 1))
}

/** Two later histories of one server. */
function successors(younger: string, older: string): boolean {
  const [, identity] = /^(.*)~\d+$/s.exec(older) ?? []
  if (identity === undefined) return false
  return (historyNumber(younger, identity) ?? 0) > (historyNumber(older, identity) ?? Number.POSITIVE_INFINITY)
}
