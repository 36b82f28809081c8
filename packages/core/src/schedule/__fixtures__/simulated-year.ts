import type { CaptureKind } from '../../contracts/index.ts'
import { afterClockWasSet, clockTolerance } from '../clock-correction.ts'
import { entriesOf } from '../compiled-policy.ts'
import { due } from '../due.ts'
import { beginRun, endRun, type JobHistory, leaveOut, type RunEnd, rememberedHistory } from '../schedule-history.ts'
import type { SchedulePolicy, ScheduleTask } from '../schedule-policy.ts'
import { beginWatching } from '../watched-tasks.ts'
import { backupOf } from './listed-backups.ts'
import { randomNumbers } from './random-numbers.ts'

export interface Life {
  readonly from: number
  readonly days: number
  readonly seed: number
  /** Times the machine goes down, at fractions of the whole, and for how long. */
  readonly outages: readonly { readonly at: number; readonly minutes: number; readonly losesState: boolean }[]
  readonly clockSteps: readonly { readonly at: number; readonly seconds: number }[]
  readonly longestRunSeconds: number
  /** Of 100 runs. */
  readonly failing: number
  /** Of 100 logs and differentials those that become a full. */
  readonly promoted: number
}

export interface SimulatedRun {
  readonly task: ScheduleTask
  readonly slot: number
  readonly slots: number
  readonly beganAt: number
  readonly end: RunEnd['outcome']
}

interface Disturbance {
  readonly at: number
  readonly outage?: Life['outages'][number]
  readonly seconds?: number
}

const day = 86_400_000

/** Lives through a time with one job, and throws where a slot is missed or doubled. Time passes as it does; the clock shows what it was set to. */
export class SimulatedYear {
  readonly runs: SimulatedRun[] = []
  givenUp = 0
  leftOut = 0
  readonly #policy: SchedulePolicy
  readonly #life: Life
  readonly #random: () => number
  readonly #disturbances: Disturbance[]
  readonly #end: number
  #time: number
  #clock = 0
  #history: JobHistory
  #idleSince: number | undefined
  /** For each task the moments that say up to where its slots are settled, by what happened and not by the history. */
  readonly #settled = new Map<ScheduleTask, number>()
  readonly #backups: { kind: CaptureKind; beganAt: number }[] = []

  constructor(policy: SchedulePolicy, life: Life) {
    this.#policy = policy
    this.#life = life
    this.#random = randomNumbers(life.seed)
    this.#time = life.from
    this.#end = life.from + life.days * day
    const at = (fraction: number) => life.from + Math.floor(fraction * life.days * 86_400) * 1000
    this.#disturbances = [
      ...life.outages.map((outage) => ({ at: at(outage.at), outage })),
      ...life.clockSteps.map(({ at: fraction, seconds }) => ({ at: at(fraction), seconds })),
    ].toSorted((a, b) => a.at - b.at)
    this.#history = beginWatching(undefined, policy, this.#now)
    for (const { task } of entriesOf(policy)) this.#settled.set(task, this.#now)
  }

  get #now(): number {
    return this.#time + this.#clock
  }

  live(): this {
    while (this.#time < this.#end) {
      const [next] = this.#disturbances
      if (next !== undefined && next.at <= this.#time) this.#disturb(next)
      else this.#step(next)
    }
    return this
  }

  #step(next: Disturbance | undefined): void {
    this.#history = afterClockWasSet(this.#history, this.#now, this.#policy)
    this.#correctSettled()
    const report = due(this.#now, this.#history, this.#policy)
    for (const { task, slot } of report.missed) {
      if (this.#policy.runMissed !== false) throw new Error(`left out ${task} although missed runs are made up for`)
      this.#history = leaveOut(this.#history, task, slot)
      this.#settle(task, slot)
      this.leftOut++
    }
    const [run] = report.due
    if (run === undefined) this.#wait(report.nextAt, next)
    else this.#run(run)
  }

  #wait(nextAt: number | undefined, next: Disturbance | undefined): void {
    this.#assertNothingMissed()
    const wake = nextAt === undefined ? this.#end : nextAt - this.#clock
    if (wake <= this.#time) throw new Error(`nothing is due at ${this.#now}, and nextAt is ${nextAt}`)
    this.#time = Math.min(wake, next?.at ?? this.#end, this.#end)
    this.#idleSince = this.#time === wake ? wake : undefined
  }

  #disturb({ at, outage, seconds = 0 }: Disturbance): void {
    this.#disturbances.shift()
    this.#idleSince = undefined
    if (outage === undefined) {
      this.#clock += seconds * 1000
      return
    }
    this.#time = Math.max(this.#time, at + outage.minutes * 60_000)
    if (outage.losesState) {
      const listed = rememberedHistory(
        this.#backups.map(({ kind, beganAt }) => backupOf(kind, beganAt)),
        this.#now,
      )
      this.#history = beginWatching(listed, this.#policy, this.#now)
      // What leaves no backup is forgotten: it begins anew. So does a kind of which there was none yet.
      for (const { task } of entriesOf(this.#policy)) {
        const known = listed.tasks[task]?.settledUntil ?? this.#now
        if (task === 'drill' || task === 'prune' || known === this.#now) this.#settled.set(task, this.#now)
        // A log that became a full is not remembered as a log.
        if (task === 'log') this.#settled.set(task, known)
      }
    } else this.#history = beginWatching(this.#history, this.#policy, this.#now)
  }

  /** Whether the clock was set back a long way shows when somebody looks at it. */
  #correctSettled(): void {
    for (const { task, slots } of entriesOf(this.#policy)) {
      const ahead = (this.#settled.get(task) ?? 0) - this.#now
      if (ahead <= 0 || ahead <= clockTolerance(slots, this.#now)) continue
      this.#settled.set(task, (slots.last(this.#life.from - 10 * 366 * day, this.#now) ?? this.#now + 1) - 1)
    }
  }

  #run(run: { task: ScheduleTask; slot: number; slots: number; since: number }): void {
    const beganAt = this.#now
    this.#assertNotDoubled(run, beganAt)
    if (this.#idleSince !== undefined && beganAt !== this.#idleSince + this.#clock) throw new Error('begins late')
    this.#idleSince = undefined
    const begun = { task: run.task, slot: run.slot, beganAt }
    this.#history = beginRun(this.#history, begun)
    const ends = this.#time + Math.floor(this.#random() ** 3 * this.#life.longestRunSeconds) * 1000 + 1
    const cut = this.#disturbances.find(({ at, outage }) => outage !== undefined && at <= ends)
    if (cut !== undefined) {
      // The clock may be set while it runs, before the machine goes down.
      this.#pass(Math.max(cut.at, this.#time))
      this.runs.push({ ...begun, slots: run.slots, end: 'aborted' })
      return
    }
    this.#pass(ends)
    const end = this.#endOf(run.task)
    this.runs.push({ ...begun, slots: run.slots, end: end.outcome })
    const { history, givenUp } = endRun(this.#history, begun, end, this.#now, this.#policy)
    this.#history = history
    if (givenUp) {
      this.givenUp++
      this.#settle(run.task, run.slot)
    }
    if (end.outcome === 'done' || end.outcome === 'partial') this.#fulfil(begun, end.kind)
  }

  #pass(until: number): void {
    for (;;) {
      const [next] = this.#disturbances
      if (next === undefined || next.outage !== undefined || next.at > until) break
      this.#disturbances.shift()
      this.#time = Math.max(this.#time, next.at)
      this.#clock += (next.seconds ?? 0) * 1000
    }
    this.#time = until
  }

  #endOf(task: ScheduleTask): RunEnd {
    if (this.#random() * 100 < this.#life.failing)
      return this.#random() < 0.1 ? { outcome: 'aborted' } : { outcome: 'failed', retry: this.#random() < 0.9 }
    if (task === 'drill' || task === 'prune') return { outcome: 'done' }
    const promoted = this.#random() * 100 < this.#life.promoted
    return { outcome: this.#random() < 0.02 ? 'partial' : 'done', kind: promoted ? 'full' : task }
  }

  #fulfil({ task, beganAt }: { task: ScheduleTask; beganAt: number }, kind: CaptureKind | undefined): void {
    this.#settle(task, beganAt)
    if (kind === undefined) return
    this.#backups.push({ kind, beganAt })
    this.#settle(kind, beganAt)
    if (kind === 'full') this.#settle('differential', beganAt)
  }

  #settle(task: ScheduleTask, until: number): void {
    this.#settled.set(task, Math.max(this.#settled.get(task) ?? until, until))
  }

  #assertNotDoubled({ task, slot, slots }: { task: ScheduleTask; slot: number; slots: number }, beganAt: number): void {
    const settled = this.#settled.get(task)
    if (settled === undefined || slot <= settled)
      throw new Error(`${task} of ${iso(slot)} runs again at ${iso(beganAt)}, settled until ${settled && iso(settled)}`)
    if (slot > beganAt) throw new Error(`${task} of ${iso(slot)} runs before it is due, at ${iso(beganAt)}`)
    const entry = entriesOf(this.#policy).find((candidate) => candidate.task === task)
    if (slots === 1 && entry?.slots.next(settled) === slot) return
    let found = 0
    for (let at = entry?.slots.next(settled); at !== undefined && at <= slot && found < 5000; at = entry?.slots.next(at)) found++
    if (found !== Math.min(slots, 5000))
      throw new Error(`${task} of ${iso(slot)} is said to stand for ${slots} slots, and there are ${found}`)
  }

  /** While nothing runs, what is due and not settled waits for a window or for its next attempt. */
  #assertNothingMissed(): void {
    const now = this.#now
    for (const { task, slots, starts, dueAt } of entriesOf(this.#policy)) {
      const oldest = slots.next(this.#settled.get(task) ?? now)
      if (oldest === undefined || dueAt(oldest) > now || starts.opensAt(now) > now) continue
      const attempts = this.#history.tasks[task]?.attempts
      if (attempts !== undefined && attempts.notBefore > now && this.#lastSlotTried(task) === attempts.slot) continue
      throw new Error(`${task} of ${iso(oldest)} is missed at ${iso(now)}`)
    }
  }

  #lastSlotTried(task: ScheduleTask): number | undefined {
    return this.runs.findLast((run) => run.task === task)?.slot
  }
}

function iso(moment: number): string {
  return new Date(moment).toISOString()
}
