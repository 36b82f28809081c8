import type { RunEvent } from '@backup-planet/core'
import type { CommandContext } from '../command-context.ts'
import { describeDuration } from '../configuration/duration.ts'
import { printable } from '../output/output.ts'
import { problemsText } from '../output/plan-text.ts'
import { type EventFollower, followEvents } from './run-events.ts'

/** A log that grows for months has a line this often about what goes well. */
const lineEveryMilliseconds = 60_000

/**
 * Shows how a server is followed. What is due at the beginning has the progress of any run; what comes then is a line now and then: until when
 * everything can be restored.
 */
export function showFollowing(context: CommandContext): EventFollower {
  const { output, untold } = context
  let run: EventFollower | undefined
  let following = false
  /** A followed store goes on: it may wait for another run of the job. */
  let storing = false
  let toldAt: number | undefined
  const endRun = () => {
    run?.[Symbol.dispose]()
    run = undefined
  }

  const tellFollowed = (event: RunEvent): void => {
    output.emit(event)
    if (event.type === 'started' || event.type === 'finished') storing = event.type === 'started'
    const problems = event.type === 'problem' ? untold([event.problem]) : []
    if (problems.length > 0) output.remark(problemsText(problems))
    if (event.type !== 'restorable') return
    const now = context.now()
    if (toldAt !== undefined && now - toldAt < lineEveryMilliseconds) return
    toldAt = now
    output.remark(`restorable until ${event.until} (backup ${event.id})`)
  }

  return {
    onEvent(event) {
      switch (event.type) {
        case 'following':
          following = true
          output.emit(event)
          return output.remark(`following the server of job ${event.job}`)
        case 'waiting':
          if (following && storing) {
            output.emit(event)
            return output.remark(printable(event.problem.message))
          }
          following = false
          endRun()
          output.emit(event)
          // The log of days without a server says so once.
          if (event.repeated === true) return
          return output.remark(
            `${printable(event.problem.message)}; trying again in ${describeDuration(Math.max(1, event.seconds) * 1000)}\n  hint: ${printable(event.problem.hint)}`,
          )
        default:
      }
      if (following || event.type === 'restorable') return tellFollowed(event)
      run ??= followEvents(context)
      run.onEvent(event)
      if (event.type === 'finished') endRun()
    },
    [Symbol.dispose]: endRun,
  }
}
