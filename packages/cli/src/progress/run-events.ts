import type { RunEvent, RunOptions } from '@backup-planet/core'
import type { CommandContext } from '../command-context.ts'
import { problemsText } from '../output/plan-text.ts'

/** Runs one operation of the pipeline with everything it says shown as progress, and as JSON lines where wanted. */
export async function followRun<Result>(context: CommandContext, operation: (options: RunOptions) => Promise<Result>): Promise<Result> {
  using follower = followEvents(context)
  return await operation({ signal: context.signal, onEvent: follower.onEvent })
}

export interface EventFollower extends Disposable {
  readonly onEvent: (event: RunEvent) => void
  /** Text that stays, above the progress. */
  remark(text: string): void
}

export function followEvents({ output, progress }: CommandContext): EventFollower {
  const display = progress()
  return {
    onEvent(event) {
      output.emit(event)
      if (event.type === 'problem') display.remark(problemsText([event.problem]))
      else display.show(event)
    },
    remark: display.remark,
    [Symbol.dispose]: () => display[Symbol.dispose](),
  }
}
