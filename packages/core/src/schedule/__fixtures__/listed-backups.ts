import type { Backup, CaptureKind } from '../../contracts/index.ts'

/** As a repository lists it, as far as a schedule looks at it. */
export function backupOf(kind: CaptureKind, beganAt: number, more: Partial<Backup> = {}): Backup {
  const time = new Date(beganAt).toISOString()
  return {
    format: 'backup-planet/manifest/1',
    id: `${beganAt}`,
    job: 'shop',
    application: 'memory',
    agent: { version: '1.0.0' },
    source: { id: 'memory', name: 'memory', version: '1' },
    kind,
    status: 'complete',
    beganAt: time,
    consistentAt: time,
    endedAt: time,
    items: [],
    facts: {},
    storage: {},
    ...more,
  }
}
