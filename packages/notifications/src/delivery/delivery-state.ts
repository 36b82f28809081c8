import * as z from 'zod'
import { channelMessageTypes, messageTypes } from '../rules/notification-message.ts'

const moment = z.iso.datetime()

const message = z.object({
  id: z.string(),
  answers: z.string().optional(),
  type: z.enum([...messageTypes, ...channelMessageTypes, 'test']),
  severity: z.enum(['bad', 'warning', 'good', 'neutral']),
  at: moment,
  host: z.string(),
  job: z.string().optional(),
  task: z.string().optional(),
  subject: z.string(),
  body: z.string(),
  code: z.string().optional(),
  message: z.string().optional(),
  hint: z.string().optional(),
  lastSuccess: moment.optional(),
  restorableUntil: moment.optional(),
})

const delivery = z.object({
  channel: z.string(),
  message,
  /** When it was to be sent first. */
  since: moment,
  /** How often it was refused. */
  refusals: z.int(),
  /** Not before this: it was refused, and is tried again later. */
  notBefore: moment,
})

const channel = z.object({
  /** How often in a row nothing could be sent. */
  failures: z.int(),
  /** Nothing is tried before this. */
  notBefore: moment.optional(),
  /** The `id` of the message that told the others that it is broken. */
  told: z.string().optional(),
  /** How many messages were given up since the last one that was sent. */
  dropped: z.int(),
  /** Who sends through it now, and until when that counts at most: a process that was killed does not say that it has stopped. */
  claim: z.object({ owner: z.string(), until: moment }).optional(),
})

/** What is on its way, as plain JSON, the oldest first. It may be lost: then what was not sent yet is not told. */
export const deliveryStateSchema = z.object({ waiting: z.array(delivery), channels: z.record(z.string(), channel) })

export type DeliveryState = z.output<typeof deliveryStateSchema>
export type Delivery = z.output<typeof delivery>
export type ChannelState = z.output<typeof channel>

export const emptyDeliveryState: DeliveryState = { waiting: [], channels: {} }

export function channelStateOf(state: DeliveryState, channel: string): ChannelState {
  return (Object.hasOwn(state.channels, channel) ? state.channels[channel] : undefined) ?? { failures: 0, dropped: 0 }
}

export function withChannelState(state: DeliveryState, name: string, channel: ChannelState): DeliveryState {
  return { ...state, channels: { ...state.channels, [name]: channel } }
}
