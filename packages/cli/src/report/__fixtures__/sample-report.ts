import type { BackupReport, JobReport, ReportData } from '../report-data.ts'

export const madeAt = '2026-11-22T12:00:00.000Z'

export function sampleBackup(changes: Partial<BackupReport> = {}): BackupReport {
  return {
    id: '20261122T100000Z-aaaaaa',
    kind: 'full',
    status: 'complete',
    beganAt: '2026-11-22T10:00:00.000Z',
    consistentAt: '2026-11-22T10:00:01.000Z',
    seconds: 63,
    items: 2,
    failed: [],
    bytes: 5 * 1024 ** 3,
    repositories: ['local'],
    ...changes,
  }
}

export function sampleJob(changes: Partial<JobReport> = {}): JobReport {
  const from = { at: '2026-11-20T10:00:01.000Z', backup: '20261120T100000Z-aaaaaa' }
  const to = { at: '2026-11-22T10:00:01.000Z', backup: '20261122T100000Z-aaaaaa' }
  return {
    job: 'shop',
    application: 'mysql',
    repositories: ['local'],
    pointInTime: true,
    restorableUntil: to,
    restorable: [{ items: ['orders', 'notes'], windows: [{ kind: 'exact', from, to, times: [{ from: from.at, to: to.at }] }] }],
    itemsLeftOut: 0,
    gaps: [],
    backups: [sampleBackup()],
    drills: [],
    problems: [],
    ...changes,
  }
}

export function sampleReport(...jobs: readonly JobReport[]): ReportData {
  const statistics = { backups: 1, storedBytes: 1024 ** 3, unusedBytes: 0, contentBytes: 5 * 1024 ** 3, ratio: 5 }
  return {
    format: 'backup-planet/report/1',
    madeAt,
    host: 'backup1',
    software: '1.0.0',
    jobs,
    repositories: [{ name: 'local', kind: 'restic', destination: 'file:///backups', statistics }],
  }
}
