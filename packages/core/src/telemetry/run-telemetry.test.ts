import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { describe, expect, test } from 'vitest'
import type { RunEvent } from '../events/run-event.ts'
import { createRunTelemetry } from './run-telemetry.ts'

const start = Date.UTC(2026, 10, 22)

function bench() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
  const provider = new MeterProvider({ readers: [reader] })
  let now = start
  const telemetry = createRunTelemetry({ meter: provider.getMeter('test'), now: () => now })
  return {
    telemetry,
    at: (seconds: number) => (now = start + seconds * 1000),
    say: (job: string, task: string, ...events: readonly RunEvent[]) => {
      for (const event of events) telemetry.observe({ job, task, event })
    },
    async points(): Promise<Readonly<Record<string, readonly { readonly attributes: object; readonly value: unknown }[]>>> {
      await reader.forceFlush()
      const metrics =
        exporter
          .getMetrics()
          .at(-1)
          ?.scopeMetrics.flatMap((scope) => scope.metrics) ?? []
      return Object.fromEntries(metrics.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints]))
    },
    [Symbol.asyncDispose]: () => provider.shutdown(),
  }
}

const started: RunEvent = { type: 'started', action: 'backup' }
const sent = (bytes: number): RunEvent => ({ type: 'bytes', phase: 'store', bytes, rate: 0 })
const finished = (outcome: 'done' | 'failed'): RunEvent => ({ type: 'finished', outcome, seconds: 12, bytes: 300 })

describe('of what one run says', () => {
  test('bytes are counted once, though events say their sum, and two jobs do not disturb each other', async () => {
    await using here = bench()
    here.say('shop', 'full', started, sent(100))
    here.say('crm', 'full', started, sent(7))
    here.say('shop', 'full', sent(300), sent(300), { type: 'bytes', phase: 'restore', bytes: 5, rate: 0 }, finished('done'))
    const { 'backup_planet.run.io': io = [], 'backup_planet.run.active': active } = await here.points()
    expect(io.map(({ attributes, value }) => ({ ...attributes, value }))).toEqual([
      { job: 'shop', task: 'full', direction: 'sent', value: 300 },
      { job: 'crm', task: 'full', direction: 'sent', value: 7 },
    ])
    expect(active?.map(({ value }) => value)).toEqual([0, 1])
  })

  test('a failure keeps the last success, and says how the last run ended', async () => {
    await using here = bench()
    here.at(10)
    here.say('shop', 'log', started, finished('done'))
    here.at(20)
    here.say('shop', 'log', started, finished('failed'))
    const points = await here.points()
    expect(points['backup_planet.run.last_success']).toMatchObject([{ value: start / 1000 + 10 }])
    expect(points['backup_planet.run.last_outcome']).toMatchObject([{ value: 0 }])
    expect(points['backup_planet.run.duration']).toMatchObject([
      { attributes: { outcome: 'done' }, value: { count: 1, sum: 12 } },
      { attributes: { outcome: 'failed' }, value: { count: 1 } },
    ])
  })

  test('a drill that passed grows old; one that failed makes it no younger', async () => {
    await using here = bench()
    here.say('shop', 'drill', started, { type: 'drilled', job: 'shop', id: 'd', outcome: 'passed', stored: 1 }, finished('done'))
    here.at(100)
    here.say('shop', 'drill', started, { type: 'drilled', job: 'shop', id: 'e', outcome: 'failed', stored: 1 }, finished('failed'))
    const points = await here.points()
    expect(points['backup_planet.drill.age']).toMatchObject([{ value: 100 }])
    expect(points['backup_planet.drills']).toMatchObject([{ attributes: { outcome: 'passed' } }, { attributes: { outcome: 'failed' } }])
  })
})

test('jobs without end make no series without end, and texts of applications none at all', async () => {
  await using here = bench()
  const problem = { severity: 'warning', code: 'APPLICATION', message: 'secret', hint: 'secret', item: 'secret' } as const
  for (let job = 0; job < 1500; job++) here.say(`job${job}`, 'full', started, { type: 'problem', problem }, finished('done'))
  const points = await here.points()
  expect(points['backup_planet.run.last_success']?.length).toBeLessThanOrEqual(1001)
  expect(JSON.stringify(points)).not.toContain('secret')
})

test('what was before this process began is noted', async () => {
  await using here = bench()
  here.telemetry.note({ job: 'shop', restorableUntil: '2026-11-22T00:00:00Z', windowSeconds: 60, drillPassedAt: '2026-11-21T23:59:00Z' })
  here.telemetry.note({ job: 'shop', lastSuccess: { full: '2026-11-22T00:00:00Z' } })
  const points = await here.points()
  expect(points['backup_planet.restorable.until']).toMatchObject([{ value: start / 1000 }])
  expect(points['backup_planet.restorable.window']).toMatchObject([{ value: 60 }])
  expect(points['backup_planet.drill.age']).toMatchObject([{ value: 60 }])
  expect(points['backup_planet.run.last_success']).toMatchObject([{ attributes: { job: 'shop', task: 'full' } }])
})
