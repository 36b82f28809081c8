import type { DrillEvidence } from '../drill-evidence.ts'

/** With every field that there is. */
export const sampleEvidence: DrillEvidence = {
  format: 'backup-planet/drill-evidence/1',
  id: '20261122T080312Z-abcdef',
  job: 'shop',
  application: 'mysql',
  host: 'backup-1',
  beganAt: '2026-11-22T08:03:12.000Z',
  endedAt: '2026-11-22T08:04:12.500Z',
  seconds: 60.5,
  goal: { random: 7 },
  restorePoint: { at: '2026-11-21T02:00:00.000Z', backup: 'log-1', stop: { before: '2026-11-21T02:00:00.000Z' } },
  source: { id: 'uuid', name: 'db:3306', version: '10.11.6' },
  chain: [
    {
      id: 'full-1',
      kind: 'full',
      consistentAt: '2026-11-21T01:00:00.000Z',
      repository: 'offsite',
      destination: 's3://bucket/prefix',
      bytes: 1000,
      manifestSha256: 'a'.repeat(64),
    },
  ],
  bytes: 1000,
  scratch: { name: '/var/tmp/drill', version: '10.11.14' },
  items: [
    { item: 'shop', to: 'shop', checks: [{ name: 'rows of größe', expected: '3', found: '2', passed: false }] },
    { item: 'stock', to: 'stock', checks: [], failure: { code: 'CORRUPTED', message: 'broken', hint: 'Use another.' } },
  ],
  engineChecks: [{ item: 'shop', name: 'CHECK TABLE shop.orders EXTENDED', expected: 'OK', found: 'OK', passed: true }],
  problems: [{ severity: 'warning', code: 'UNSUPPORTED', message: 'another version', hint: 'Install that of the source.' }],
  outcome: 'failed',
  failure: { code: 'CORRUPTED', message: 'broken', hint: 'Use another.' },
  versions: { software: '1.0.0', agent: '1.0.0', node: '24.21.0' },
}
