import { BackupError } from '../errors/backup-error.ts'
import { afterClockWasSet } from './clock-correction.ts'
import { type DueRun, due } from './due.ts'
import { problemOf } from './run-failure.ts'
import type { ScheduleParts, ScheduleState } from './run-schedule.ts'
import type { ScheduleEvent } from './schedule-event.ts'
import { type JobHistory, leaveOut } from './schedule-history.ts'
import { type SchedulePolicy, type ScheduleTask, scheduleTasks } from './schedule-policy.ts'
import { runOnce } from './scheduled-run.ts'
import { beginWatching, watchNewTasks } from './watched-tasks.ts'

export type RunnerParts = ScheduleParts & Required<Pick<ScheduleParts, 'clock' | 'concurrency' | 'graceSeconds'>>

/** The clock may be set while nothing happens, so it is looked at once a minute. */
const longestWait = 60_000

interface ActiveJob {
  /** What is run; left out while it is only looked at. */
  readonly task?: ScheduleTask
  readonly done: Promise<void>
}

interface ReadyRun {
  readonly policy: SchedulePolicy
  readonly run: DueRun
}

/** The loop of `runSchedule`: what is due is begun, what has ended makes it look again. */
export class ScheduleRunner {
  readonly #parts: RunnerParts
  readonly #stop: AbortSignal
  readonly #abortRuns = new AbortController()
  /** Jobs that are worked on, each until it is free again. */
  readonly #active = new Map<string, ActiveJob>()
  readonly #histories = new Map<string, JobHistory>()
  #remembered: Readonly<Record<string, JobHistory>> = {}
  #woken = new AbortController()
  #lookAt: number | undefined
  #saving: Promise<void> = Promise.resolve()

  constructor(parts: RunnerParts, stop: AbortSignal) {
    this.#parts = parts
    this.#stop = stop
  }

  async run(): Promise<void> {
    const wake = (): void => this.#woken.abort()
    const forget = this.#parts.jobs.onReplaced(wake)
    this.#stop.addEventListener('abort', wake)
    try {
      this.#remembered = (await this.#load())?.jobs ?? {}
      while (!this.#stop.aborted) await this.#look()
      await this.#end()
    } finally {
      forget()
      this.#stop.removeEventListener('abort', wake)
    }
  }

  async #load(): Promise<ScheduleState | undefined> {
    try {
      return await this.#parts.state.load()
    } catch (error) {
      this.tell({ type: 'state-unsaved', problem: problemOf(error) })
      return undefined
    }
  }

  async #look(): Promise<void> {
    const { clock, jobs } = this.#parts
    this.#woken = new AbortController()
    const now = clock.now()
    // The machine slept, or its clock was set forward: nobody watched meanwhile.
    const wasAway = this.#lookAt !== undefined && now > this.#lookAt + longestWait
    const ready: ReadyRun[] = []
    let nextAt = Number.POSITIVE_INFINITY
    for (const policy of jobs.policies) {
      if (this.#active.has(policy.job)) continue
      const history = this.#histories.get(policy.job)
      if (history === undefined) {
        this.#work(policy.job, () => this.#beginWatching(policy))
        continue
      }
      const report = this.#ask(policy, wasAway ? { ...history, watchedSince: now } : history, now)
      for (const run of report.due) ready.push({ policy, run })
      if (report.nextAt !== undefined && report.nextAt < nextAt) nextAt = report.nextAt
    }
    for (const { policy, run } of inOrder(ready)) {
      if (this.#active.has(policy.job) || !this.#hasPlace(run.task)) continue
      this.#work(policy.job, () => runOnce(this.#runParts(policy), run), run.task)
    }
    this.tell({
      type: 'idle',
      ...(nextAt === Number.POSITIVE_INFINITY ? {} : { nextAt: new Date(nextAt).toISOString() }),
      running: this.#active.size,
    })
    const wait = Math.min(nextAt - now, longestWait)
    this.#lookAt = now + wait
    if (!this.#stop.aborted) await clock.wait(wait, this.#woken.signal)
  }

  /** One place more than there are is for logs alone, so that runs that take hours do not keep the logs of other jobs from being made. */
  #hasPlace(task: ScheduleTask): boolean {
    const running = [...this.#active.values()].flatMap((active) => active.task ?? [])
    const { concurrency } = this.#parts
    return running.length <= concurrency && (task === 'log' || running.filter((each) => each !== 'log').length < concurrency)
  }

  /** What is due of a job, after what time has made of its history. */
  #ask(policy: SchedulePolicy, before: JobHistory, now: number): ReturnType<typeof due> {
    let history = afterClockWasSet(watchNewTasks(before, policy, now), now, policy)
    const report = due(now, history, policy)
    for (const { task, slot, slots } of report.missed) {
      history = leaveOut(history, task, slot)
      this.tell({ type: 'slots-left-out', job: policy.job, task, slot: new Date(slot).toISOString(), slots })
    }
    const changed = history !== this.#histories.get(policy.job)
    this.#histories.set(policy.job, history)
    if (changed) void this.#save()
    return report
  }

  async #beginWatching(policy: SchedulePolicy): Promise<void> {
    const { job } = policy
    let known = Object.hasOwn(this.#remembered, job) ? this.#remembered[job] : undefined
    if (known === undefined && this.#parts.recall !== undefined) {
      try {
        known = await this.#parts.recall(job, { signal: this.#stop })
      } catch (error) {
        if (this.#stop.aborted) return
        this.tell({ type: 'history-unknown', job, problem: problemOf(error) })
      }
    }
    this.#histories.set(job, beginWatching(known, policy, this.#parts.clock.now()))
    await this.#save()
  }

  #runParts(policy: SchedulePolicy): Parameters<typeof runOnce>[0] {
    return {
      ...this.#parts,
      policy,
      stop: this.#stop,
      abort: this.#abortRuns.signal,
      history: () => this.#histories.get(policy.job) ?? { watchedSince: this.#parts.clock.now(), tasks: {} },
      note: async (history) => {
        this.#histories.set(policy.job, history)
        await this.#save()
      },
      tell: (event) => this.tell(event),
    }
  }

  #work(job: string, work: () => Promise<void>, task?: ScheduleTask): void {
    const done = work()
      // A bug must not end what has to go on for years: it is told, and the job looked at again after a while.
      .catch(async (error: unknown) => {
        this.tell({ type: 'schedule-broken', job, problem: problemOf(error) })
        await this.#parts.clock.wait(longestWait, this.#stop)
      })
      .finally(() => {
        this.#active.delete(job)
        this.#woken.abort()
      })
    this.#active.set(job, { done, ...(task === undefined ? {} : { task }) })
  }

  async #end(): Promise<void> {
    const { clock, graceSeconds } = this.#parts
    const ended = new AbortController()
    const all = Promise.all([...this.#active.values()].map(({ done }) => done)).finally(() => ended.abort())
    if (graceSeconds > 0) await clock.wait(graceSeconds * 1000, ended.signal)
    this.#abortRuns.abort(new BackupError('the schedule was stopped', { code: 'ABORTED' }))
    await all
    await this.#saving
  }

  /** One after the other, so that the newest is what stays. */
  #save(): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      const jobs = { ...this.#remembered, ...Object.fromEntries(this.#histories) }
      try {
        await this.#parts.state.save({ jobs })
      } catch (error) {
        this.tell({ type: 'state-unsaved', problem: problemOf(error) })
      }
    })
    return this.#saving
  }

  tell(event: ScheduleEvent): void {
    try {
      this.#parts.onEvent?.(event)
    } catch {
      // Who listens and fails does not stop a schedule.
    }
  }
}

/** What has been due longest, and of one moment the fulls; of one job in its own order, in which what has no place makes way for a log. */
function inOrder(ready: readonly ReadyRun[]): readonly ReadyRun[] {
  const first = new Map<string, DueRun>()
  for (const { policy, run } of ready) if (!first.has(policy.job)) first.set(policy.job, run)
  const isFirst = ({ policy, run }: ReadyRun) => first.get(policy.job) === run
  const logs = ready.filter((each) => !isFirst(each) && each.run.task === 'log')
  return [...ready.filter(isFirst).toSorted(byUrgency), ...logs.toSorted(byUrgency)]
}

function byUrgency({ run: a }: ReadyRun, { run: b }: ReadyRun): number {
  return a.since - b.since || scheduleTasks.indexOf(a.task) - scheduleTasks.indexOf(b.task)
}
