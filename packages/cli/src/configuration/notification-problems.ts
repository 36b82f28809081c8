import { nearest } from '@backup-planet/core'
import type { ConfigurationContent } from './configuration-schema.ts'
import type { YamlDocument } from './yaml-document.ts'

export interface PlacedProblem {
  readonly line: number
  readonly column: number
  readonly text: string
}

/** Jobs that are named below `notifications` and are not there. */
export function notificationProblems({ jobs, notifications }: ConfigurationContent, document: YamlDocument): readonly PlacedProblem[] {
  const known = Object.keys(jobs)
  const { windowStopped, channels = {} } = notifications ?? {}
  const watched = typeof windowStopped === 'object' ? Object.keys(windowStopped).filter((job) => !known.includes(job)) : []
  return [
    ...watched.map((job) => ({
      ...document.placeOfKey(['notifications', 'windowStopped'], job),
      text: `notifications.windowStopped: ${noJob(job, known)}`,
    })),
    ...Object.entries(channels).flatMap(([name, { jobs: asked }]) =>
      (Array.isArray(asked) ? asked : []).flatMap((job: unknown, at) => {
        if (typeof job !== 'string' || known.includes(job)) return []
        const path = ['notifications', 'channels', name, 'jobs', String(at)]
        return [{ ...document.placeOf(path), text: `${path.join('.')}: ${noJob(job, known)}` }]
      }),
    ),
  ]
}

function noJob(job: string, known: readonly string[]): string {
  const closest = nearest(job, known)
  const suggestion = closest === undefined ? `known are ${known.join(', ')}` : `did you mean "${closest}"?`
  return `there is no job ${JSON.stringify(job)}, ${known.length === 0 ? 'there are none under "jobs"' : suggestion}`
}
