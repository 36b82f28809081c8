import type { TimeSpan } from '@backup-planet/core'

/** Statements are stamped with when they began, and are written when they end: what is older than its neighbours by less is no clock that was set. */
const leastStepMilliseconds = 60_000
/** Readings of the clock itself are floored to seconds. */
const resolutionMilliseconds = 1000
/** So many changes in a row, of increasing time, that lie before what came before them are more than slow statements. */
const leastChanges = 10

/** Changes that may be the first after the clock was set back, or slow statements. */
interface Lag {
  readonly first: number
  newest: number
  changes: number
  /** Of these, how many are older than one before them: slow statements again. */
  late: number
}

/**
 * Which stretches of the server's clock a log covers, told from what passes in it, in constant memory. The clock was set back where
 *
 * - a reading of the clock itself lies before an earlier one, or by a minute before the stamps of changes that precede it, or
 * - ten changes and more follow each other, most of them in order, that lie a minute and more before an earlier one and advance by a minute.
 *
 * A single change with a stamp far from its neighbours, as `SET TIMESTAMP` makes it, is passed over. All times in milliseconds.
 */
export class ClockCoverage {
  readonly #spans: { readonly from: number; readonly to: number }[] = []
  #from: number
  /** The latest time of the present stretch, and the latest that the clock itself was read at. */
  #latest: number
  #latestRead: number
  /** A change far ahead of all others, until another confirms it. */
  #ahead: number | undefined
  #lag: Lag | undefined

  /** @param begin the moment of what the log continues, by the clock of the server */
  constructor(begin: number) {
    this.#from = begin
    this.#latest = begin
    this.#latestRead = begin
  }

  /** A change, stamped with when its statement began. */
  change(at: number): void {
    if (at > this.#latest + leastStepMilliseconds) {
      const confirmed = this.#ahead !== undefined && at >= this.#ahead - leastStepMilliseconds
      if (confirmed) this.#latest = Math.max(at, this.#ahead ?? at)
      this.#ahead = confirmed ? undefined : at
      this.#lag = undefined
      return
    }
    this.#ahead = undefined
    if (at >= this.#latest - leastStepMilliseconds) {
      this.#latest = Math.max(this.#latest, at)
      this.#lag = undefined
      return
    }
    const lag = this.#lag
    if (lag === undefined) {
      this.#lag = { first: at, newest: at, changes: 1, late: 0 }
      return
    }
    if (at < lag.newest - resolutionMilliseconds) lag.late++
    lag.newest = Math.max(lag.newest, at)
    lag.changes++
    const inOrder = lag.late * 3 <= lag.changes
    if (inOrder && lag.changes >= leastChanges && lag.newest - lag.first >= leastStepMilliseconds) this.#step(lag.first, lag.newest)
  }

  /** The clock itself, at this place of the log: when a file was begun, when a commit was written. */
  reading(at: number): void {
    const ahead = this.#ahead
    this.#ahead = undefined
    if (ahead !== undefined && at >= ahead - leastStepMilliseconds) this.#latest = Math.max(this.#latest, ahead)
    if (at < this.#latestRead - resolutionMilliseconds || at < this.#latest - leastStepMilliseconds) {
      this.#step(Math.min(this.#lag?.first ?? at, at), at)
      this.#latestRead = at
    }
    this.#lag = undefined
    this.#latest = Math.max(this.#latest, at)
    this.#latestRead = Math.max(this.#latestRead, at)
  }

  /** All stretches; the last ends at `at`, a reading of the clock at the end of the log. */
  end(at: number): readonly TimeSpan[] {
    this.reading(at)
    if (at < this.#from) this.#step(at, at)
    return [...this.#spans, { from: this.#from, to: at }].map(({ from, to }) => ({
      from: new Date(from).toISOString(),
      to: new Date(to).toISOString(),
    }))
  }

  #step(first: number, latest: number): void {
    this.#spans.push({ from: this.#from, to: Math.max(this.#from, this.#latest) })
    this.#from = first
    this.#latest = latest
    // What the clock was read at before says nothing of the time after it was set.
    this.#latestRead = Number.NEGATIVE_INFINITY
    this.#lag = undefined
  }
}
