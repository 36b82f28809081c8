import type { Attributes, Meter, ObservableResult } from '@opentelemetry/api'

/** What is known of one job beyond the run that goes on. All in seconds; moments since 1970. */
export interface JobGauges {
  readonly lastSuccess: ReadonlyMap<string, number>
  readonly lastOutcome: ReadonlyMap<string, number>
  readonly restorableUntil?: number | undefined
  readonly windowSeconds?: number | undefined
  readonly drillPassedAt?: number | undefined
}

/** Every metric there is, with its unit (UCUM), as `docs/metrics.md` describes them. */
export function runInstruments(meter: Meter, gauges: () => Iterable<readonly [job: string, gauges: JobGauges]>, now: () => number) {
  const observed = (
    name: string,
    unit: string,
    description: string,
    observe: (job: string, of: JobGauges, result: ObservableResult) => void,
  ) =>
    meter.createObservableGauge(name, { unit, description }).addCallback((result) => {
      for (const [job, of] of gauges()) observe(job, of, result)
    })
  const single = (name: string, description: string, value: (of: JobGauges) => number | undefined) =>
    observed(name, 's', description, (job, of, result) => {
      const seconds = value(of)
      if (seconds !== undefined) result.observe(seconds, { job })
    })
  const eachTask = (name: string, unit: string, description: string, values: (of: JobGauges) => ReadonlyMap<string, number>) =>
    observed(name, unit, description, (job, of, result) => {
      for (const [task, value] of values(of)) result.observe(value, { job, task } satisfies Attributes)
    })

  eachTask('backup_planet.run.last_success', 's', 'When the task last ended well, in seconds since 1970', (of) => of.lastSuccess)
  eachTask('backup_planet.run.last_outcome', '1', 'How the task last ended: 1 well, 0 otherwise', (of) => of.lastOutcome)
  single('backup_planet.restorable.until', 'The latest state that can be restored, in seconds since 1970', (of) => of.restorableUntil)
  single('backup_planet.restorable.window', 'Length of the newest restorable window', (of) => of.windowSeconds)
  single('backup_planet.drill.age', 'Time since the newest drill that passed', (of) =>
    of.drillPassedAt === undefined ? undefined : now() - of.drillPassedAt,
  )
  return {
    duration: meter.createHistogram('backup_planet.run.duration', {
      unit: 's',
      description: 'How long runs took, by how they ended',
      advice: { explicitBucketBoundaries: [1, 5, 15, 60, 300, 900, 3600, 10_800, 43_200, 172_800] },
    }),
    bytes: meter.createCounter('backup_planet.run.io', {
      unit: 'By',
      description: 'Bytes that runs read from applications and repositories, and sent to repositories',
    }),
    problems: meter.createCounter('backup_planet.run.problems', { unit: '{problem}', description: 'Problems that runs told' }),
    active: meter.createUpDownCounter('backup_planet.run.active', { unit: '{run}', description: 'Runs that go on now' }),
    drills: meter.createCounter('backup_planet.drills', { unit: '{drill}', description: 'Drills, by what came out' }),
  }
}
