import { durationText, momentText, shownText } from './message-text.ts'
import type { WindowState } from './notification-state.ts'
import type { TaskFailure } from './task-outcome.ts'

/** What a look into its repositories has shown of a job. Plain data, holds no secret. */
export interface ListedWindow {
  /** Up to when it can be restored, ISO 8601; left out where nothing can be, or nothing was seen. */
  readonly until?: string | undefined
  /** Why not all of them could be looked into. */
  readonly problem?: TaskFailure | undefined
}

/** Whether what was seen needs somebody. */
export function isListedBadly(listed: ListedWindow | undefined): boolean {
  return listed !== undefined && (listed.until === undefined || listed.problem !== undefined)
}

/** What can be restored, in the lines of a digest: as it was seen just now, and as it is remembered of the last run where nobody could look. */
export function windowLines(remembered: WindowState | undefined, listed: ListedWindow | undefined, now: string): readonly string[] {
  const { until, problem } = listed ?? { until: remembered?.until }
  const why =
    problem === undefined
      ? []
      : [`  not all of its repositories could be looked into: ${problem.code} ${shownText(problem.message).split('\n')[0]}`]
  const isKnown = until !== undefined || problem === undefined
  const known = isKnown ? until : remembered?.until
  const by = isKnown ? '' : ', by the last run that is known here'
  if (known === undefined) return [...(listed !== undefined && isKnown ? ['  nothing of it can be restored'] : []), ...why]
  const hasMoved = remembered?.until !== undefined && Date.parse(known) > Date.parse(remembered.until)
  return [
    `  restorable until ${momentText(known)}, ${durationText(Date.parse(now) - Date.parse(known))} before${by}`,
    ...(remembered?.told === undefined || hasMoved ? [] : [`  which has not moved since ${momentText(remembered.movedAt)}`]),
    ...why,
  ]
}
