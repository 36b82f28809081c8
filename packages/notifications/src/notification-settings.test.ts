import { describe, expect, it } from 'vitest'
import { createChannel } from './channels/create-channel.ts'
import { resolveChannelSettings } from './notification-settings.ts'

function problemOf(settings: unknown): string {
  try {
    resolveChannelSettings(settings, 'notifications.channels.ops')
  } catch (error) {
    return String(error)
  }
  return 'nothing'
}

const email = { kind: 'email', host: 'mail.example.org', from: 'a@example.org', to: 'b@example.org' }
const webhook = { kind: 'webhook', url: 'https://hooks.example.org/s3cr3t' }

describe('settings that cannot be used', () => {
  it('are named with their place, and without a value that may be secret', () => {
    const cases: readonly (readonly [unknown, string])[] = [
      [{ kind: 'mail' }, 'kind'],
      [{ ...email, hots: 'x' }, 'unknown key "hots" in notifications.channels.ops, did you mean "host"?'],
      [{ ...email, to: [] }, 'to'],
      [{ ...email, to: 'b@example.org, c@example.org' }, 'notifications.channels.ops.to: '],
      [{ ...email, to: ['"x@evil.example"@example.org'] }, 'notifications.channels.ops.to'],
      [{ ...email, from: 'Backups <a@example.org>\r\nBcc: c@example.org' }, 'notifications.channels.ops.from: must be an address'],
      [{ ...email, user: 'backup' }, 'notifications.channels.ops.user: needs a password'],
      [{ ...email, security: 'ssl' }, 'notifications.channels.ops.security'],
      [{ ...email, on: ['failure'] }, 'notifications.channels.ops.on'],
      [{ ...webhook, url: 'http://hooks.example.org/s3cr3t' }, 'notifications.channels.ops.url: begins with http://'],
      [{ ...webhook, url: 'https://user:s3cr3t@hooks.example.org' }, 'notifications.channels.ops.url: must be a URL'],
      [{ ...webhook, url: 's3cr3t' }, 'notifications.channels.ops.url: must be a URL'],
      [
        { ...webhook, headers: { Authorization: 's3cr3t\r\nHost: x' } },
        'notifications.channels.ops.headers.Authorization: must be one line',
      ],
      [{ ...webhook, template: { text: '{{subjekt}}' } }, 'has an unknown placeholder {{subjekt}}, did you mean {{subject}}?'],
      [{ ...webhook, preset: 'slak' }, 'notifications.channels.ops.preset'],
      [{ kind: 'ping', url: 'https://hc.example.org/s3cr3t', on: ['failed'] }, 'notifications.channels.ops.on'],
    ]
    for (const [settings, expected] of cases) {
      const problem = problemOf(settings)
      expect(problem).toContain(expected)
      expect(problem).not.toContain('s3cr3t')
    }
  })
})

describe('a channel', () => {
  const message = { id: '1', severity: 'bad', at: '2026-07-24T00:00:00.000Z', host: 'db1', subject: 's', body: 'b' } as const

  it('shows no more of where it leads than a host', () => {
    expect(createChannel('a', { ...webhook, kind: 'webhook' }).destination).toBe('webhook hooks.example.org')
    expect(createChannel('a', { kind: 'ping', url: 'https://hc.example.org:8443/s3cr3t' }).destination).toBe('ping hc.example.org:8443')
    expect(createChannel('a', { ...email, kind: 'email', security: 'tls' }).destination).toBe('e-mail by mail.example.org:465')
  })

  it('takes what it asks for: without being told all but single runs, and of all jobs', () => {
    const all = createChannel('a', { ...webhook, kind: 'webhook' })
    const some = createChannel('a', { ...webhook, kind: 'webhook', on: ['failed', 'digest', 'run-failed'], jobs: ['shop'] })
    const accepts = (channel: typeof all, type: 'failed' | 'recovered' | 'digest' | 'run-failed', job?: string) =>
      channel.accepts({ ...message, type, job })
    expect([accepts(all, 'failed', 'crm'), accepts(all, 'digest'), accepts(all, 'run-failed', 'crm')]).toEqual([true, true, false])
    expect([accepts(some, 'failed', 'crm'), accepts(some, 'failed', 'shop'), accepts(some, 'recovered', 'shop')]).toEqual([
      false,
      true,
      false,
    ])
    expect([accepts(some, 'digest'), accepts(some, 'run-failed', 'shop')]).toEqual([true, true])
  })

  it('for pings takes runs, of some tasks where that is said', () => {
    const ping = createChannel('a', { kind: 'ping', url: 'https://hc.example.org/x', jobs: ['shop'], tasks: ['log'] })
    const run = { ...message, type: 'run-failed', job: 'shop', task: 'log' } as const
    expect([
      ping.accepts(run),
      ping.accepts({ ...run, task: 'full' }),
      ping.accepts({ ...run, job: 'crm' }),
      ping.accepts({ ...run, type: 'failed' }),
    ]).toEqual([true, false, false, false])
  })
})
