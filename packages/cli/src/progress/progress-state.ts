import type { Phase, RunEvent } from '@backup-planet/core'

/** Everything the progress display shows; a value that only `advance` makes a new one of. */
export interface ProgressState {
  /** The step of the plan that is being done, in its words. */
  readonly step: string | undefined
  /** Seconds since the last byte moved, when that is long ago. */
  readonly stalledSeconds: number | undefined
  readonly phases: Readonly<Partial<Record<Phase, PhaseState>>>
  /** The server is not read any more, and how many items came of it. */
  readonly captured: { readonly items: number; readonly failed: number } | undefined
  /** Bytes of the phase `store` that were of earlier runs. */
  readonly storedBefore: number
}

export interface PhaseState {
  readonly bytes: number
  /** At the end of the phase, where it is known. */
  readonly expected: number | undefined
  /** Bytes per second; `undefined` before anything has moved. */
  readonly rate: number | undefined
  readonly items: ReadonlyMap<string, 'begun' | 'ended' | 'failed'>
}

export const noProgress: ProgressState = { step: undefined, stalledSeconds: undefined, phases: {}, captured: undefined, storedBefore: 0 }

const emptyPhase: PhaseState = { bytes: 0, expected: undefined, rate: undefined, items: new Map() }

export function advance(state: ProgressState, event: RunEvent): ProgressState {
  switch (event.type) {
    case 'step':
      return { ...state, step: event.text }
    case 'stalled':
      return { ...state, stalledSeconds: event.seconds }
    case 'bytes': {
      const { phase, rate } = event
      const earlier = phase === 'store' ? state.storedBefore : 0
      const bytes = event.bytes - earlier
      const before = state.phases[phase] ?? emptyPhase
      const expected = event.expected === undefined ? before.expected : event.expected - earlier
      return { ...state, stalledSeconds: undefined, phases: { ...state.phases, [phase]: { ...before, bytes, rate, expected } } }
    }
    case 'item': {
      const before = state.phases[event.phase] ?? emptyPhase
      const items = new Map(before.items).set(event.item, event.state)
      return { ...state, phases: { ...state.phases, [event.phase]: { ...before, items } } }
    }
    case 'captured': {
      const { items, failed, bytes } = event
      const before = state.phases.capture ?? emptyPhase
      const capture = { ...before, bytes, expected: undefined, rate: undefined }
      return { ...state, step: undefined, captured: { items, failed }, phases: { ...state.phases, capture } }
    }
    case 'stored': {
      if (!event.resumed) return state
      const { store, ...phases } = state.phases
      return { ...state, phases, storedBefore: state.storedBefore + (store?.bytes ?? 0) }
    }
    default:
      return state
  }
}

/** From 0 to 1, never 1 while an item is under way; `undefined` when no size is known. */
export function fractionOf({ bytes, expected, items }: PhaseState): number | undefined {
  if (expected === undefined || expected === 0) return undefined
  const unfinished = [...items.values()].includes('begun')
  return Math.min(unfinished || items.size === 0 ? 0.99 : 1, bytes / expected)
}
