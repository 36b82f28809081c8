import type { BackupError } from '@backup-planet/core'
import { askedPause } from '../channels/channel-errors.ts'
import type { NotificationChannel } from '../channels/notification-channel.ts'
import type { NotificationMessage } from '../rules/notification-message.ts'
import type { RuleResult } from '../rules/rule-result.ts'
import { type ChannelState, channelStateOf, type Delivery, type DeliveryState, withChannelState } from './delivery-state.ts'

export interface DeliveryLimits {
  /** How long one message is tried, in milliseconds. */
  readonly longestMs: number
  /** How many messages may wait for one channel. */
  readonly mostWaiting: number
}

export const deliveryLimits: DeliveryLimits = { longestMs: 24 * 3_600_000, mostWaiting: 100 }

const firstPauseMs = 30_000
const longestPauseMs = 3_600_000

/** The pause after so many failures in a row: 30 seconds, doubled up to an hour, by up to a half less so that many do not return at once. */
export function pauseAfter(failures: number, random: number): number {
  const upper = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(failures - 1, 20))
  return Math.round(upper * (1 - random / 2))
}

/** A change, what is to be said of it in the log, and what channels have given up with it. */
export interface DeliveryChange {
  readonly state: DeliveryState
  readonly remarks: readonly string[]
  readonly givenUp: readonly Delivery[]
}

/** A change that is being made. */
interface GrowingChange {
  state: DeliveryState
  readonly remarks: string[]
  readonly givenUp: Delivery[]
}

function changeOf(state: DeliveryState): GrowingChange {
  return { state, remarks: [], givenUp: [] }
}

type Recipient = Pick<NotificationChannel, 'name' | 'accepts'>

/** Messages that are to be sent, for each channel that asks for them, and that is one of those that they are `only` for. */
export function enqueue(
  before: DeliveryState,
  { messages, only = {} }: Pick<RuleResult, 'messages' | 'only'>,
  channels: readonly Recipient[],
  now: number,
): DeliveryChange {
  const change = changeOf(before)
  for (const message of messages) {
    const meant = only[message.id]
    for (const channel of channels) {
      if (!channel.accepts(message) || meant?.includes(channel.name) === false) continue
      addTo(change, message, channel.name, now)
    }
  }
  return change
}

/** A message about a channel, for all others, whatever they ask for; a program that is pinged has no use for it. */
export function enqueueForOthers(
  before: DeliveryState,
  message: NotificationMessage,
  about: string,
  channels: readonly Pick<NotificationChannel, 'name' | 'kind'>[],
  now: number,
): DeliveryChange {
  const change = changeOf(before)
  for (const { name, kind } of channels) if (name !== about && kind !== 'ping') addTo(change, message, name, now)
  return change
}

function addTo(change: GrowingChange, message: NotificationMessage, channel: string, now: number): void {
  const moment = new Date(now).toISOString()
  const delivery: Delivery = { channel, message, since: moment, refusals: 0, notBefore: moment }
  const kept = change.state.waiting.filter((waiting) => !isOvertaken(waiting, delivery))
  const mine = kept.filter((waiting) => waiting.channel === channel)
  const surplus =
    mine.length >= deliveryLimits.mostWaiting ? (mine.find(({ message: { type } }) => type === 'digest') ?? mine[0]) : undefined
  change.state = { ...change.state, waiting: [...kept.filter((waiting) => waiting !== surplus), delivery] }
  if (surplus !== undefined) giveUp(change, surplus, `because ${deliveryLimits.mostWaiting} messages wait already`)
}

/** That a channel is broken, which nobody got to know, is told anew when it fails again. */
function giveUp(change: GrowingChange, delivery: Delivery, why: string): void {
  const { channel, message } = delivery
  const state = channelStateOf(change.state, channel)
  change.state = withChannelState(change.state, channel, { ...state, dropped: state.dropped + 1 })
  for (const [name, { told, ...rest }] of Object.entries(change.state.channels))
    if (told === message.id) change.state = withChannelState(change.state, name, rest)
  change.remarks.push(`channel ${channel}: "${message.subject}" is given up, ${why}`)
  change.givenUp.push(delivery)
}

/** Of single runs only the latest counts, so that no old success hides a new failure. */
function isOvertaken(waiting: Delivery, next: Delivery): boolean {
  const isRun = ({ message }: Delivery) => message.type.startsWith('run-')
  const { job, task } = next.message
  return waiting.channel === next.channel && isRun(waiting) && isRun(next) && waiting.message.job === job && waiting.message.task === task
}

/** What is too old is given up; so is what waits for channels that are gone. */
export function withoutExpired(state: DeliveryState, channels: readonly { readonly name: string }[], now: number): DeliveryChange {
  const names = new Set(channels.map(({ name }) => name))
  const isKept = ({ channel, since }: Delivery) => names.has(channel) && now - Date.parse(since) <= deliveryLimits.longestMs
  if (state.waiting.every(isKept) && Object.keys(state.channels).every((name) => names.has(name))) return changeOf(state)
  const change = changeOf({
    waiting: state.waiting.filter(isKept),
    channels: Object.fromEntries(Object.entries(state.channels).filter(([name]) => names.has(name))),
  })
  for (const delivery of state.waiting) {
    if (!names.has(delivery.channel) || isKept(delivery)) continue
    giveUp(change, delivery, `after it was tried for ${deliveryLimits.longestMs / 3_600_000} hours`)
  }
  return change
}

/** What may be sent through a channel now, or how long there is to wait; `undefined` when nothing is there to send. */
export function nextDelivery(
  state: DeliveryState,
  channel: string,
  owner: string,
  now: number,
): { readonly delivery: Delivery } | { readonly waitMs: number } | undefined {
  const mine = state.waiting.filter((delivery) => delivery.channel === channel)
  if (mine.length === 0) return undefined
  const { notBefore, claim } = channelStateOf(state, channel)
  const free = Math.max(
    wait(notBefore, now, longestPauseMs * 24),
    claim === undefined || claim.owner === owner ? 0 : wait(claim.until, now, longestClaimMs),
  )
  const due = mine.find((delivery) => wait(delivery.notBefore, now, longestPauseMs * 24) === 0)
  if (free === 0 && due !== undefined) return { delivery: due }
  return { waitMs: Math.max(free, Math.min(...mine.map((delivery) => wait(delivery.notBefore, now, longestPauseMs * 24)))) }
}

const longestClaimMs = 15 * 60_000

/** How long until a moment; one that lies further ahead than anything is put off was written by a clock that was set back since. */
function wait(until: string | undefined, now: number, longest: number): number {
  const rest = until === undefined ? 0 : Date.parse(until) - now
  return rest > longest ? 0 : Math.max(0, rest)
}

/** Marks a channel as used by a process, for as long as one message may take. */
export function claimed(state: DeliveryState, channel: string, owner: string, until: number): DeliveryState {
  return withChannelState(state, channel, { ...channelStateOf(state, channel), claim: { owner, until: new Date(until).toISOString() } })
}

/** It is there: the channel works. */
export function delivered(state: DeliveryState, { channel, message }: Delivery): DeliveryState {
  return withChannelState(without(state, channel, message.id), channel, { failures: 0, dropped: 0 })
}

/** It is not: this message waits where it was refused, and the channel where it does not work at all. */
export function notDelivered(
  state: DeliveryState,
  { channel, message }: Delivery,
  error: BackupError,
  now: number,
  random: number,
): DeliveryState {
  const { claim: _released, ...before } = channelStateOf(state, channel)
  const asked = Math.min(askedPause(error) ?? 0, longestPauseMs * 24)
  if (error.code === 'INVALID_INPUT') {
    const waiting = state.waiting.map((delivery) => {
      if (delivery.channel !== channel || delivery.message.id !== message.id) return delivery
      const refusals = delivery.refusals + 1
      return { ...delivery, refusals, notBefore: later(now, Math.max(asked, pauseAfter(refusals + 2, random))) }
    })
    return withChannelState({ ...state, waiting }, channel, before)
  }
  const failures = before.failures + 1
  return withChannelState(state, channel, { ...before, failures, notBefore: later(now, Math.max(asked, pauseAfter(failures, random))) })
}

/** Nothing was found out: who sent was stopped. */
export function released(state: DeliveryState, channel: string): DeliveryState {
  const { claim: _released, ...rest } = channelStateOf(state, channel)
  return withChannelState(state, channel, rest)
}

/** Whether the others are told now: that a channel is broken, at once where nothing heals by itself and after the third failure else; or that it refused this message. */
export function isWorthTelling(state: ChannelState, delivery: Delivery | undefined, error: BackupError): boolean {
  if (error.code === 'INVALID_INPUT') return delivery?.refusals === 1
  return state.told === undefined && (!error.retryable || state.failures >= 3)
}

function without(state: DeliveryState, channel: string, id: string): DeliveryState {
  return { ...state, waiting: state.waiting.filter((delivery) => delivery.channel !== channel || delivery.message.id !== id) }
}

function later(now: number, pauseMs: number): string {
  return new Date(now + pauseMs).toISOString()
}
