import type { ScheduleEvent } from '@backup-planet/core'
import type { TaskOutcome } from '@backup-planet/notifications'
import { openNotifier } from '../notifying/open-notifier.ts'
import type { DaemonObserverFactory } from './daemon-observer.ts'

/** Tells how runs went through the channels of the configuration. A failure that may be one of a moment is not told of yet. */
export const notifyingObserver: DaemonObserverFactory = ({ mask, output, now }, workspace) => {
  if (workspace.configuration.content.notifications === undefined) return {}
  const notifier = openNotifier({ workspace, mask, warn: (text) => output.remark(text), now })
  notifier.catch((error: unknown) => output.remark(`nobody can be told of anything: ${mask.hide(String(error))}`))
  const withNotifier = (tell: (opened: Awaited<typeof notifier>) => void): void => {
    notifier.then(tell).catch(() => undefined)
  }
  return {
    onScheduleEvent(event) {
      const at = new Date(now()).toISOString()
      if (event.type === 'run-started') withNotifier((opened) => opened.started({ job: event.run.job, task: event.run.task, at }))
      if (event.type === 'run-ended' && (event.outcome !== 'failed' || event.lasting))
        withNotifier((opened) => opened.observe(outcomeOf(event, at)))
    },
    async close() {
      await using _opened = await notifier
    },
  }
}

function outcomeOf(event: Extract<ScheduleEvent, { readonly type: 'run-ended' }>, at: string): TaskOutcome {
  const { run, outcome, seconds, backup, failure, problems } = event
  return {
    job: run.job,
    task: run.task,
    at,
    outcome,
    seconds,
    problems,
    ...(failure === undefined ? {} : { failure }),
    ...(backup === undefined ? {} : { backup }),
    ...(backup === undefined || outcome !== 'done' ? {} : { windowEnd: backup.consistentAt }),
  }
}
