import { BackupError } from '../errors/backup-error.ts'
import { timeZone } from '../time/time-zone.ts'
import { parseCron } from './cron-expression.ts'
import { type SchedulePolicy, type StartWindow, weekdays } from './schedule-policy.ts'
import { minuteOfDay } from './start-windows.ts'

/** What is wrong with a policy, and where: the keys that lead to it, such as `entries`, `full` or `windows`, `0`, `from`. */
export interface PolicyProblem {
  readonly path: readonly string[]
  /** A clause with the value in it. */
  readonly message: string
}

/** Everything that is wrong with a policy; empty when nothing is, and then `due` does not throw. */
export function checkPolicy({ entries, timezone, windows = [] }: SchedulePolicy): readonly PolicyProblem[] {
  return [
    ...Object.entries(entries).flatMap(([task, text]) => problemOf(['entries', task], () => parseCron(text))),
    ...problemOf(['timezone'], () => timeZone(timezone)),
    ...windows.flatMap((window, index) => windowProblems(window, ['windows', String(index)])),
  ]
}

function windowProblems({ days, from, to }: StartWindow, path: readonly string[]): PolicyProblem[] {
  const problems: PolicyProblem[] = []
  const [begin, end] = [minuteOfDay(from), minuteOfDay(to)]
  if (begin === undefined || begin === 1440)
    problems.push({ path: [...path, 'from'], message: `${JSON.stringify(from)} is no time of a day from 00:00 to 23:59` })
  if (end === undefined || end === 0)
    problems.push({
      path: [...path, 'to'],
      message: `${JSON.stringify(to)} is no time of a day from 00:01 to 24:00; midnight at the end of a day is 24:00`,
    })
  if (begin !== undefined && begin === end) {
    problems.push({
      path: [...path, 'to'],
      message: `the window is empty, since it begins and ends at ${to}; a whole day is from 00:00 to 24:00`,
    })
  }
  if (days?.length === 0) problems.push({ path: [...path, 'days'], message: `no day is named; the days are ${weekdays.join(', ')}` })
  return problems
}

function problemOf(path: readonly string[], attempt: () => unknown): PolicyProblem[] {
  try {
    attempt()
    return []
  } catch (error) {
    if (BackupError.is(error)) return [{ path, message: error.message }]
    throw error
  }
}
