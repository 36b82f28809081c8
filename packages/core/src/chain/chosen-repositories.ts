import type { ChainLink } from './chain-link.ts'

/** Where each backup is read: all from one repository if one has them all, the preferred first; else each from the preferred that has it. */
export function chooseRepositories(links: readonly ChainLink[], preferred: readonly string[]): string[] {
  const single = preferred.find((repository) => links.every(({ repositories }) => repositories.includes(repository)))
  return links.map(({ repositories }) => single ?? preferred.find((repository) => repositories.includes(repository)) ?? '')
}
