import { BackupError, type ItemFailure } from '@backup-planet/core'

/** What the stage throws concerns every item: no room, an aborted run. */
export class StageFailure extends Error {}

export function stageFailure(error: unknown): never {
  throw new StageFailure('staging failed', { cause: error })
}

export function changedDuringCopy(schema: string, change: string): BackupError {
  return new BackupError(`${change} in schema ${schema} during the backup`, {
    code: 'INCONSISTENT',
    hint: 'Run again when no schema change is in progress, or set ddlGuard to instance (MySQL 8) or mdl.',
  })
}

/** A table that is gone or was rebuilt says so in the words of the server; here it is said what that means. */
export function explained(failure: ItemFailure, number: number | undefined, during: string): ItemFailure {
  if (number === 1205) {
    return {
      ...failure,
      hint: 'An ALTER of this table was in progress or waiting. Run again when there is none, or raise tableWaitSeconds.',
    }
  }
  const meaning =
    number === 1412 ? 'was rebuilt or created' : number === 1146 ? 'was dropped or renamed' : number === 1054 ? 'lost a column' : undefined
  if (meaning === undefined) return failure
  const table = during.replace(/^.* table /, '')
  return {
    code: 'INCONSISTENT',
    message: `table ${table} ${meaning} during the backup: ${failure.message}`,
    hint: 'Run again when no schema change is in progress, or set ddlGuard to instance (MySQL 8) or mdl.',
  }
}
