import type { NotificationMessage } from './notification-message.ts'
import type { NotificationState } from './notification-state.ts'

export interface RuleResult {
  readonly state: NotificationState
  readonly messages: readonly NotificationMessage[]
  /** Of messages that only some have missed: the names of these channels, by the `id` of the message. All others are for every channel. */
  readonly only?: Readonly<Record<string, readonly string[]>>
}

/** What messages say of where they come from. */
export interface RuleFacts {
  /** The name of this machine. */
  readonly host: string
}
