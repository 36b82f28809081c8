import type { Finding, Progress, Repository } from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { outcomeOfError, type RunOptions, RunReporter } from '../events/run-reporter.ts'

export interface VerifyParts {
  readonly repository: Repository
  /** Every byte, not only the structure. */
  readonly readData?: boolean
  /** With `readData`: one part of so many of the data, counted from 1. Throws `UNSUPPORTED` where the repository reads all or nothing. */
  readonly subset?: { readonly part: number; readonly of: number }
  readonly job?: string
  readonly id?: string
}

/** What is whole in a repository and what is not. Changes nothing. Throws `NOT_FOUND` when `id` names no backup. */
export async function* verify(parts: VerifyParts, options: RunOptions = {}): AsyncGenerator<Finding, void, void> {
  const { repository, readData = false, subset, job, id } = parts
  using reporter = new RunReporter(options)
  const operation = { signal: options.signal, onProgress: reporter.onProgress }
  const filter = { ...(job === undefined ? {} : { job }), ...(id === undefined ? {} : { id }) }
  let damaged = false
  let ended = false
  try {
    reporter.emit({ type: 'started', action: 'verify', ...filter })
    throwIfAborted(options.signal, 'verifying')
    if (subset !== undefined && repository.supports.verifiesParts !== true) throw onlyWhole(repository.destination)
    if (id !== undefined || (readData && !repository.supports.deduplicates)) {
      let bytes = 0
      let found = false
      // What cannot be read is said below, as a finding.
      const onProgress = ({ type }: Progress) => {
        if (type === 'problem') found = true
      }
      for await (const backup of repository.list(filter, { signal: options.signal, onProgress })) {
        found = true
        for (const { files = [] } of backup.items) for (const { size } of files) bytes += size
      }
      if (!found && id !== undefined) throw noBackup(id, repository.destination)
      if (readData && bytes > 0) reporter.expect('verify', bytes)
    }
    for await (const finding of repository.verify({ readData, ...(subset === undefined ? {} : { subset }), ...filter }, operation)) {
      if (finding.severity === 'error') damaged = true
      yield finding
    }
    ended = true
    reporter.finish(damaged ? 'failed' : 'done')
  } catch (error) {
    ended = true
    reporter.finish(outcomeOfError(error))
    throw error
  } finally {
    if (!ended) reporter.finish('aborted')
  }
}

function onlyWhole(destination: string): BackupError {
  return new BackupError(`the repository ${destination} cannot read a part of its data at a time`, {
    code: 'UNSUPPORTED',
    hint: 'Verify single backups by their ids, or read everything without a subset.',
  })
}

function noBackup(id: string, destination: string): BackupError {
  return new BackupError(`there is no backup ${id} in ${destination}`, {
    code: 'NOT_FOUND',
    hint: 'Look at the ids with list.',
  })
}
