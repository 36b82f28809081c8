import { BackupError } from '@backup-planet/core'
import { damagedBlob } from '../read/blob-reader.ts'
import { type FailedWrite, pathBytes } from '../workers/target-writing.ts'
import { failedWriteError, ofFile } from './extraction-errors.ts'
import type { PlannedBlob, PlannedFile } from './planned-content.ts'

/** What became of a blob: `undefined` when it is written wherever it goes, else damage, what is wrong with it, or what broke writing it. */
export type BlobOutcome = BackupError | string | FailedWrite | undefined

/** Files with the places in which the blob is written now. */
export function filesWritten({ targets }: PlannedBlob, outcome: BlobOutcome): PlannedFile[] {
  const written = outcome === undefined ? targets.length : isFailedWrite(outcome) ? outcome.target : 0
  return targets.slice(0, written).map(({ file }) => file)
}

/** The error to throw for some blobs, of the first file in the order of the snapshot that is hit; `undefined` when none is. */
export function firstFailure(blobs: readonly PlannedBlob[], outcomes: readonly BlobOutcome[]): { readonly error: unknown } | undefined {
  let first: { readonly file: PlannedFile; readonly error: unknown } | undefined
  for (const [at, blob] of blobs.entries()) {
    const outcome = outcomes[at]
    if (outcome === undefined) continue
    const file = blob.targets[isFailedWrite(outcome) ? outcome.target : 0]?.file
    if (file === undefined) throw new TypeError('a blob that goes nowhere has failed')
    if (first === undefined || file.number < first.file.number) first = { file, error: errorOf(blob, outcome, file) }
  }
  return first
}

function errorOf({ id, location }: PlannedBlob, outcome: BackupError | string | FailedWrite, file: PlannedFile): unknown {
  if (isFailedWrite(outcome)) return failedWriteError(outcome, pathBytes(file))
  return ofFile(typeof outcome === 'string' ? damagedBlob(location, id, outcome) : outcome, file.shown())
}

function isFailedWrite(outcome: BlobOutcome): outcome is FailedWrite {
  return typeof outcome === 'object' && !BackupError.is(outcome)
}
