import { BackupError } from '@backup-planet/core'
import { UsageError } from './usage-error.ts'

/** What a script that calls `backup-planet` decides by. Stable within a major version. */
export const exitCodes = {
  /** Everything asked for is done. */
  done: 0,
  /** Something failed; standard error says what and what to do. */
  failed: 1,
  /** The command line or the configuration is wrong; nothing was done. */
  usage: 2,
  /** Some items failed, the others are done. */
  partial: 3,
  /** Stopped by a signal. */
  aborted: 130,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError) return exitCodes.usage
  if (!BackupError.is(error)) return exitCodes.failed
  if (error.code === 'INVALID_SETTINGS') return exitCodes.usage
  return error.code === 'ABORTED' ? exitCodes.aborted : exitCodes.failed
}
