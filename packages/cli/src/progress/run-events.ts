import type { OperationOptions, RunEvent, RunOptions } from '@backup-planet/core'
import type { CommandContext } from '../command-context.ts'
import { printable } from '../output/output.ts'
import { problemsText } from '../output/plan-text.ts'

/** Runs one operation of the pipeline with everything it says shown as progress, and as JSON lines where wanted. */
export async function followRun<Result>(context: CommandContext, operation: (options: RunOptions) => Promise<Result>): Promise<Result> {
  using follower = followEvents(context)
  return await operation({ signal: context.signal, onEvent: follower.onEvent })
}

export interface EventFollower extends Disposable {
  readonly onEvent: (event: RunEvent) => void
}

export function followEvents({ output, progress, untold }: CommandContext): EventFollower {
  const display = progress()
  return {
    onEvent(event) {
      output.emit(event)
      display.show(event)
      const text = event.type === 'problem' ? problemsText(untold([event.problem])) : remarkOn(event)
      if (text !== undefined && text !== '') output.remark(text)
    },
    [Symbol.dispose]: () => display[Symbol.dispose](),
  }
}

/** Options for a step before the run itself, with what it finds told at once. */
export function toldOptions({ output, signal, untold }: CommandContext): OperationOptions {
  return {
    signal,
    onProgress(progress) {
      if (progress.type !== 'problem') return
      output.emit(progress)
      const news = untold([progress.problem])
      if (news.length > 0) output.remark(problemsText(news))
    },
  }
}

/** What stays on the screen, because it changes what the operator has to expect. */
function remarkOn(event: RunEvent): string | undefined {
  switch (event.type) {
    case 'resuming':
      return `sending first: run ${event.id}, which an earlier run captured and could not send`
    case 'stored':
      return event.resumed ? `sent: backup ${event.id} of an earlier run, ${event.status}` : undefined
    case 'promoted':
      return `a ${event.kind} backup is made instead of a ${event.asked} one: ${printable(event.reason ?? 'no backup that is there can be continued')}`
    default:
      return undefined
  }
}
