import { SpanStatusCode } from '@opentelemetry/api'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { expect, test } from 'vitest'
import { createRunTelemetry } from './run-telemetry.ts'

test('a run is a span with its milestones; one that was cut off ends when the next begins', () => {
  const exporter = new InMemorySpanExporter()
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] })
  let now = 1000
  const { observe } = createRunTelemetry({ tracer: provider.getTracer('test'), now: () => now })
  const of = { job: 'shop', task: 'full' }
  observe({ ...of, event: { type: 'started', action: 'backup', id: 'cut' } })
  observe({ ...of, event: { type: 'started', action: 'backup', id: 'r', application: 'mysql', kind: 'full' } })
  observe({ ...of, event: { type: 'stored', id: 'r', status: 'partial', resumed: false } })
  now = 4000
  observe({ ...of, event: { type: 'finished', outcome: 'partial', seconds: 3, bytes: 1 } })
  const [cut, span] = exporter.getFinishedSpans()
  expect(cut?.attributes).toMatchObject({ 'backup_planet.run.id': 'cut', 'backup_planet.outcome': 'aborted' })
  expect(span).toMatchObject({
    name: 'backup_planet.backup',
    attributes: { 'backup_planet.job': 'shop', 'backup_planet.kind': 'full', 'backup_planet.outcome': 'partial' },
    status: { code: SpanStatusCode.ERROR },
    startTime: [1, 0],
    endTime: [4, 0],
    events: [{ name: 'stored', attributes: { status: 'partial' } }],
  })
})
