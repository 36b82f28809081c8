import { BackupError } from '@backup-planet/core'
import { describe, expect, test } from 'vitest'
import { parseConfiguration } from './configuration-file.ts'

const good = `repositories:
  local: { kind: archive, destination: "file:///backups" }
jobs:
  shop:
    agent: mysql
    settings: { host: 127.0.0.1, user: backup, password: "\${env:MYSQL_PASSWORD}" }
    repository: local
`

function messageFor(text: string): string {
  try {
    parseConfiguration(text, '/etc/backup-planet.yaml')
  } catch (error) {
    if (BackupError.is(error) && error.code === 'INVALID_SETTINGS' && error.hint !== undefined) return error.message
    throw error
  }
  return 'accepted'
}

describe('what is wrong is said with its place', () => {
  test.each([
    ['a tab', 'jobs:\n\tshop: {}\n', 'backup-planet.yaml:2:1: a tab is used for indentation; use spaces'],
    ['an unclosed quote', 'jobs: "x\n', 'backup-planet.yaml:2:1: a colon, comma, bracket or closing quote is missing'],
    ['a duplicate', `${good}jobs: {}\n`, 'backup-planet.yaml:8:1: this key is there twice in the same block'],
    ['a list', '- a\n', 'backup-planet.yaml:1:1: the file: invalid input: expected object, received array'],
    [
      'a misspelt key of the daemon',
      `${good}daemon: { logLevl: debug }\n`,
      'backup-planet.yaml:8:11: unknown key "logLevl" in daemon, did you mean "logLevel"?',
    ],
    ['a log that there is not', `${good}daemon: { log: xml }\n`, 'backup-planet.yaml:8:16: daemon.log: expected text or json'],
    ['a misspelt key', `${good}stagging: {}\n`, 'backup-planet.yaml:8:1: unknown key "stagging", did you mean "staging"?'],
    [
      'a foreign key',
      `${good}zzz: 1\n`,
      'backup-planet.yaml:8:1: unknown key "zzz", known are repositories, jobs, targets, staging, limits, notifications, evidence, daemon',
    ],
    [
      'a misspelt key of a job',
      good.replace('settings:', 'setings:'),
      'backup-planet.yaml:6:5: unknown key "setings" in jobs.shop, did you mean "settings"?',
    ],
    [
      'a missing key',
      good.replace('destination:', 'destinatoin:'),
      'backup-planet.yaml:2:10: repositories.local: the key "destination" is missing; is "destinatoin" meant to be it?',
    ],
    [
      'an unknown repository',
      good.replace('repository: local', 'repository: locl'),
      'backup-planet.yaml:7:17: jobs.shop.repository: there is no repository "locl", did you mean "local"?',
    ],
    [
      'a wrong type',
      good.replace('agent: mysql', 'agent: [mysql]'),
      'backup-planet.yaml:5:12: jobs.shop.agent: expected a text such as mysql',
    ],
    [
      'a wrong size',
      `${good}staging: { budget: 2 lots }\n`,
      'backup-planet.yaml:8:20: staging.budget: expected a size such as 2GiB, 500MB or a number of bytes, found "2 lots"',
    ],
    [
      'a wrong rate',
      `${good}limits: { upload: 20MB }\n`,
      'backup-planet.yaml:8:19: limits.upload: expected a rate such as 20MB/s, found "20MB"',
    ],
    [
      'a zero rate',
      `${good}limits: { upload: 0MB/s }\n`,
      'backup-planet.yaml:8:19: limits.upload: expected a rate such as 20MB/s, found "0MB/s"',
    ],
    [
      'a wrong reference',
      good.replace(`\${env:`, `\${evn:`),
      `backup-planet.yaml:6:58: jobs.shop.settings.password: unknown reference "\${evn:…}", did you mean "\${env:…}"?`,
    ],
    [
      'a wrong schedule',
      `${good}    schedule: { full: nightly }\n`,
      'backup-planet.yaml:8:23: jobs.shop.schedule.full: "nightly" is no cron expression: it has 1 field',
    ],
    [
      'a schedule of no text',
      `${good}    schedule: { full: 2 }\n`,
      'backup-planet.yaml:8:23: jobs.shop.schedule.full: expected five cron fields such as "0 2 * * 0"',
    ],
    [
      'an hour that no clock shows',
      `${good}    schedule: { log: "*/15 24 * * *" }\n`,
      'backup-planet.yaml:8:22: jobs.shop.schedule.log: "*/15 24 * * *" is no cron expression: invalid value for hour: 24',
    ],
    [
      'a time zone that is none',
      `${good}    schedule: { full: "0 2 * * 0", timezone: Europe/Pariss }\n`,
      'backup-planet.yaml:8:46: jobs.shop.schedule.timezone: there is no time zone "Europe/Pariss"',
    ],
    [
      'a window that is none',
      `${good}    schedule: { full: "0 2 * * 0", windows: [{ from: "20:00", to: "26:00" }] }\n`,
      'backup-planet.yaml:8:67: jobs.shop.schedule.windows.0.to: "26:00" is no time of a day from 00:01 to 24:00; midnight at the end of a day is 24:00',
    ],
    [
      'a day of another language',
      `${good}    schedule: { full: "0 2 * * 0", windows: [{ days: [montag], from: "20:00", to: "22:00" }] }\n`,
      'backup-planet.yaml:8:55: jobs.shop.schedule.windows.0.days.0: expected one of sun, mon, tue, wed, thu, fri, sat',
    ],
    [
      'a jitter without unit',
      `${good}    schedule: { full: "0 2 * * 0", jitter: "5" }\n`,
      'backup-planet.yaml:8:44: jobs.shop.schedule.jitter: expected a duration such as 30s, 5m or 6h, found "5"',
    ],
    [
      'a misspelt key of a schedule',
      `${good}    schedule: { full: "0 2 * * 0", runmissed: false }\n`,
      'backup-planet.yaml:8:36: unknown key "runmissed" in jobs.shop.schedule, did you mean "runMissed"?',
    ],
    [
      'a wrong retention',
      `${good}    retention: { keepDayly: 7 }\n`,
      'backup-planet.yaml:8:18: unknown key "keepDayly" in jobs.shop.retention, did you mean "keepDaily"?',
    ],
    [
      'a wrong retention of a kind',
      `${good}    retention: { log: { keepWithn: 7d } }\n`,
      'backup-planet.yaml:8:25: unknown key "keepWithn" in jobs.shop.retention.log, did you mean "keepWithin"?',
    ],
    [
      'a retention that is less than nothing',
      `${good}    retention: { keepLast: -1 }\n`,
      'backup-planet.yaml:8:28: jobs.shop.retention.keepLast: expected a number of backups, 0 or more',
    ],
    [
      'a retention of nothing',
      `${good}    retention: { keepLast: 0, keepDaily: 0, differential: { keepLast: 1 } }\n`,
      'backup-planet.yaml:8:16: jobs.shop.retention: every rule here is 0, which would keep nothing; say of one at least how much it keeps, or leave them out to keep everything',
    ],
    [
      'a retention of no logs',
      `${good}    retention: { keepLast: 7, log: { keepDaily: 0 } }\n`,
      'backup-planet.yaml:8:36: jobs.shop.retention.log: every rule here is 0, which would keep nothing; say of one at least how much it keeps, or leave them out to keep everything',
    ],
    [
      'a retention in no time zone',
      `${good}    retention: { keepDaily: 7, timezone: Mars }\n`,
      'backup-planet.yaml:8:42: jobs.shop.retention.timezone: expected a time zone such as Europe/Paris',
    ],
    [
      'a name that is none',
      good.replace('shop:', '"a/b":'),
      'backup-planet.yaml:4:3: jobs.a/b: a name begins with a letter or digit and goes on with letters, digits, dots, dashes and underscores, 64 at most',
    ],
    [
      'a target called source',
      `${good}targets: { source: { agent: mysql } }\n`,
      'backup-planet.yaml:8:12: targets.source: this name is taken; it means the server of the job itself',
    ],
    [
      'several at once',
      `${good.replace('settings:', 'setings:')}limits: { uplod: 1 }\n`,
      'backup-planet.yaml:6:5: unknown key "setings" in jobs.shop, did you mean "settings"?\nbackup-planet.yaml:8:11: unknown key "uplod" in limits, did you mean "upload"?',
    ],
  ])('%s', (_name, text, message) => {
    expect(messageFor(text)).toBe(message)
  })
})

test.each([
  ['an alias', 'password: *hunter22'],
  ['a tag', 'password: !hunter22 {'],
  ['a directive', '%hunter22\n---\npassword: x'],
  ['a reserved character', 'password: @hunter22'],
  ['a bad escape', 'password: "\\hunter22"'],
  ['a bad flow', 'x: { password: hunter22: y ] }'],
  ['two documents', 'password: hunter22\n---\nx: hunter22'],
  ['a wrong type', 'jobs: hunter22'],
])('a secret that breaks the file as %s is not printed', (_name, text) => {
  const message = messageFor(text)
  expect(message).not.toContain('hunter22')
  expect(message).toMatch(/^backup-planet\.yaml:\d+:\d+: /)
})

test('an empty file, and the example of the documentation, are accepted', () => {
  expect(parseConfiguration('', '/x.yaml').content.jobs).toEqual({})
  const { content, warnings } = parseConfiguration(
    `${good}    schedule: { full: "0 2 * * 0", log: "*/15 * * * *" }
    retention: { keepDaily: 7, keepWeekly: 5, keepMonthly: 12, keepWithin: 14d, timezone: Europe/Paris, differential: {}, log: { keepWithin: 7d } }
targets:
  scratch: { agent: mysql, settings: { host: 127.0.0.1, port: 3307, user: root } }
staging: { directory: /var/tmp/staging, budget: 2GiB }
limits: { upload: 20MB/s }
`,
    '/x.yaml',
  )
  expect(content.staging.budget).toBe(2 ** 31)
  expect(content.limits.upload).toBe(20_000_000)
  expect(content.jobs.shop?.retention?.log).toEqual({ keepWithin: 604_800_000 })
  expect(warnings).toEqual([])
})

test('names that are not there are refused with the nearest one, also those every object has', () => {
  const configuration = parseConfiguration(good, '/x.yaml')
  expect(() => configuration.job('shp')).toThrow(expect.objectContaining({ hint: 'Did you mean "shop"? The jobs there are: shop.' }))
  expect(() => configuration.job('constructor')).toThrow('there is no job "constructor" in /x.yaml')
  const hint = 'Add one under "targets" in /x.yaml. "source" is the server of the job itself.'
  expect(() => configuration.target('x')).toThrow(expect.objectContaining({ hint }))
})

test('a file with plain secrets that others can read is exposed, one with references is not', () => {
  const plain = good.replace(`"\${env:MYSQL_PASSWORD}"`, 'hunter22')
  expect(parseConfiguration(plain, '/x.yaml', true).exposure).toEqual({
    message: 'others can read /x.yaml, which holds jobs.shop.settings.password as plain text',
    hint: `Run "chmod 600 /x.yaml", or move the secrets out of it with \${env:NAME} or \${file:/path}.`,
  })
  expect(parseConfiguration(plain, '/x.yaml', false).exposure).toBeUndefined()
  expect(parseConfiguration(good, '/x.yaml', true).exposure).toBeUndefined()
})
