import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ScheduledOutcome, ScheduleEvent } from '@backup-planet/core'
import type { NotificationMessage } from '@backup-planet/notifications'
import { expect, onTestFinished, test } from 'vitest'
import type { CommandContext } from '../command-context.ts'
import { createSecretMask } from '../configuration/secret-mask.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { endedRun, runOf } from './__fixtures__/scheduled-runs.ts'
import { notifyingObserver } from './notifying-observer.ts'

function ended(outcome: ScheduledOutcome, retryAt?: string, lasting?: boolean): ScheduleEvent {
  return endedRun('full', outcome, { ...(retryAt === undefined ? {} : { retryAt }), ...(lasting === undefined ? {} : { lasting }) })
}

/** What a channel was sent once these things had happened and the observer was closed. */
async function told(events: readonly ScheduleEvent[], content: object = { channels: { chat: { kind: 'webhook' } } }) {
  const directory = await mkdtemp(join(tmpdir(), 'notifying-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const sent: NotificationMessage[] = []
  const channel = {
    name: 'chat',
    kind: 'webhook',
    destination: 'webhook example.org',
    longestMs: 1000,
    accepts: () => true,
    send: async (message: NotificationMessage) => {
      sent.push(message)
      return 'ok'
    },
  }
  const workspace = {
    configuration: { content: { jobs: { shop: {} }, notifications: content } },
    channel: async () => channel,
    notificationFile: join(directory, 'notifications', 'state.json'),
  } as unknown as Workspace
  const context = {
    mask: createSecretMask(),
    output: { remark: () => undefined },
    now: () => Date.parse(runOf('full').beganAt),
  } as unknown as CommandContext
  const observer = notifyingObserver(context, workspace)
  for (const event of events) observer.onScheduleEvent?.(event)
  await observer.close?.()
  return sent.map(({ type }) => type)
}

test('a failure is told once it is not tried again soon, and its recovery', async () => {
  const started: ScheduleEvent = { type: 'run-started', run: runOf('full') }
  const retried = ended('failed', '2026-03-01T02:01:00.000Z')
  const types = await told([started, retried, started, ended('failed'), started, ended('failed'), started, ended('done')])
  expect(types.filter((type) => !type.startsWith('run-'))).toEqual(['failed', 'recovered'])
  // Of what is said of each run, only the latest is kept until it can be sent.
  expect(types.filter((type) => type.startsWith('run-')).at(-1)).toBe('run-succeeded')
})

test('a failure that lasts is told although it is tried again', async () => {
  const types = await told([ended('failed', '2026-03-01T02:15:00.000Z', true)])
  expect(types.filter((type) => !type.startsWith('run-'))).toEqual(['failed'])
})

test('a run that succeeds when it is tried again has not failed', async () => {
  const types = await told([ended('failed', '2026-03-01T02:01:00.000Z'), ended('done')])
  expect(types.filter((type) => !type.startsWith('run-'))).toEqual([])
})
