import type { MessageType } from './notification-message.ts'
import type { NotificationState } from './notification-state.ts'

/** Told apart from every other message of this host by the number of it; should the state be lost, by the time. */
export function idOf({ messages }: NotificationState, at: string, type: MessageType): string {
  return `${Date.parse(at)}.${messages}.${type}`
}
