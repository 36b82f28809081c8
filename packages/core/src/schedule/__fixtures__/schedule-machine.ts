import { BackupError } from '../../errors/backup-error.ts'
import { createJobList, runSchedule, type ScheduledResult, type ScheduleParts, type ScheduleState } from '../run-schedule.ts'
import type { ScheduledRun, ScheduleEvent } from '../schedule-event.ts'
import type { SchedulePolicy } from '../schedule-policy.ts'
import { VirtualTime } from './virtual-time.ts'

export const begin = Date.parse('2026-12-06T01:50:00Z')
export const minutes = 60_000
export const policyOf = (job: string, entries: SchedulePolicy['entries'], more: Partial<SchedulePolicy> = {}): SchedulePolicy => ({
  job,
  entries,
  timezone: 'UTC',
  ...more,
})
export const quarterly = policyOf('shop', { log: '*/15 * * * *' })

export function resultOf({ task, beganAt }: ScheduledRun): ScheduledResult {
  if (task === 'drill' || task === 'prune') return { outcome: 'done' }
  return { outcome: 'done', backup: { id: beganAt, kind: task, consistentAt: beganAt, bytes: 1, failedItems: [] } }
}

interface Setting extends Partial<Omit<ScheduleParts, 'jobs'>> {
  readonly policies?: readonly SchedulePolicy[]
  /** Milliseconds that each run takes. */
  readonly takes?: number
}

/** A schedule on a machine whose time passes at once. */
export class Machine {
  readonly time: VirtualTime
  readonly clock
  readonly events: ScheduleEvent[] = []
  readonly runs: string[] = []
  readonly jobs
  readonly #setting: Setting
  readonly #stop = new AbortController()
  saved: ScheduleState | undefined
  running = 0
  most = 0
  done: Promise<void> | undefined

  constructor(setting: Setting = {}, time = new VirtualTime(), saved?: ScheduleState) {
    this.time = time
    this.saved = saved
    this.clock = time.clock({ wall: begin })
    this.#setting = setting
    this.jobs = createJobList(setting.policies ?? [quarterly])
  }

  start(): this {
    const parts: ScheduleParts = {
      clock: this.clock,
      state: {
        load: async () => this.saved,
        save: async (state) => {
          this.saved = structuredClone(state)
        },
      },
      execute: (run, options) => this.work(run, options),
      onEvent: (event) => this.events.push(event),
      ...this.#setting,
      jobs: this.jobs,
    }
    this.done = runSchedule(parts, { signal: this.#stop.signal })
    return this
  }

  async work(run: ScheduledRun, { signal }: { readonly signal: AbortSignal }): Promise<ScheduledResult> {
    this.runs.push(`${run.job} ${run.task} ${run.slot.slice(11, 16)} x${run.slots} at ${run.beganAt.slice(11, 19)}`)
    this.running++
    this.most = Math.max(this.most, this.running)
    await this.clock.wait(this.#setting.takes ?? 1000, signal)
    this.running--
    if (signal.aborted) throw new BackupError('stopped', { code: 'ABORTED' })
    return resultOf(run)
  }

  async pass(milliseconds: number): Promise<void> {
    await this.time.run(this.clock.wait(milliseconds))
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.time.run(this.done ?? Promise.resolve())
  }

  of<Type extends ScheduleEvent['type']>(type: Type): Extract<ScheduleEvent, { type: Type }>[] {
    return this.events.filter((event): event is Extract<ScheduleEvent, { type: Type }> => event.type === type)
  }
}

export const throwing = (): never => {
  throw new Error('no')
}

export const failing = (error: unknown) => async (): Promise<never> => {
  throw error
}
