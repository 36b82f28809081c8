import type { NotificationMessage } from './notification-message.ts'
import type { NotificationState } from './notification-state.ts'

export interface RuleResult {
  readonly state: NotificationState
  readonly messages: readonly NotificationMessage[]
}

/** What messages say of where they come from. */
export interface RuleFacts {
  /** The name of this machine. */
  readonly host: string
}
