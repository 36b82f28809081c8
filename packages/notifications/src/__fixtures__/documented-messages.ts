import { BackupError } from '@backup-planet/core'
import { brokenMessage, repairedMessage } from '../delivery/channel-messages.ts'
import {
  applyDigest,
  applyOutcome,
  applyStart,
  applyWindowLimits,
  emptyNotificationState,
  type NotificationMessage,
  type NotificationState,
  type RuleResult,
  type TaskOutcome,
} from '../index.ts'

const facts = { host: 'db1' }
const at = (time: string): string => `2026-07-${time}.000Z`
const digest = { every: 'daily', at: '07:00', day: 'mon', timezone: 'UTC' } as const
const limits = { shop: 45 * 60_000 }

function run(task: string, time: string, more: Partial<TaskOutcome>): TaskOutcome {
  return { job: 'shop', task, at: at(time), outcome: 'done', seconds: 42, ...more }
}

function logBackup(time: string): Partial<TaskOutcome> {
  return {
    windowEnd: at(time),
    backup: { id: `20260724T${time.slice(3).replaceAll(':', '')}Z-3f0c1a`, kind: 'log', bytes: 8_400_000, storedBytes: 1_900_000 },
  }
}

const unreachable = {
  code: 'UNREACHABLE',
  message: 'nobody answers at 127.0.0.1:3306 (ECONNREFUSED)',
  hint: 'Check that the server runs and that its address and port are right, then try again.',
}
const outOfSpace = {
  code: 'OUT_OF_SPACE',
  message: 'the destination file:///mnt/nas/backups is full',
  hint: 'Free space there, or let prune remove older backups.',
}
const crashed = {
  severity: 'error',
  code: 'APPLICATION',
  message: 'table shop.orders is marked as crashed',
  hint: 'Run: REPAIR TABLE shop.orders',
} as const
const damaged = {
  code: 'CORRUPTED',
  message: 'shop.customer: expected 120431 rows, found 120430',
  hint: 'Run "backup-planet verify --read-data" to see which backups are whole.',
}

/** A day and a half of one job, and all that is told of it: the messages that the documentation shows. */
export function documentedMessages(): readonly NotificationMessage[] {
  let state: NotificationState = emptyNotificationState
  const messages: NotificationMessage[] = []
  const play = (rule: (state: NotificationState) => RuleResult): void => {
    const result = rule(state)
    state = result.state
    messages.push(...result.messages)
  }
  const observe = (outcome: TaskOutcome) => play((before) => applyOutcome(before, outcome, facts))
  play((before) => applyDigest(before, at('23T12:00:00'), digest, ['shop'], facts))
  play((before) => applyStart(before, { job: 'shop', task: 'log', at: at('24T01:59:18') }, facts))
  observe(run('log', '24T02:00:00', logBackup('24T02:00:00')))
  observe(run('log', '24T02:15:00', { outcome: 'failed', failure: unreachable }))
  observe(run('log', '24T02:30:00', { outcome: 'failed', failure: outOfSpace }))
  play((before) => applyWindowLimits(before, at('24T02:46:00'), limits, facts))
  observe(
    run('full', '24T03:00:00', {
      outcome: 'partial',
      problems: [crashed],
      backup: { id: '20260724T025900Z-9b2e44', kind: 'full', bytes: 3_200_000_000, storedBytes: 410_000_000, failedItems: ['shop'] },
    }),
  )
  observe(run('drill', '24T05:10:00', { outcome: 'failed', failure: damaged }))
  play((before) => applyDigest(before, at('24T07:00:00'), digest, ['shop'], facts))
  observe(run('log', '24T07:15:00', logBackup('24T07:15:00')))
  observe(run('drill', '24T07:30:00', {}))
  const broken = new BackupError('hooks.slack.com answered 403: invalid_token', {
    code: 'WRONG_CREDENTIALS',
    hint: 'Write a valid URL or token into the settings; it may have been withdrawn.',
  })
  const chat = { name: 'chat', destination: 'webhook hooks.slack.com' }
  const [refused] = messages.filter(({ type }) => type === 'failed')
  if (refused === undefined) throw new TypeError('nothing has failed')
  const silent = brokenMessage(state, chat, refused, broken, at('24T02:15:05'), facts.host)
  return firstOfEach([...messages, silent, repairedMessage(state, chat, silent.id, at('24T08:00:00'), facts.host)])
}

function firstOfEach(messages: readonly NotificationMessage[]): readonly NotificationMessage[] {
  return messages.filter(({ type }, index) => messages.findIndex((message) => message.type === type) === index)
}

/** As a mail reader shows it. */
export function shownMessage({ subject, body }: NotificationMessage): string {
  return `Subject: [backup-planet] ${subject}\n\n${body}`
}
