import type { NotificationMessage } from '@backup-planet/notifications'
import type { HttpReceiver } from '@backup-planet/tooling/http-receiver'
import type { ThrowawaySmtp } from '@backup-planet/tooling/throwaway-smtp'
import type { DaemonLine } from './watched-daemon.ts'

/** What is compared of a message. */
export interface ToldOutcome {
  readonly job: string | undefined
  readonly type: string
  readonly task: string | undefined
  /** Of an end: that of the last failure. */
  readonly code: string | undefined
  /** Place in the list of the first failure of the same row; `undefined` of that itself. */
  readonly answers: number | undefined
}

export function receivedMessages({ requests }: HttpReceiver): readonly NotificationMessage[] {
  return requests.map(({ body }) => JSON.parse(body) as NotificationMessage)
}

export function receivedSubjects({ received }: ThrowawaySmtp): readonly string[] {
  return received.map(({ raw }) => {
    const [headers = ''] = raw.split('\r\n\r\n')
    const [, subject = ''] = /^Subject: (.*)$/m.exec(headers.replaceAll(/\r\n[ \t]+/g, ' ')) ?? []
    return subject
  })
}

export function isOfWindow({ type }: Pick<NotificationMessage, 'type'>): boolean {
  return type === 'window-stopped-growing' || type === 'window-grows-again'
}

/** Failures and their ends as they were told. */
export function toldOutcomes(messages: readonly NotificationMessage[]): readonly ToldOutcome[] {
  const outcomes = messages.filter((message) => !isOfWindow(message))
  return outcomes.map(({ job, type, task, code, answers }) => ({
    job,
    type,
    task,
    code,
    answers: answers === undefined ? undefined : outcomes.findIndex(({ id }) => id === answers),
  }))
}

/**
 * What docs/notifications.md says is told of these runs: all failures of one task in a row once for each code, and once that it is done again. A
 * failure that may be one of a moment is not told of yet, and a run that was cut with its process never.
 */
export function expectedOutcomes(lines: readonly DaemonLine[]): readonly ToldOutcome[] {
  const expected: ToldOutcome[] = []
  const failing = new Map<string, { readonly first: number; readonly told: Set<string>; last: string }>()
  for (const { type, run, outcome, failure, lasting } of lines) {
    if (type !== 'run-ended' || run === undefined) continue
    const { job, task } = run
    const key = `${job} ${task}`
    const row = failing.get(key)
    if (outcome === 'done') {
      if (row !== undefined) expected.push({ job, type: 'recovered', task, code: row.last, answers: row.first })
      failing.delete(key)
    } else if (outcome === 'failed' && failure !== undefined && lasting === true) {
      const { code } = failure
      if (row?.told.has(code) !== true) expected.push({ job, type: 'failed', task, code, answers: row?.first })
      if (row === undefined) failing.set(key, { first: expected.length - 1, told: new Set([code]), last: code })
      else {
        row.told.add(code)
        row.last = code
      }
    }
  }
  return expected
}
