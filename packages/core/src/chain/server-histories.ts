/**
 * A server can go back in its own history without telling: a virtual machine is set back to a snapshot, data files are copied back. Its
 * identity stays, and the same positions come again with other content. Then a new history of it begins, named `<identity>~2`, `~3` …, so
 * that within one `Position.chain` a position never means two things.
 */
export function historyName(identity: string, number: number): string {
  return number <= 1 ? identity : `${identity}~${number}`
}

/** Which history of this server a chain is, from 1; `undefined` for one of another server. */
export function historyNumber(chain: string, identity: string): number | undefined {
  if (chain === identity) return 1
  const number = chain.startsWith(`${identity}~`) ? chain.slice(identity.length + 1) : ''
  return /^([2-9]|[1-9]\d{1,8})$/.test(number) ? Number(number) : undefined
}

/** The newest history of this server of which there is a backup; the first where there is none. */
export function newestHistory(chains: Iterable<string>, identity: string): number {
  let newest = 1
  for (const chain of chains) newest = Math.max(newest, historyNumber(chain, identity) ?? 1)
  return newest
}
