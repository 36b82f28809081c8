import { type OperationOptions, RunReporter } from '@backup-planet/core'
import type { CommandContext } from '../command-context.ts'
import { followEvents } from './run-events.ts'

/** Work on a repository with everything it says shown as progress, and as JSON lines where wanted. */
export async function followWork<Result>(context: CommandContext, work: (options: OperationOptions) => Promise<Result>): Promise<Result> {
  using follower = followEvents(context)
  using reporter = new RunReporter({ onEvent: follower.onEvent })
  try {
    return await work({ signal: context.signal, onProgress: reporter.onProgress })
  } finally {
    reporter.flush()
  }
}
