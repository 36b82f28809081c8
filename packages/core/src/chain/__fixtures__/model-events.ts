import fc from 'fast-check'
import type { Position } from '../../contracts/index.ts'
import type { ModelEvent, ModelHistory } from './model-history.ts'
import { at } from './numbered-positions.ts'

/** How long nothing happens, and how often beside other events. */
export interface ModelWaits {
  readonly milliseconds: fc.Arbitrary<number>
  readonly weight: number
  /** Some fulls lack the item b. */
  readonly drops?: boolean
}

const few = fc.nat({ max: 6 })
const pause = fc.nat({ max: 20 })
const ends = fc.oneof(
  { weight: 12, arbitrary: fc.constant('whole' as const) },
  { weight: 1, arbitrary: fc.constantFrom('partial' as const, 'limited' as const) },
)
const endsOrLacks = fc.oneof({ weight: 4, arbitrary: ends }, { weight: 1, arbitrary: fc.constant('lacking' as const) })
const kind = fc.constantFrom('full' as const, 'differential' as const, 'log' as const, 'log' as const, 'log' as const, 'log' as const)
const often = ({ milliseconds, weight, drops = false }: ModelWaits): fc.WeightedArbitrary<ModelEvent>[] => [
  { weight: 24, arbitrary: fc.record({ type: fc.constant('write' as const), count: fc.integer({ min: 1, max: 4 }), pause }) },
  { weight: 36, arbitrary: fc.record({ type: fc.constant('back up' as const), kind, ends: drops ? endsOrLacks : ends }) },
  { weight, arbitrary: fc.record({ type: fc.constant('wait' as const), milliseconds }) },
]
const seldom: fc.WeightedArbitrary<ModelEvent>[] = [
  { weight: 2, arbitrary: fc.record({ type: fc.constant('overlapping log' as const), back: few }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('log over a fork' as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('foreign full' as const, 'foreign log' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('purge' as const), back: few }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('reset' as const) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('fork' as const), back: few, toBackup: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('set back' as const), back: few }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('lose' as const), which: fc.nat({ max: 20 }) }) },
]
const setClock: fc.WeightedArbitrary<ModelEvent> = {
  weight: 6,
  arbitrary: fc.record({ type: fc.constant('set clock' as const), by: fc.integer({ min: -60, max: 60 }) }),
}

/** Lives of a server and its backups: quiet ones, ones in which it is moved, set back, purged and forked, and ones in which its clock is set as well. */
export function modelEvents(waits: ModelWaits = { milliseconds: pause, weight: 2 }): fc.Arbitrary<ModelEvent[]> {
  return fc
    .constantFrom(often(waits), [...often(waits), ...seldom], [...often(waits), ...seldom, setClock])
    .chain((events) => fc.array(fc.oneof(...events), { minLength: 2, maxLength: 24, size: 'max' }))
}

/** Every moment at which something happened, and those just before and after it. */
export function moments(model: ModelHistory): number[] {
  const ticks = model.server.timelines.flatMap((timeline) => timeline.ticks.map(({ time }) => time))
  return [...new Set(ticks.flatMap((time) => [time - 1, time, time + 1]))]
}

/** Every position that any history of the server had, and one beyond. */
export function positions(model: ModelHistory): Position[] {
  const chains = new Set(model.server.timelines.flatMap((timeline) => model.chainOf(timeline) ?? []))
  const most = Math.max(...model.server.timelines.map(({ changes }) => changes.at(-1)?.number ?? 0))
  return [...chains].flatMap((chain) => Array.from({ length: most + 2 }, (_, number) => at(chain, number)))
}
