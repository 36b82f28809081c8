import type { ScheduledOutcome, ScheduledRun, ScheduleEvent, ScheduleTask } from '@backup-planet/core'

const moment = '2026-03-01T02:00:00.000Z'

export function runOf(task: ScheduleTask): ScheduledRun {
  return { job: 'shop', task, slot: moment, slots: 1, attempt: 1, beganAt: moment }
}

/** How such a run ended: a failure is given up and lasts, unless it is said when it is tried again. */
export function endedRun(
  task: ScheduleTask,
  outcome: ScheduledOutcome,
  { retryAt, lasting }: { readonly retryAt?: string; readonly lasting?: boolean } = {},
): ScheduleEvent {
  const isGivenUp = outcome === 'failed' && retryAt === undefined
  const failure = { severity: 'error', code: 'UNREACHABLE', message: 'nobody answers', hint: 'Wait.' } as const
  return {
    type: 'run-ended',
    run: runOf(task),
    outcome,
    seconds: 1,
    problems: [],
    lasting: lasting ?? isGivenUp,
    givenUp: isGivenUp,
    ...(outcome === 'failed' ? { failure } : {}),
    ...(retryAt === undefined ? {} : { retryAt }),
  }
}
