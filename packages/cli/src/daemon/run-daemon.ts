import { commandRunner, createJobList, runSchedule, type ScheduleEvent, type ScheduleStateStore } from '@backup-planet/core'
import type { CommandContext } from '../command-context.ts'
import { failureFacts } from '../output/failure-text.ts'
import { refuseExposure } from '../workspace/refused-exposure.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { createDaemonHealth } from './daemon-health.ts'
import { lockDaemon } from './daemon-lock.ts'
import { allObservers, type DaemonObserverFactory } from './daemon-observer.ts'
import { observerFactories } from './daemon-observers.ts'
import type { DaemonTasks } from './daemon-task.ts'
import { daemonTasks } from './daemon-tasks.ts'
import { doScheduled } from './daemon-work.ts'
import { createJobLeases, recallHistory } from './job-lease.ts'
import { policiesOf } from './job-policies.ts'
import { metricsObserver } from './metrics-observer.ts'
import { openMetrics } from './open-metrics.ts'
import { scheduleStateStore } from './schedule-state-file.ts'
import { createServiceNotifier, type ServiceNotifier } from './service-notifier.ts'
import { graceOf } from './stop-limits.ts'

export interface DaemonSettings {
  readonly tasks?: DaemonTasks
  readonly observers?: readonly DaemonObserverFactory[]
  readonly notifier?: ServiceNotifier
  readonly state?: ScheduleStateStore
}

/** The schedule looks at its clock every minute; when it has not for so long, it hangs. */
const hangsAfter = 5 * 60_000

/** Runs the jobs of a configuration by their schedules until the command is stopped, and takes a changed configuration when it is asked to. */
export async function runDaemon(context: CommandContext, settings: DaemonSettings = {}): Promise<void> {
  const { tasks = daemonTasks, observers: factories = observerFactories } = settings
  let workspace = await context.workspace()
  refuseExposure(workspace)
  const jobs = createJobList(policiesOf(workspace, tasks))
  const { concurrency, listen } = workspace.configuration.content.daemon
  const grace = graceOf(workspace.configuration.content)
  const directory = workspace.stagingDirectory
  await using _lock = await lockDaemon(directory)
  const notifier =
    settings.notifier ?? createServiceNotifier({ environment: context.environment, runner: commandRunner, warn: context.output.remark })
  const health = createDaemonHealth(context.now, hangsAfter)
  // One for the life of the daemon: numbers go on over a reload.
  await using metrics = await openMetrics(listen, { health: health.health, now: context.now }, context.output.remark)
  const counting = metrics === undefined ? [] : [metricsObserver(metrics.telemetry)]
  const observing = (used: Workspace) => allObservers([...factories.map((make) => make(context, used)), ...counting])
  let observers = observing(workspace)
  const leaseOf = createJobLeases()
  const names = () => jobs.policies.map(({ job }) => job)
  let lookedAt = performance.now()

  const onEvent = (event: ScheduleEvent): void => {
    if (event.type === 'idle') {
      lookedAt = performance.now()
      notifier.status(statusText(event))
    }
    health.observe(event)
    observers.onScheduleEvent(event)
  }
  const reload = async (): Promise<void> => {
    notifier.reloading()
    try {
      const changed = await context.newWorkspace()
      refuseExposure(changed)
      const policies = policiesOf(changed, tasks)
      const heard = observing(changed)
      await observers.close()
      ;[workspace, observers] = [changed, heard]
      jobs.replace(policies)
      health.watch(names())
      observers.onDaemonEvent({ type: 'configuration-reloaded', jobs: names() })
    } catch (error) {
      observers.onDaemonEvent({ type: 'configuration-refused', failure: failureFacts(error) })
    }
    notifier.ready()
  }
  let reloads = Promise.resolve()
  const forget = context.onReload(() => {
    reloads = reloads.then(reload)
  })
  const onStop = (): void => {
    notifier.stopping()
    observers.onDaemonEvent({ type: 'daemon-stopping', graceSeconds: grace / 1000 })
  }
  context.signal.addEventListener('abort', onStop, { once: true })
  using _watchdog = notifier.watch(() => performance.now() - lookedAt < hangsAfter)
  try {
    observers.onDaemonEvent({ type: 'daemon-started', jobs: names() })
    notifier.ready()
    await runSchedule(
      {
        jobs,
        state: settings.state ?? scheduleStateStore(directory),
        lease: (job, options) => leaseOf(workspace, job, options),
        recall: (job, options) => recallHistory(workspace, job, context.now(), options),
        execute: (run, { signal }) =>
          doScheduled(run, { tasks, workspace, signal, mask: context.mask, now: context.now, observers: () => observers }),
        onEvent,
        graceSeconds: grace / 1000,
        ...(concurrency === undefined ? {} : { concurrency }),
      },
      { signal: context.signal },
    )
  } finally {
    context.signal.removeEventListener('abort', onStop)
    forget()
    await reloads
    await observers.close()
    await notifier.said()
  }
}

function statusText({ nextAt, running }: Extract<ScheduleEvent, { type: 'idle' }>): string {
  const now = running === 0 ? '' : `${running === 1 ? 'one job' : `${running} jobs`} at work`
  const next = nextAt === undefined ? '' : `next at ${nextAt.replace(/\.\d+/, '')}`
  return [now, next].filter((part) => part !== '').join(', ') || 'nothing is scheduled'
}
