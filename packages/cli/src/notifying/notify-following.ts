import type { FollowReport, HookedRun, Problem, RunEvent } from '@backup-planet/core'
import type { Notifier, TaskOutcome } from '@backup-planet/notifications'
import { failureFacts } from '../output/failure-text.ts'

/** How following goes, for whoever is told of outcomes: it has no end as a run has. */
export interface FollowingTeller {
  onEvent(event: RunEvent): void
  ended(run: HookedRun<FollowReport>): void
}

/** A server that is started anew, or a network that is gone for a moment, is no failure yet. */
const toldAfterMs = 60_000
/** A full may well take so long; but a run that hangs is never over, and all that was changed meanwhile is lost with the server. */
const waitedTooLongMs = 60 * 60_000
/** What goes well is noted no more often. */
const notedEveryMs = 60_000

/**
 * Tells that following begins; that it has failed, once it could not go on for a minute or has ended; and that it works, whenever something was stored.
 * Waiting for another run of the job is a failure only after an hour.
 *
 * @param now milliseconds since 1970
 */
export function notifyFollowing(notifier: Pick<Notifier, 'started' | 'observe'>, job: string, now: () => number): FollowingTeller {
  const facts = () => ({ job, task: 'follow', at: new Date(now()).toISOString() })
  let inRun = false
  /** For another run of the job, until that was told or is over. */
  let waited: { readonly since: number; readonly problem: Problem } | undefined
  let failingSince: number | undefined
  let notedAt: number | undefined

  const noteWorking = (windowEnd: string): void => {
    const isNews = failingSince !== undefined || notedAt === undefined || now() - notedAt >= notedEveryMs
    failingSince = undefined
    if (!isNews) return
    notedAt = now()
    notifier.observe({ ...facts(), outcome: 'done', windowEnd })
  }

  const noteFailing = ({ code, message, hint }: Problem): void => {
    failingSince ??= now()
    notifier.observe({ ...facts(), outcome: 'failed', failure: { code, message, hint } })
  }

  /** While it waits nothing moves, which the run says each minute; the agent may tell problems meanwhile. */
  const noteWaited = (event: RunEvent): void => {
    if (event.type === 'waiting') waited ??= { since: now(), problem: event.problem }
    else if (event.type !== 'stalled' && event.type !== 'problem') waited = undefined
    if (waited === undefined || now() - waited.since < waitedTooLongMs) return
    noteFailing(waited.problem)
    waited = undefined
  }

  notifier.started(facts())
  return {
    onEvent(event) {
      if (event.type === 'started' || event.type === 'finished') inRun = event.type === 'started'
      if (event.type === 'restorable') noteWorking(event.until)
      if (inRun) return noteWaited(event)
      waited = undefined
      if (event.type !== 'waiting') return
      failingSince ??= now()
      if (now() - failingSince >= toldAfterMs) noteFailing(event.problem)
    },
    ended: (run) => notifier.observe({ ...facts(), ...endOf(run) }),
  }
}

/** Who follows is always stopped by somebody: that is neither a failure nor a success, unless what had come was stored. */
function endOf({ outcome, seconds, result, error, problems }: HookedRun<FollowReport>): Omit<TaskOutcome, 'job' | 'task' | 'at'> {
  if (result === undefined) return { outcome, seconds, problems, ...(outcome === 'aborted' ? {} : { failure: failureFacts(error) }) }
  const { restorableUntil: windowEnd } = result
  if (windowEnd === undefined && outcome === 'done') return { outcome: 'aborted', seconds, problems }
  return { outcome, seconds, problems, ...(windowEnd === undefined ? {} : { windowEnd }) }
}
