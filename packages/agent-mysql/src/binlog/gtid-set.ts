/** Inclusive on both ends. */
export type GtidInterval = readonly [first: bigint, last: bigint]

/**
 * A set of MySQL GTIDs: `uuid` or `uuid:tag` in lower case → intervals, ascending, neither touching nor overlapping, at least one.
 * Source: MySQL 8.4 "GTID Format and Storage", with the tags of 8.3.
 */
export type GtidSet = ReadonlyMap<string, readonly GtidInterval[]>
export type MutableGtidSet = Map<string, [first: bigint, last: bigint][]>

const uuidPattern = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/
const tagPattern = /^[a-z_][a-z0-9_]{0,31}$/
const intervalPattern = /^(\d{1,19})(?:-(\d{1,19}))?$/
/** The largest number of a transaction is one less than the largest signed 64-bit number. */
const largestNumber = 2n ** 63n - 2n

/** `uuid:1-5:7,uuid:tag:1` with any space between; `undefined` for what is no such set. The empty text is the empty set. */
export function parseGtidSet(text: string): MutableGtidSet | undefined {
  const set: MutableGtidSet = new Map()
  for (const part of text.toLowerCase().split(',')) {
    const fields = part.split(':').map((field) => field.trim())
    const [uuid = '', ...rest] = fields
    if (uuid === '' && rest.length === 0) continue
    if (!uuidPattern.test(uuid) || rest.length === 0 || !addFields(set, canonicalUuid(uuid), rest)) return undefined
  }
  return set
}

function canonicalUuid(uuid: string): string {
  const digits = uuid.replaceAll('-', '')
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}`
}

/** A tag is of all intervals up to the next one. */
function addFields(set: MutableGtidSet, uuid: string, fields: readonly string[]): boolean {
  let key = uuid
  let tagged = false
  for (const field of fields) {
    const interval = intervalPattern.exec(field)
    if (interval !== null) {
      const first = BigInt(interval[1] ?? '')
      const last = interval[2] === undefined ? first : BigInt(interval[2])
      if (first < 1n || last > largestNumber) return false
      if (first <= last) addInterval(set, key, first, last)
      tagged = false
    } else if (tagPattern.test(field) && !tagged) {
      key = `${uuid}:${field}`
      tagged = true
    } else return false
  }
  return !tagged
}

/** Adds to the set in place; cheap where the numbers come in their order. @param key `uuid` or `uuid:tag`, lower case */
export function addInterval(set: MutableGtidSet, key: string, first: bigint, last: bigint): void {
  const intervals = set.get(key)
  if (intervals === undefined) {
    set.set(key, [[first, last]])
    return
  }
  // Everything from `at` on begins later; what comes before it may still touch the new one.
  let at = intervals.length
  for (let before = intervals[at - 1]; before !== undefined && before[0] > first; before = intervals[at - 1]) at--
  const before = intervals[at - 1]
  if (before !== undefined && before[1] + 1n >= first) at--
  let [low, high] = [first, last]
  let end = at
  for (let next = intervals[end]; next !== undefined && next[0] <= high + 1n; next = intervals[end]) {
    if (next[0] < low) low = next[0]
    if (next[1] > high) high = next[1]
    end++
  }
  const [only] = end - at === 1 ? [intervals[at]] : []
  if (only === undefined) intervals.splice(at, end - at, [low, high])
  else [only[0], only[1]] = [low, high]
}

/** As MySQL prints it, on one line: servers in the order of their UUIDs, each with what is untagged, then its tags in theirs. */
export function printGtidSet(set: GtidSet): string {
  let text = ''
  let server = ''
  for (const [key, intervals] of [...set].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const uuid = key.slice(0, 36)
    if (uuid === server) text += key.slice(36)
    else text += `${text === '' ? '' : ','}${key}`
    server = uuid
    for (const [first, last] of intervals) text += first === last ? `:${first}` : `:${first}-${last}`
  }
  return text
}

export function unionOfGtidSets(a: GtidSet, b: GtidSet): MutableGtidSet {
  const union: MutableGtidSet = new Map()
  for (const set of [a, b]) {
    for (const [key, intervals] of set) for (const [first, last] of intervals) addInterval(union, key, first, last)
  }
  return union
}

/** Whether every transaction of `part` is in `whole`. */
export function containsGtidSet(whole: GtidSet, part: GtidSet): boolean {
  for (const [key, intervals] of part) {
    const within = whole.get(key)
    if (within === undefined) return false
    let at = 0
    for (const [first, last] of intervals) {
      for (let candidate = within[at]; candidate !== undefined && candidate[1] < first; candidate = within[at]) at++
      const candidate = within[at]
      if (candidate === undefined || candidate[0] > first || candidate[1] < last) return false
    }
  }
  return true
}

/** 0 for equal sets, -1 where `a` is a part of `b`, 1 where `b` is a part of `a`, `undefined` where each has what the other lacks. */
export function compareGtidSets(a: GtidSet, b: GtidSet): -1 | 0 | 1 | undefined {
  const aInB = containsGtidSet(b, a)
  const bInA = containsGtidSet(a, b)
  if (aInB) return bInA ? 0 : -1
  return bInA ? 1 : undefined
}
