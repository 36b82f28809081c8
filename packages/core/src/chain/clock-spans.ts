/** In milliseconds, both ends included. */
export interface ClockSpan {
  readonly from: number
  readonly to: number
}

export function spanHolds({ from, to }: ClockSpan, moment: number): boolean {
  return from <= moment && moment <= to
}

/** The same moments in as few spans as possible, ascending. */
export function mergedSpans(spans: readonly ClockSpan[]): ClockSpan[] {
  const merged: ClockSpan[] = []
  for (const { from, to } of spans.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1)
    if (last === undefined || from > last.to) merged.push({ from, to })
    else merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, to) }
  }
  return merged
}
