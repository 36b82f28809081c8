import { BackupError } from '@backup-planet/core'
import type { ReplayFacts } from './log-replay-facts.ts'

export type ReplayWay = ReplayFacts['way']

const doneBy = Symbol('doneBy')

const hints: Readonly<Record<ReplayWay, string>> = {
  statements: 'Restore again with the option replay set to statements, which can do this: the replay goes on where it has ended.',
  tools:
    'Restore again with the option replay set to tools, with the tools of the version that wrote the log: the replay goes on where it has ended.',
}

/** The error for what one way of replaying refuses before it is applied, and the other one can do. */
export function refusedFor(way: ReplayWay, message: string): BackupError {
  return Object.assign(new BackupError(message, { code: 'UNSUPPORTED', hint: hints[way] }), { [doneBy]: way })
}

/** The way that can do what was refused; `undefined` for any other error. */
export function wayFor(error: unknown): ReplayWay | undefined {
  return BackupError.is(error) ? (error as BackupError & { readonly [doneBy]?: ReplayWay })[doneBy] : undefined
}
