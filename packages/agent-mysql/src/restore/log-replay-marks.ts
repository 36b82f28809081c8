import { journalSchema } from './restore-journal.ts'

/** Where the journal keeps how far a replay has come. */
export const replayTable = `${journalSchema}.replay`

// The statements below stand in the replayed stream itself, so that they are committed with the transaction that they speak of. They are
// understood in every SQL mode and in every character set that a session can speak.

/** Something begins that cannot be rolled back as a whole: should it be found begun later, nobody knows how far it came. */
export const begunMark = `UPDATE ${replayTable} SET begun = 1 WHERE id = 1`

/** Temporary tables may live in the session from here on: another session would not have them. */
export const temporaryMark = `UPDATE ${replayTable} SET temporary_tables = 1 WHERE id = 1`

/** Everything before this offset of this log, counted from 0 in the order of the replay, is applied. */
export function doneMark(log: number, offset: number): string {
  return `UPDATE ${replayTable} SET log_number = ${log}, log_offset = ${offset}, begun = 0 WHERE id = 1`
}
