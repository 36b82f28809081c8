import { type Attributes, type Meter, metrics, type Span, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
import type { Phase } from '../contracts/index.ts'
import type { RunEvent } from '../events/run-event.ts'
import { type JobGauges, runInstruments } from './run-instruments.ts'
import type { RunObservation, RunObserver } from './run-observation.ts'

export interface RunTelemetrySettings {
  /** Of the SDK that the process has set up when left out; without one, nothing is recorded and it costs nothing. */
  readonly meter?: Meter
  readonly tracer?: Tracer
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** What a job is known to hold; what is left out stays as it was noted before. */
export interface JobStanding {
  readonly job: string
  /** ISO 8601 in UTC. */
  readonly restorableUntil?: string
  /** Of the newest restorable window. */
  readonly windowSeconds?: number
  /** When the newest drill that passed had ended, ISO 8601 in UTC. */
  readonly drillPassedAt?: string
  /** When each task last ended well, ISO 8601 in UTC, such as it was before this process began. */
  readonly lastSuccess?: Readonly<Record<string, string>>
}

export interface RunTelemetry {
  /** To be handed every event of every run; keeps the events of one task of one job apart from those of others. */
  readonly observe: RunObserver
  /** What events do not say. */
  note(standing: JobStanding): void
}

const name = '@backup-planet/core'
/** Jobs stand in a configuration; should they be made up by a program, the number of series stays bounded all the same. */
const mostJobs = 1000
const otherJobs = 'other'

/**
 * Metrics and spans of backups, restores, drills and all other runs, made from their events alone. Names and units are in `docs/metrics.md`. What an application
 * says is in none of them, only codes and numbers: no secret, no name of an item, and a bounded number of series.
 */
export function createRunTelemetry(settings: RunTelemetrySettings = {}): RunTelemetry {
  const { meter = metrics.getMeter(name), tracer = trace.getTracer(name), now = Date.now } = settings
  const jobs = new Map<string, Gauges>()
  const runs = new Map<string, Run>()
  const instruments = runInstruments(
    meter,
    () => jobs,
    () => now() / 1000,
  )
  const labelOf = (job: string) => (jobs.has(job) || jobs.size < mostJobs ? job : otherJobs)
  const gaugesOf = (job: string): Gauges => {
    const known = jobs.get(job) ?? { lastSuccess: new Map(), lastOutcome: new Map() }
    jobs.set(job, known)
    return known
  }

  function begin(key: string, labels: Labels, event: EventOf<'started'>): void {
    end(key, labels, 'aborted')
    const { action, id, application, kind } = event
    const attributes = attributesOf({
      'backup_planet.job': labels.job,
      'backup_planet.task': labels.task,
      'backup_planet.run.id': id,
      'backup_planet.application': application,
      'backup_planet.kind': kind,
    })
    const span = tracer.startSpan(`backup_planet.${action}`, { attributes, startTime: new Date(now()) })
    runs.set(key, { span, bytes: new Map() })
    instruments.active.add(1, labels)
  }

  function end(key: string, labels: Labels, outcome: EventOf<'finished'>['outcome']): void {
    const run = runs.get(key)
    if (run === undefined) return
    runs.delete(key)
    instruments.active.add(-1, labels)
    run.span.setAttribute('backup_planet.outcome', outcome)
    if (outcome !== 'done') run.span.setStatus({ code: SpanStatusCode.ERROR, message: outcome })
    run.span.end(new Date(now()))
  }

  function moved({ bytes }: Run, labels: Labels, event: EventOf<'bytes'>): void {
    const direction = directions[event.phase]
    const more = event.bytes - (bytes.get(event.phase) ?? 0)
    if (direction === undefined || more <= 0) return
    bytes.set(event.phase, event.bytes)
    instruments.bytes.add(more, { ...labels, direction })
  }

  function drilled(labels: Labels, outcome: EventOf<'drilled'>['outcome']): void {
    instruments.drills.add(1, { job: labels.job, outcome })
    if (outcome === 'passed') gaugesOf(labels.job).drillPassedAt = now() / 1000
  }

  function finished(key: string, labels: Labels, { outcome, seconds }: EventOf<'finished'>): void {
    instruments.duration.record(seconds, { ...labels, outcome })
    const gauges = gaugesOf(labels.job)
    gauges.lastOutcome.set(labels.task, outcome === 'done' ? 1 : 0)
    if (outcome === 'done') gauges.lastSuccess.set(labels.task, now() / 1000)
    end(key, labels, outcome)
  }

  return {
    observe({ job, task, event }: RunObservation): void {
      const labels = { job: labelOf(job), task }
      const key = JSON.stringify([job, task])
      const run = runs.get(key)
      if (event.type === 'started') begin(key, labels, event)
      else if (event.type === 'bytes' && run !== undefined) moved(run, labels, event)
      else if (event.type === 'problem') instruments.problems.add(1, { ...labels, severity: event.problem.severity })
      else if (event.type === 'restorable') gaugesOf(labels.job).restorableUntil = Date.parse(event.until) / 1000
      else if (event.type === 'drilled') drilled(labels, event.outcome)
      if (run !== undefined) markOn(run.span, event, new Date(now()))
      if (event.type === 'finished') finished(key, labels, event)
    },
    note({ job, restorableUntil, windowSeconds, drillPassedAt, lastSuccess = {} }) {
      const gauges = gaugesOf(labelOf(job))
      if (restorableUntil !== undefined) gauges.restorableUntil = Date.parse(restorableUntil) / 1000
      if (windowSeconds !== undefined) gauges.windowSeconds = windowSeconds
      if (drillPassedAt !== undefined) gauges.drillPassedAt = Date.parse(drillPassedAt) / 1000
      for (const [task, at] of Object.entries(lastSuccess)) gauges.lastSuccess.set(task, Date.parse(at) / 1000)
    },
  }
}

type EventOf<Type extends RunEvent['type']> = Extract<RunEvent, { readonly type: Type }>

interface Labels extends Attributes {
  readonly job: string
  readonly task: string
}

interface Run {
  readonly span: Span
  /** Of each phase so far: events say the sum since the start. */
  readonly bytes: Map<Phase, number>
}

interface Gauges extends JobGauges {
  readonly lastSuccess: Map<string, number>
  readonly lastOutcome: Map<string, number>
  restorableUntil?: number
  windowSeconds?: number
  drillPassedAt?: number
}

const directions: Readonly<Partial<Record<Phase, 'read' | 'sent'>>> = { capture: 'read', read: 'read', verify: 'read', store: 'sent' }

/** Milestones of a run on its span, by codes and numbers alone. */
function markOn(span: Span, event: RunEvent, at: Date): void {
  if (event.type === 'problem') span.addEvent('problem', { code: event.problem.code, severity: event.problem.severity }, at)
  if (event.type === 'promoted') span.addEvent('promoted', { asked: event.asked, kind: event.kind }, at)
  if (event.type === 'captured') span.addEvent('captured', { items: event.items, failed: event.failed, bytes: event.bytes }, at)
  if (event.type === 'stored') span.addEvent('stored', { id: event.id, status: event.status, resumed: event.resumed }, at)
  if (event.type === 'confirmed') span.addEvent('confirmed', { id: event.id }, at)
  if (event.type === 'stalled') span.addEvent('stalled', { seconds: event.seconds }, at)
}

function attributesOf(values: Readonly<Record<string, string | undefined>>): Attributes {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}
