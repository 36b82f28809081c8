import { isSpan, type Reach } from './chain-reach.ts'
import type { Place } from './position-places.ts'

/** States that hang together: every position between two of them can be restored. */
export interface Stretch {
  readonly parts: readonly Part[]
}

interface Part {
  readonly line: string
  readonly low: number
  high: number
}

export interface Stretches {
  /** In the order of their places where these compare. */
  readonly all: readonly Stretch[]
  /** The one that a place lies in. */
  at(place: Place): Stretch | undefined
}

/** Of whole backups only. Where positions do not compare, those of one chain that follow each other exactly hang together as well. */
export function stretchesOf(reach: Reach): Stretches {
  const parts = new Map<string, Part[]>()
  const covered = new Map<string, { readonly low: number; readonly high: number }[]>()
  const cover = (line: string, low: number, high: number) => {
    const there = covered.get(line)
    if (there === undefined) covered.set(line, [{ low, high }])
    else there.push({ low, high })
  }
  for (const line of new Set(reach.links.flatMap(({ to }) => (to === undefined ? [] : [reach.places.of(to).line])))) {
    for (const rank of reach.statesOf(line)) cover(line, rank, rank)
  }
  for (const log of reach.logs) {
    const entry = log.link.whole && isSpan(log) ? reach.entryOf(log) : undefined
    if (entry !== undefined) cover(entry.line, entry.rank, log.to.rank)
  }
  for (const [line, ranges] of covered) parts.set(line, partsOf(line, ranges))
  const partAt = ({ line, rank }: Place) => {
    const candidates = parts.get(line) ?? []
    let low = 0
    let high = candidates.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((candidates[middle] as Part).high < rank) low = middle + 1
      else high = middle
    }
    const found = candidates[low]
    return found !== undefined && found.low <= rank ? found : undefined
  }
  const joined = new Joined<Part>()
  for (const log of reach.logs) {
    if (!log.link.whole || log.from.line === log.to.line || log.link.from?.chain !== log.link.to?.chain) continue
    if (reach.entryOf(log) === undefined) continue
    const [before, after] = [partAt(log.from), partAt(log.to)]
    if (before !== undefined && after !== undefined) joined.join(before, after)
  }
  const all = Map.groupBy([...parts.values()].flat(), (part) => joined.root(part))
  const stretches = new Map([...all].map(([root, together]) => [root, { parts: together }]))
  return {
    all: [...stretches.values()],
    at(place) {
      const part = partAt(place)
      return part && stretches.get(joined.root(part))
    },
  }
}

function partsOf(line: string, ranges: readonly { readonly low: number; readonly high: number }[]): Part[] {
  const parts: Part[] = []
  for (const { low, high } of ranges.toSorted((a, b) => a.low - b.low)) {
    const last = parts.at(-1)
    if (last === undefined || low > last.high) parts.push({ line, low, high })
    else last.high = Math.max(last.high, high)
  }
  return parts
}

/** Sets that grow together. */
class Joined<Element> {
  readonly #above = new Map<Element, Element>()

  root(element: Element): Element {
    let top = element
    for (let above = this.#above.get(top); above !== undefined; above = this.#above.get(top)) top = above
    for (let at = element; at !== top; ) {
      const above = this.#above.get(at) as Element
      this.#above.set(at, top)
      at = above
    }
    return top
  }

  join(a: Element, b: Element): void {
    const [above, below] = [this.root(a), this.root(b)]
    if (above !== below) this.#above.set(below, above)
  }
}
