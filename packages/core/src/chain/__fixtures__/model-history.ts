import type { Backup, CaptureKind, Position, RestoreStop, TimeSpan } from '../../contracts/index.ts'
import { type NextCapture, nextKind, type ServerState } from '../next-kind.ts'
import { historyName, newestHistory } from '../server-histories.ts'
import { ModelServer, type ModelTimeline, stateAt } from './model-server.ts'
import { at, numbered, numberOf, sketched, withoutItemB } from './numbered-positions.ts'

/** What of the items is in a backup; `lacking` is a complete full without b, which was dropped on the server. */
export type ModelEnd = 'whole' | 'partial' | 'limited' | 'lacking'

export type ModelEvent =
  | { readonly type: 'write'; readonly count: number; readonly pause: number }
  | { readonly type: 'wait'; readonly milliseconds: number }
  | { readonly type: 'set clock'; readonly by: number }
  | { readonly type: 'back up'; readonly kind: CaptureKind; readonly ends: ModelEnd }
  | { readonly type: 'overlapping log'; readonly back: number }
  | { readonly type: 'log over a fork' }
  | { readonly type: 'foreign full' }
  | { readonly type: 'foreign log' }
  | { readonly type: 'purge'; readonly back: number }
  | { readonly type: 'reset' }
  | { readonly type: 'fork'; readonly back: number; readonly toBackup: boolean }
  | { readonly type: 'set back'; readonly back: number }
  | { readonly type: 'lose'; readonly which: number }

/** What is really in a backup. */
export interface ModelContent {
  readonly timeline: ModelTimeline
  /** Of a log, the timeline and position it begins at; of a differential, of its full. */
  readonly from?: { readonly timeline: ModelTimeline; readonly number: number }
  readonly to: number
  readonly state: readonly number[]
}

export interface Capture {
  readonly wanted: CaptureKind
  readonly next: NextCapture
  readonly server: ServerState
  readonly stored: readonly Backup[]
  readonly backup: Backup
}

/** A server that lived, and the backups that were made of it as `nextKind` allowed, and some that it would not have made. */
export class ModelHistory {
  readonly server = new ModelServer()
  readonly backups: Backup[] = []
  readonly contents = new Map<string, ModelContent>()
  readonly captures: Capture[] = []
  readonly clockWasSet: boolean
  /** Those that the first repository no longer has. */
  readonly lost = new Set<string>()
  readonly #chains = new Map<ModelTimeline, string>()
  readonly #saysWhatItCovers: boolean

  constructor(events: readonly ModelEvent[], saysWhatItCovers: boolean) {
    this.clockWasSet = events.some(({ type }) => type === 'set clock')
    this.#saysWhatItCovers = saysWhatItCovers || this.clockWasSet
    for (const event of events) this.#happen(event)
  }

  /** The name under which the positions of a timeline are stored; `undefined` when nothing of it was. */
  chainOf(timeline: ModelTimeline): string | undefined {
    return this.#chains.get(timeline)
  }

  #happen(event: ModelEvent): void {
    const { server } = this
    if (event.type === 'write') server.write(event.count, event.pause)
    else if (event.type === 'wait') server.tick(event.milliseconds)
    else if (event.type === 'set clock') server.setClock(event.by)
    else if (event.type === 'back up') this.#backUp(event.kind, event.ends)
    else if (event.type === 'overlapping log') this.#overlappingLog(event.back)
    else if (event.type === 'log over a fork') this.#logOverFork()
    else if (event.type === 'foreign full') server.differentialBase = server.number
    else if (event.type === 'foreign log') server.purge(server.number)
    else if (event.type === 'purge') server.purge(server.number - event.back)
    else if (event.type === 'reset') server.reset()
    else if (event.type === 'fork') server.fork(this.#earlier(event.back, event.toBackup))
    else if (event.type === 'set back') server.setBack(Math.max(0, server.number - event.back))
    else {
      const backup = this.backups[event.which % Math.max(1, this.backups.length)]
      if (backup !== undefined) this.lost.add(backup.id)
    }
  }

  #backUp(wanted: CaptureKind, ends: ModelEnd): void {
    const { server } = this
    const { timeline } = server
    // What an agent finds out that compares the logs of the server with what was backed up of them.
    const newest = historyName(timeline.identity, newestHistory(this.#chains.values(), timeline.identity))
    const continues = [...this.#chains].every(([other, chain]) => chain !== newest || other === timeline)
    // Where it is behind, its position says so by itself.
    const isBehind = this.backups.some(({ position }) => position?.chain === newest && numberOf(position) > server.number)
    const state: ServerState = {
      chain: timeline.identity,
      position: at(timeline.identity, server.number),
      oldest: at(timeline.identity, server.oldest),
      ...(server.differentialBase === undefined ? {} : { differentialBase: at(timeline.identity, server.differentialBase) }),
      ...(continues || isBehind ? {} : { broken: 'its logs have another content' }),
    }
    const stored = this.backups.filter((backup) => !this.lost.has(backup.id))
    const listings = [
      { repository: 'first', backups: stored },
      { repository: 'mirror', backups: this.backups },
    ]
    const next = nextKind({ kind: wanted, history: { listings, order: numbered }, server: state })
    const { kind, from, chain } = next
    this.#chains.set(timeline, chain)
    const backup = this.#add(kind, at(chain, server.number), from, timeline, ends)
    if (kind === 'full') server.differentialBase = ends === 'whole' || ends === 'lacking' ? server.number : server.differentialBase
    this.captures.push({ wanted, next, server: state, stored, backup })
  }

  /** A log that begins where no backup ends, as one that is made again after it failed in another way. */
  #overlappingLog(back: number): void {
    const { timeline, number, oldest } = this.server
    const chain = this.#chains.get(timeline)
    const begin = Math.max(oldest, number - back)
    if (chain === undefined || begin >= number) return
    this.#add('log', at(chain, number), at(chain, begin), timeline, 'whole')
  }

  /** A log that leads from the history before a fork into the one after it. */
  #logOverFork(): void {
    const { timeline, number } = this.server
    const { forkedFrom } = timeline
    const before = forkedFrom && this.#chains.get(forkedFrom.timeline)
    if (forkedFrom === undefined || before === undefined || number === forkedFrom.number || this.server.oldest > forkedFrom.number) return
    const chain = this.#chains.get(timeline) ?? timeline.identity
    this.#chains.set(timeline, chain)
    this.#add('log', at(chain, number), at(before, forkedFrom.number), timeline, 'whole', forkedFrom)
  }

  #add(
    kind: CaptureKind,
    position: Position,
    from: Position | undefined,
    timeline: ModelTimeline,
    ends: ModelEnd,
    origin?: ModelContent['from'],
  ): Backup {
    const time = this.server.tick(0)
    const { number } = this.server
    const begin = from === undefined ? undefined : (origin ?? { timeline, number: numberOf(from) })
    const covers = kind === 'log' && begin !== undefined && this.#saysWhatItCovers ? coveredSpans(timeline, begin) : undefined
    const whole = sketched({
      id: String(this.backups.length).padStart(3, '0'),
      kind,
      consistentAt: new Date(time).toISOString(),
      position,
      ...(from === undefined ? {} : { from }),
      ...(covers === undefined ? {} : { covers }),
    })
    const backup = endedAs(whole, ends)
    this.backups.push(backup)
    this.contents.set(backup.id, {
      timeline,
      to: number,
      state: stateAt(timeline, number),
      ...(begin === undefined ? {} : { from: begin }),
    })
    return backup
  }

  /** An earlier position, perhaps that of a backup. */
  #earlier(back: number, toBackup: boolean): number {
    const { timeline, number } = this.server
    const ends = this.backups.flatMap(({ id }) => {
      const content = this.contents.get(id)
      return content?.timeline === timeline ? [content.to] : []
    })
    const wanted = Math.max(timeline.forkedFrom?.number ?? 0, number - back)
    return toBackup ? (ends.findLast((end) => end <= wanted) ?? wanted) : wanted
  }
}

function endedAs(whole: Backup, ends: ModelEnd): Backup {
  if (ends === 'partial') return withoutItemB(whole)
  if (ends === 'limited') return { ...whole, limitedTo: ['a'], items: whole.items.slice(0, 1) }
  return ends === 'lacking' && whole.kind === 'full' ? { ...whole, items: whole.items.slice(0, 1) } : whole
}

/** From when the position was reached until now, cut where the clock was set back. */
function coveredSpans({ ticks, forkedFrom }: ModelTimeline, from: NonNullable<ModelContent['from']>): TimeSpan[] {
  const first = forkedFrom === from ? 0 : ticks.findIndex(({ number }) => number >= from.number)
  const spans: { from: number; to: number }[] = []
  for (const [index, { time }] of ticks.entries()) {
    if (index < first) continue
    const last = spans.at(-1)
    if (index === first) spans.push({ from: time + 1, to: time })
    else if (last !== undefined && time >= last.to) last.to = time
    else spans.push({ from: time, to: time })
  }
  return spans
    .filter((span) => span.from <= span.to)
    .map((span) => ({ from: new Date(span.from).toISOString(), to: new Date(span.to).toISOString() }))
}

/** Restores a plan as an agent would, and throws where a backup is applied to a state that it does not belong to. */
export function replay(
  contents: ReadonlyMap<string, ModelContent>,
  backups: readonly { readonly id: string; readonly kind: CaptureKind }[],
  stop?: RestoreStop,
): readonly number[] {
  let state: readonly number[] = []
  let reached: { readonly timeline: ModelTimeline; readonly number: number } | undefined
  for (const [index, { id, kind }] of backups.entries()) {
    const content = contents.get(id)
    if (content === undefined) throw new Error(`there is no backup ${id}`)
    const { timeline, from, to } = content
    if (kind === 'full') {
      if (index > 0) throw new Error(`the full ${id} is not the first`)
      state = content.state
    } else if (reached === undefined || from === undefined) throw new Error(`${id} has nothing to be applied to`)
    else if (kind === 'differential') {
      if (index !== 1 || reached.number !== from.number || reached.timeline !== timeline) throw new Error(`${id} has another base`)
      state = content.state
    } else {
      const crosses = from.timeline !== timeline
      const belongs = crosses
        ? reached.timeline === from.timeline && reached.number === from.number
        : reached.timeline === timeline && from.number <= reached.number && reached.number <= to
      if (!belongs) throw new Error(`${id} does not continue what was restored before it`)
      const begin: number = crosses ? from.number : reached.number
      const changes = timeline.changes.filter(({ number }) => number > begin && number <= to)
      const last = index === backups.length - 1
      const before = last && stop !== undefined && 'before' in stop ? Date.parse(stop.before) : Number.POSITIVE_INFINITY
      const upTo = last && stop !== undefined && 'position' in stop ? numberOf(stop.position) : to
      const left = last && stop !== undefined && 'beforePosition' in stop ? numberOf(stop.beforePosition) : Number.POSITIVE_INFINITY
      if (left !== Number.POSITIVE_INFINITY && !changes.some(({ number }) => number === left))
        throw new Error(`${id} has no change ${left}`)
      const end = changes.findIndex(({ time, number }) => time >= before || number > upTo || number >= left)
      state = [...state, ...(end < 0 ? changes : changes.slice(0, end)).map(({ value }) => value)]
    }
    reached = { timeline, number: to }
  }
  return state
}
