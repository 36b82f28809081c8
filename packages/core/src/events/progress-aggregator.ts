import type { Phase, Progress } from '../contracts/index.ts'
import type { RunEvent } from './run-event.ts'

/** At most ten byte events a second and phase. */
const intervalMilliseconds = 100
/** The rate follows a change within about so many seconds. */
const smoothingSeconds = 5

interface PhaseState {
  bytes: number
  rows: number | undefined
  item: string | undefined
  expected: number | undefined
  /** Moving average that began at 0, and how many seconds it is of. */
  average: number
  averagedSeconds: number
  saidBytes: number
  saidAt: number | undefined
  beganAt: number
  dirty: boolean
}

/**
 * Turns what plugins say (amounts since the last call, as often as they like) into events with totals and a rate, few
 * enough to show. Without clock and timer of its own: every call is told the time in milliseconds.
 */
export class ProgressAggregator {
  readonly #phases = new Map<Phase, PhaseState>()
  readonly #expected = new Map<Phase, number>()
  readonly #begun = new Set<string>()

  /** Bytes of a whole phase, where they are known beforehand. */
  expect(phase: Phase, bytes: number): void {
    this.#expected.set(phase, bytes)
    const known = this.#phases.get(phase)
    if (known !== undefined) known.expected = bytes
  }

  /** Bytes of the phase that moved most: what the operation is said to have moved. */
  get bytes(): number {
    return Math.max(0, ...[...this.#phases.values()].map((phase) => phase.bytes))
  }

  /** Of one phase since the start. */
  bytesOf(phase: Phase): number {
    return this.#phases.get(phase)?.bytes ?? 0
  }

  add(progress: Progress, now: number): RunEvent[] {
    switch (progress.type) {
      case 'bytes': {
        const phase = this.#phase(progress.phase, now)
        phase.bytes += progress.bytes
        if (progress.rows !== undefined) phase.rows = (phase.rows ?? 0) + progress.rows
        if (progress.item !== undefined) phase.item = progress.item
        phase.dirty = true
        return phase.saidAt === undefined || now - phase.saidAt >= intervalMilliseconds ? [say(progress.phase, phase, now)] : []
      }
      case 'item': {
        const phase = this.#phase(progress.phase, now)
        const key = `${progress.phase} ${progress.item}`
        if (progress.state === 'begun' && !this.#begun.has(key)) {
          this.#begun.add(key)
          if (progress.bytesTotal !== undefined && !this.#expected.has(progress.phase)) {
            phase.expected = (phase.expected ?? 0) + progress.bytesTotal
          }
        }
        return [...(phase.dirty && progress.state !== 'begun' ? [say(progress.phase, phase, now)] : []), { ...progress }]
      }
      case 'problem':
        return [{ type: 'problem', problem: progress.problem }]
      case 'step':
        return [{ type: 'step', text: progress.text }]
      case 'following':
        // Whoever follows says so as an event of its own.
        return []
    }
  }

  /** What has been held back: call it at the end, so that the last number is the true one. */
  flush(now: number): RunEvent[] {
    return [...this.#phases].filter(([, phase]) => phase.dirty).map(([name, phase]) => say(name, phase, now))
  }

  #phase(name: Phase, now: number): PhaseState {
    let phase = this.#phases.get(name)
    if (phase === undefined) {
      phase = {
        bytes: 0,
        rows: undefined,
        item: undefined,
        expected: this.#expected.get(name),
        average: 0,
        averagedSeconds: 0,
        saidBytes: 0,
        saidAt: undefined,
        beganAt: now,
        dirty: false,
      }
      this.#phases.set(name, phase)
    }
    return phase
  }
}

function say(name: Phase, phase: PhaseState, now: number): RunEvent {
  const seconds = (now - (phase.saidAt ?? phase.beganAt)) / 1000
  if (seconds > 0) {
    const current = (phase.bytes - phase.saidBytes) / seconds
    const weight = 1 - Math.exp(-seconds / smoothingSeconds)
    phase.average += weight * (current - phase.average)
    phase.averagedSeconds += seconds
    phase.saidBytes = phase.bytes
  }
  phase.saidAt = now
  phase.dirty = false
  return {
    type: 'bytes',
    phase: name,
    bytes: phase.bytes,
    rate: Math.round(rateOf(phase)),
    ...(phase.item === undefined ? {} : { item: phase.item }),
    ...(phase.rows === undefined ? {} : { rows: phase.rows }),
    ...(phase.expected === undefined ? {} : { expected: Math.max(phase.expected, phase.bytes) }),
  }
}

/** An average that began at 0 is too low as long as it is young; dividing by the weight it has seen so far puts that right. */
function rateOf({ average, averagedSeconds }: PhaseState): number {
  return averagedSeconds === 0 ? 0 : average / (1 - Math.exp(-averagedSeconds / smoothingSeconds))
}
