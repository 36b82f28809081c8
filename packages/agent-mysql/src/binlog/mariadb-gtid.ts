/** A MariaDB GTID, `domain-server-sequence`. Source: MariaDB "Global Transaction ID". */
export interface MariadbGtid {
  readonly domain: number
  readonly server: number
  readonly sequence: bigint
}

/** A state of a server as `@@gtid_binlog_pos` says it: domain → the last transaction there. */
export type MariadbGtidList = ReadonlyMap<number, MariadbGtid>
export type MutableMariadbGtidList = Map<number, MariadbGtid>

const pattern = /^(\d{1,10})-(\d{1,10})-(\d{1,20})$/
const largest32 = 2 ** 32 - 1
const largest64 = 2n ** 64n - 1n

/** `0-1-100`; `undefined` for what is none. */
export function parseMariadbGtid(text: string): MariadbGtid | undefined {
  const [, domain, server, digits] = pattern.exec(text.trim()) ?? []
  if (digits === undefined) return undefined
  const gtid = { domain: Number(domain), server: Number(server), sequence: BigInt(digits) }
  return gtid.domain > largest32 || gtid.server > largest32 || gtid.sequence > largest64 ? undefined : gtid
}

/** `0-1-100,5-2-7`; `undefined` for what is no list, as one with a domain twice. The empty text is the empty list. */
export function parseMariadbGtidList(text: string): MutableMariadbGtidList | undefined {
  const list: MutableMariadbGtidList = new Map()
  if (text.trim() === '') return list
  for (const part of text.split(',')) {
    const gtid = parseMariadbGtid(part)
    if (gtid === undefined || list.has(gtid.domain)) return undefined
    list.set(gtid.domain, gtid)
  }
  return list
}

export function printMariadbGtid({ domain, server, sequence }: MariadbGtid): string {
  return `${domain}-${server}-${sequence}`
}

/** In the order of the domains. */
export function printMariadbGtidList(list: MariadbGtidList): string {
  return [...list.values()]
    .toSorted((a, b) => a.domain - b.domain)
    .map(printMariadbGtid)
    .join(',')
}

/** Whether a server in the state `whole` has applied all that one in the state `part` has. A domain is told by its sequence numbers, whatever server wrote. */
export function containsMariadbGtidList(whole: MariadbGtidList, part: MariadbGtidList): boolean {
  for (const [domain, gtid] of part) {
    const reached = whole.get(domain)
    if (reached === undefined || reached.sequence < gtid.sequence) return false
  }
  return true
}

/** The later of both in each domain. */
export function unionOfMariadbGtidLists(a: MariadbGtidList, b: MariadbGtidList): MutableMariadbGtidList {
  const union = new Map(a)
  for (const [domain, gtid] of b) {
    const other = union.get(domain)
    if (other === undefined || other.sequence < gtid.sequence) union.set(domain, gtid)
  }
  return union
}

/**
 * 0 for the same state, -1 where `a` is before `b` in some domain and after it in none, 1 the other way round, `undefined` where each is ahead
 * somewhere, or the same number was given by two servers.
 */
export function compareMariadbGtidLists(a: MariadbGtidList, b: MariadbGtidList): -1 | 0 | 1 | undefined {
  for (const [domain, gtid] of a) {
    const other = b.get(domain)
    if (other !== undefined && other.sequence === gtid.sequence && other.server !== gtid.server) return undefined
  }
  const aInB = containsMariadbGtidList(b, a)
  const bInA = containsMariadbGtidList(a, b)
  if (aInB) return bInA ? 0 : -1
  return bInA ? 1 : undefined
}
