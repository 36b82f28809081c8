/** A change of a model server, at a position of its history and a moment of its clock, in milliseconds. */
export interface ModelChange {
  readonly number: number
  readonly time: number
  readonly value: number
}

/** What the clock showed when something happened: a change, a backup, or nothing. */
export interface ModelTick {
  readonly time: number
  /** Position and number of values after it. */
  readonly number: number
  readonly values: number
}

/** One stretch of a server's life in which a position means one thing. */
export interface ModelTimeline {
  readonly identity: string
  /** What it began with and no position of it says. */
  readonly inherited: readonly number[]
  readonly changes: readonly ModelChange[]
  readonly ticks: readonly ModelTick[]
  /** Where another history went on as this one. */
  readonly forkedFrom?: { readonly timeline: ModelTimeline; readonly number: number }
}

interface GrowingTimeline extends ModelTimeline {
  readonly changes: ModelChange[]
  readonly ticks: ModelTick[]
}

export function stateAt({ inherited, changes }: ModelTimeline, number: number): number[] {
  return [...inherited, ...changes.filter((change) => change.number <= number).map(({ value }) => value)]
}

/** Every state that the server had when its clock showed this, with what had been changed at that very moment left out. */
export function statesAtTime(timelines: readonly ModelTimeline[], time: number): number[][] {
  return timelines.flatMap((timeline) =>
    timeline.ticks.flatMap((tick, at) => {
      const { ticks } = timeline
      const before = ticks[at - 1] ?? tick
      const next = ticks[at + 1]
      const states: number[][] = []
      if (tick.time === time) states.push(stateAt(timeline, at === 0 ? tick.number : before.number))
      if (next !== undefined && tick.time < time && time <= next.time) states.push(stateAt(timeline, tick.number))
      return states
    }),
  )
}

/** Writes, a clock that can be set, logs that can be purged, and ways to lose its past. */
export class ModelServer {
  readonly timelines: GrowingTimeline[] = []
  #clock = Date.UTC(2026, 0, 1)
  #values = 0
  #identities = 0
  number = 0
  oldest = 0
  differentialBase: number | undefined

  constructor() {
    this.#begin({ identity: this.#newIdentity(), inherited: [], changes: [], ticks: [] })
  }

  get timeline(): GrowingTimeline {
    return this.timelines.at(-1) as GrowingTimeline
  }

  /** Time passes, and something may be noted at the new moment. */
  tick(milliseconds: number): number {
    this.#clock += 1 + milliseconds
    this.timeline.ticks.push({ time: this.#clock, number: this.number, values: this.#values })
    return this.#clock
  }

  write(count: number, pause: number): void {
    for (let written = 0; written < count; written++) {
      this.#clock += 1 + pause
      this.number++
      this.#values++
      this.timeline.changes.push({ number: this.number, time: this.#clock, value: this.#values })
      this.timeline.ticks.push({ time: this.#clock, number: this.number, values: this.#values })
    }
  }

  setClock(by: number): void {
    this.#clock += by
    this.timeline.ticks.push({ time: this.#clock, number: this.number, values: this.#values })
  }

  purge(upTo: number): void {
    this.oldest = Math.max(this.oldest, Math.min(upTo, this.number))
  }

  /** Its logs begin anew under another identity; its data stays. */
  reset(): void {
    const inherited = stateAt(this.timeline, this.number)
    this.number = 0
    this.oldest = 0
    this.differentialBase = undefined
    this.#begin({ identity: this.#newIdentity(), inherited, changes: [], ticks: [] })
  }

  /** It is restored to an earlier position, and says that it has another history now. */
  fork(number: number): void {
    const { timeline } = this
    this.number = number
    this.oldest = number
    this.differentialBase = undefined
    const forkedFrom = { timeline, number }
    this.#begin({ identity: this.#newIdentity(), inherited: stateAt(timeline, number), changes: [], ticks: [], forkedFrom })
  }

  /** It is set back to an earlier position, and does not know. */
  setBack(number: number): void {
    const { identity, inherited, changes } = this.timeline
    this.number = number
    this.oldest = Math.min(this.oldest, number)
    this.differentialBase = undefined
    this.#begin({ identity, inherited, changes: changes.filter((change) => change.number <= number), ticks: [] })
  }

  #newIdentity(): string {
    return `server-${++this.#identities}`
  }

  #begin(timeline: GrowingTimeline): void {
    this.timelines.push(timeline)
    this.tick(0)
  }
}
