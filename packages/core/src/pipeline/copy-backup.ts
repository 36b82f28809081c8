import type { Backup, Capture, CaptureFacts, OperationOptions, Repository, Staging } from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { type RunOptions, type RunReporter, reportRun } from '../events/run-reporter.ts'
import { agentGuideOf } from '../naming/restore-guide.ts'
import { fillAndStore } from './fill-and-store.ts'
import { assertFits } from './staging-fit.ts'
import { findBackup, tellStored } from './store-resumed.ts'

export interface CopyBackupParts {
  readonly from: Repository
  /** May be of another kind: what is copied is the backup, not how it lies in its repository. */
  readonly to: Repository
  readonly backup: Backup
  /** The files pass through it, within its budget. */
  readonly staging: Staging
}

export interface CopyBackupReport {
  readonly backup: Backup
  /** False when it was there already. */
  readonly copied: boolean
}

/**
 * Puts a backup into another repository under the same job and id, with all its facts, so that chains go on over both. Every file is
 * checked against its SHA-256 on the way; a damaged one fails the copy with `CORRUPTED`, and nothing is committed. What the other
 * repository holds already of the same content it does not store again, where it deduplicates.
 * Throws `CONFLICT` while a run of the same job uses the staging, and `NOT_FOUND` when the backup is gone.
 */
export function copyBackup(parts: CopyBackupParts, options: RunOptions = {}): Promise<CopyBackupReport> {
  return reportRun(options, async (reporter) => {
    const result = await run(parts, reporter, options)
    return { result, outcome: 'done' }
  })
}

async function run(
  { from, to, backup, staging }: CopyBackupParts,
  reporter: RunReporter,
  { signal }: RunOptions,
): Promise<CopyBackupReport> {
  const operation: OperationOptions = { signal, onProgress: reporter.onProgress }
  const { job, id, application, kind } = backup
  reporter.emit({ type: 'started', action: 'copy', job, id, application, kind })
  throwIfAborted(signal, `copying backup ${id}`)
  assertFits(staging, to)
  const there = await findBackup(to, { job, id }, operation)
  if (there !== undefined) return { backup: there, copied: false }
  const capture = await capturedBefore(from, backup, operation)
  const { beganAt, limitedTo } = backup
  await using stage = await staging.begin({ job, id, beganAt, ...(limitedTo === undefined ? {} : { limitedTo }), kind }, operation)
  try {
    const copy = await fillAndStore({ agent: backup.agent, repository: to, capture, stage, resumable: false }, reporter, signal)
    tellStored(copy, false, to, reporter)
    return { backup: copy, copied: true }
  } finally {
    // The backup is still where it was: nothing that was staged is worth keeping, and no run of the job may send it.
    await stage.remove()
  }
}

/** A backup as if it were captured now. */
async function capturedBefore(from: Repository, backup: Backup, operation: OperationOptions): Promise<Pick<Capture, 'facts' | 'copyTo'>> {
  const items = await from.inventory(backup, operation)
  const guide = await from.readGuide?.(backup, operation)
  const facts: CaptureFacts = {
    application: backup.application,
    source: backup.source,
    kind: backup.kind,
    consistentAt: backup.consistentAt,
    ...(backup.from === undefined ? {} : { from: backup.from }),
    ...(backup.position === undefined ? {} : { position: backup.position }),
    ...(backup.covers === undefined ? {} : { covers: backup.covers }),
    facts: backup.facts,
    restoreGuide: agentGuideOf(guide ?? ''),
  }
  return {
    facts,
    async copyTo(stage, options = {}) {
      const whole = new Map(items.flatMap((item) => (item.failure === undefined ? [[item.item, item] as const] : [])))
      const checksums = new Map(
        [...whole.values()].flatMap(({ item, files = [] }) =>
          files.map(({ name, sha256 }) => [JSON.stringify([item, name]), sha256] as const),
        ),
      )
      for await (const { item, name, content } of from.read(backup, ({ item: of }) => whole.has(of), options)) {
        const { sha256 } = await stage.write({ item, name }, content, options)
        const file = JSON.stringify([item, name])
        const expected = checksums.get(file)
        if (sha256 !== expected) throw notAsStored(backup, item, name, sha256, expected)
        checksums.delete(file)
      }
      if (checksums.size > 0) throw notGiven(backup, [...checksums.keys()])
      for (const { item, failure, from: begin, to: end, bytes, facts: ofItem } of items) {
        if (failure !== undefined) await stage.failItem(item, failure)
        else
          await stage.sealItem({
            item,
            ...(begin === undefined ? {} : { from: begin }),
            ...(end === undefined ? {} : { to: end }),
            ...(bytes === undefined ? {} : { bytes }),
            facts: ofItem,
          })
      }
    },
  }
}

/** @param files the item and the name of each, as JSON */
function notGiven({ id }: Backup, files: readonly string[]): BackupError {
  const named = files.slice(0, 10).map((file) => {
    const [item, name] = JSON.parse(file) as [string, string]
    return `${name} of ${item}`
  })
  const more = files.length > named.length ? ` and ${files.length - named.length} more` : ''
  return new BackupError(`backup ${id} came without ${named.join(', ')}${more}, which its manifest names`, {
    code: 'CORRUPTED',
    hint: 'Nothing was copied. Verify the repository that it came from with readData, and copy another backup.',
  })
}

function notAsStored({ id }: Backup, item: string, name: string, found: string, expected: string | undefined): BackupError {
  return new BackupError(`${name} of ${item} in backup ${id} has sha256 ${found}, its manifest says ${expected ?? 'nothing of it'}`, {
    code: 'CORRUPTED',
    hint: 'Nothing was copied. Verify the repository that it came from with readData, and copy another backup.',
  })
}
