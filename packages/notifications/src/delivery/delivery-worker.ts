import { randomBytes } from 'node:crypto'
import { BackupError } from '@backup-planet/core'
import type { NotificationChannel } from '../channels/notification-channel.ts'
import type { NotificationMessage } from '../rules/notification-message.ts'
import { brokenMessage, repairedMessage, withDropped } from './channel-messages.ts'
import {
  claimed,
  delivered,
  enqueueForOthers,
  isWorthTelling,
  nextDelivery,
  notDelivered,
  released,
  withoutExpired,
} from './delivery-rules.ts'
import { channelStateOf, type Delivery, withChannelState } from './delivery-state.ts'
import { type NotificationContent, type NotificationStore, withDelivery } from './notification-store.ts'

export interface DeliveryParts {
  readonly store: NotificationStore
  readonly channels: readonly NotificationChannel[]
  readonly host: string
  readonly warn: (text: string) => void
  /** Takes secrets out of what one channel tells of another. */
  readonly hide: (text: string) => string
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** From 0 up to 1. */
  readonly random: () => number
}

/** Sends what waits, one message after the other through each channel, until it is stopped. */
export interface DeliveryWorker {
  /** Something may be there to send. */
  wake(): void
  /** Resolves when all that may be sent now was tried, or after so long; nothing is tried afterwards. What is left waits for the next process. */
  stop(withinMs: number): Promise<void>
}

type Step = { readonly delivery: Delivery; readonly dropped: number } | { readonly waitMs: number } | undefined

/** So long a claim counts for beyond what one message may take: of a process that was killed. */
const claimMarginMs = 5000
const longestSleepMs = 3_600_000

export function createDeliveryWorker(parts: DeliveryParts): DeliveryWorker {
  const { store, channels, host, warn, hide, now, random } = parts
  const owner = randomBytes(9).toString('base64url')
  const controller = new AbortController()
  const running = new Map<string, Promise<void>>()
  const timers = new Map<string, NodeJS.Timeout>()
  const again = new Set<string>()
  let stopping = false

  function begin(channel: NotificationChannel): void {
    if (controller.signal.aborted) return
    if (running.has(channel.name)) {
      again.add(channel.name)
      return
    }
    again.delete(channel.name)
    clearTimeout(timers.get(channel.name))
    const drained = drain(channel)
      .catch((error: unknown) => warn(`channel ${channel.name}: ${error instanceof Error ? error.message : String(error)}`))
      .finally(() => {
        running.delete(channel.name)
        if (again.has(channel.name)) begin(channel)
      })
    running.set(channel.name, drained)
  }

  async function drain(channel: NotificationChannel): Promise<void> {
    while (!controller.signal.aborted) {
      const step = await take(channel)
      if (step === undefined) return
      if ('waitMs' in step) {
        if (!stopping) timers.set(channel.name, setTimeout(() => begin(channel), Math.min(step.waitMs, longestSleepMs)).unref())
        return
      }
      await send(channel, step.delivery, step.dropped)
    }
  }

  /** The next one, marked as being sent. */
  function take(channel: NotificationChannel): Promise<Step> {
    return store.update<Step>((content) => {
      const kept = withDelivery(content, withoutExpired(content.delivery, channels, now()), warn)
      const { delivery } = kept
      const step = nextDelivery(delivery, channel.name, owner, now())
      if (step === undefined || 'waitMs' in step) return [kept, step]
      const { dropped } = channelStateOf(delivery, channel.name)
      return [
        { ...kept, delivery: claimed(delivery, channel.name, owner, now() + channel.longestMs + claimMarginMs) },
        { ...step, dropped },
      ]
    })
  }

  async function send(channel: NotificationChannel, delivery: Delivery, dropped: number): Promise<void> {
    try {
      await channel.send(withDropped(delivery.message, dropped), { signal: controller.signal })
    } catch (error) {
      if (controller.signal.aborted) {
        await store.update((content) => [{ ...content, delivery: released(content.delivery, channel.name) }, undefined])
        return
      }
      await settleFailure(channel, delivery, withoutSecrets(asBackupError(error), hide))
      return
    }
    await settleSuccess(channel, delivery)
  }

  async function settleSuccess(channel: NotificationChannel, delivery: Delivery): Promise<void> {
    const repaired = await store.update<boolean>((content) => {
      const { told: about } = channelStateOf(content.delivery, channel.name)
      const settled = { ...content, delivery: delivered(content.delivery, delivery) }
      if (about === undefined) return [settled, false]
      return [tellOthers(settled, channel, repairedMessage(content.rules, channel, about, new Date(now()).toISOString(), host)), true]
    })
    if (repaired) beginOthers(channel)
  }

  async function settleFailure(channel: NotificationChannel, delivery: Delivery, error: BackupError): Promise<void> {
    warn(`channel ${channel.name}: "${delivery.message.subject}" could not be sent: ${error.code} ${error.message}`)
    await store.update((content) => {
      const state = notDelivered(content.delivery, delivery, error, now(), random())
      const settled = { ...content, delivery: state }
      // Else two channels that refuse everything would tell of each other without end.
      if (delivery.message.type === 'channel-broken' || delivery.message.type === 'channel-repaired') return [settled, undefined]
      const after = channelStateOf(state, channel.name)
      const waiting = state.waiting.find((candidate) => candidate.channel === channel.name && candidate.message.id === delivery.message.id)
      if (!isWorthTelling(after, waiting, error)) return [settled, undefined]
      const message = brokenMessage(content.rules, channel, delivery.message, error, new Date(now()).toISOString(), host)
      const known = error.code === 'INVALID_INPUT' ? state : withChannelState(state, channel.name, { ...after, told: message.id })
      return [tellOthers({ ...settled, delivery: known }, channel, message), undefined]
    })
    beginOthers(channel)
  }

  function beginOthers(channel: NotificationChannel): void {
    for (const other of channels) if (other !== channel) begin(other)
  }

  function tellOthers(content: NotificationContent, about: NotificationChannel, message: NotificationMessage): NotificationContent {
    const counted = { ...content, rules: { ...content.rules, messages: content.rules.messages + 1 } }
    return withDelivery(counted, enqueueForOthers(content.delivery, message, about.name, channels, now()), warn)
  }

  return {
    wake() {
      for (const channel of channels) begin(channel)
    },
    async stop(withinMs) {
      stopping = true
      const deadline = setTimeout(() => controller.abort(), withinMs)
      for (const channel of channels) begin(channel)
      while (running.size > 0) await Promise.all(running.values())
      clearTimeout(deadline)
      controller.abort()
      for (const timer of timers.values()) clearTimeout(timer)
    },
  }
}

/** The cause stays: it says how long the other side asked to be left alone, and is not shown. */
function withoutSecrets({ code, message, hint, retryable, cause }: BackupError, hide: (text: string) => string): BackupError {
  return new BackupError(hide(message), { code, retryable, hint: hint === undefined ? undefined : hide(hint), cause })
}

function asBackupError(error: unknown): BackupError {
  if (BackupError.is(error)) return error
  return new BackupError(error instanceof Error ? error.message : String(error), { code: 'UNKNOWN', cause: error })
}
