import { chainOf, chainsNewestFirst } from '../chain/chain-branches.ts'
import type { ChainLink } from '../chain/chain-link.ts'

/** What says how the histories of which something is kept follow each other, where what is kept would say otherwise; else nothing. */
export function decisiveForHistories(links: readonly ChainLink[], kept: { has(id: string): boolean }): readonly ChainLink[] {
  const left = links.filter(({ id }) => kept.has(id))
  const names = new Set(left.map(chainOf))
  if (names.size < 2) return []
  const before = chainsNewestFirst({ links }).filter((name) => names.has(name))
  const after = chainsNewestFirst({ links: left })
  if (before.every((name, at) => name === after[at])) return []
  const newest = new Map(links.map((link) => [chainOf(link), link]))
  const crossing = links.filter(({ kind, from, to }) => kind === 'log' && from !== undefined && to !== undefined && from.chain !== to.chain)
  return [...[...newest].flatMap(([name, link]) => (names.has(name) ? [link] : [])), ...crossing]
}
